"""Memory that the caged child and its parent share, in which a large message travels (Linux).

Through a pipe every byte of a frame is copied into the kernel and out of it, a MiB at a time, with
a change of process between: 3 ms of CPU for a frame of 1080p, and less than 2 so. The parent makes
the memory, of a size that nobody can change (memfd_create(2), seals of fcntl(2)), and maps it to
read. The child maps it before it gives up its rights, and closes the descriptor. Pages that nobody
wrote take no room.

The parent copies a message before it looks at it: what was checked cannot change any more.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys

__all__ = ["HEAD", "LARGE_BYTES", "SHARED_BYTES", "Inside", "Outside"]

HEAD = struct.Struct("<cQ?")
"""Head of a message: kind, size of its content in bytes, whether that lies in shared memory."""

LARGE_BYTES = 1 << 16
"""From this size on a message is shared, where it fits."""

SHARED_BYTES = 64 << 20
"""The largest message that fits: a frame of 5,600 x 4,000 px, or with 16 bits of half as many."""


class Outside:
    """The parent's end. `descriptor` is for the child to inherit; `hand_over` closes it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, SHARED_BYTES, mmap.MAP_SHARED, mmap.PROT_READ)

    @classmethod
    def make(cls) -> Outside | None:
        """Memory to share; None where the kernel has none of this kind."""
        if sys.platform != "linux":
            return None
        import fcntl

        try:
            descriptor = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return None
        try:
            os.ftruncate(descriptor, SHARED_BYTES)
            fixed = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fixed)
            return cls(descriptor)
        except OSError:
            os.close(descriptor)
            return None

    def hand_over(self) -> None:
        """Close the descriptor, once the child has its own."""
        os.close(self.descriptor)

    def message(self, size: int) -> bytearray:
        """A copy of the first `size` bytes, at most SHARED_BYTES."""
        with memoryview(self._map) as whole, whole[:size] as part:
            return bytearray(part)

    def close(self) -> None:
        """Let go of the memory. May be called again."""
        self._map.close()


class Inside:
    """The child's end, on the descriptor that it inherited and that is closed here.

    `mmap` of the standard library would keep a descriptor, and the child may keep none. Raises
    OSError where the memory cannot be mapped.
    """

    def __init__(self, descriptor: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int),
            *(ctypes.c_int, ctypes.c_int, ctypes.c_long),
        ]
        both = mmap.PROT_READ | mmap.PROT_WRITE
        address = libc.mmap(None, SHARED_BYTES, both, mmap.MAP_SHARED, descriptor, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "the shared memory cannot be mapped")
        os.close(descriptor)
        self._memory = memoryview((ctypes.c_char * SHARED_BYTES).from_address(address)).cast("B")

    def put(self, parts: list[memoryview]) -> None:
        """Lay the parts (bytes, together at most SHARED_BYTES) one after another."""
        at = 0
        for part in parts:
            self._memory[at : at + len(part)] = part
            at += len(part)
