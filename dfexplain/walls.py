"""What the kernel refuses the caged child, beyond resource limits (Linux on x86-64 and ARM64).

Landlock (landlock(7), Linux 5.13 and later) leaves one file to read and, with later versions, no
TCP port and no signal to another process. A seccomp filter (seccomp(2)) refuses new processes,
programs, sockets, signals, opening to write, and changes to names, owners and modes of files; a
decoder that was taken over could else end the app or delete a file without a descriptor. Both are
kept by everything that the child starts. Where the kernel lacks one, the other and the limits of
`cage.confine` remain.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterator

__all__ = ["CALLS", "only_file", "without_calls"]

# prctl(2): PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_X32 = 0x40000000
_THREAD = 0x00010000  # CLONE_THREAD
_WRITES = 0o3 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
# AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64.
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# A call, and its number on x86-64 and on ARM64; None where it has none.
CALLS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "kill": (62, 129),
    "truncate": (76, 45),
    "rename": (82, None),
    "mkdir": (83, None),
    "rmdir": (84, None),
    "creat": (85, None),
    "link": (86, None),
    "unlink": (87, None),
    "symlink": (88, None),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "ptrace": (101, 117),
    "rt_sigqueueinfo": (129, 138),
    "mknod": (133, None),
    "mount": (165, 40),
    "umount2": (166, 39),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "fchownat": (260, 54),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "fchmodat": (268, 53),
    "unshare": (272, 97),
    "utimensat": (280, 88),
    "accept4": (288, 242),
    "rt_tgsigqueueinfo": (297, 240),
    "perf_event_open": (298, 241),
    "sendmmsg": (307, 269),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "renameat2": (316, 276),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    # Looked at more closely, below.
    "open": (2, None),
    "clone": (56, 220),
    "openat": (257, 56),
    "prlimit64": (302, 261),
    "clone3": (435, 435),
    "openat2": (437, 437),
}
# Their arguments lie behind a pointer, where a filter cannot look: callers then take the older one.
_ABSENT = {"clone3", "openat2"}
# The argument whose lower half decides, the bits of it, and whether some of them must be set (None:
# all of the argument must be 0).
_LOOKED_AT: dict[str, tuple[int, int, bool | None]] = {
    "open": (1, _WRITES, False),
    "openat": (2, _WRITES, False),
    "clone": (0, _THREAD, True),
    "prlimit64": (0, 0xFFFFFFFF, None),
}
# landlock(7): what can be ruled over by each version of it, and to read a file.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_FILES = {1: 13, 2: 14, 3: 15, 5: 16}  # version: so many kinds of access to files
_READ_FILE = 1 << 2


def _instruction(code: int, jump_true: int, jump_false: int, k: int) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, k)


def _returning(k: int) -> bytes:
    return _instruction(0x06, 0, 0, k)  # BPF_RET | BPF_K


def _load(offset: int) -> bytes:
    return _instruction(0x20, 0, 0, offset)  # BPF_LD | BPF_W | BPF_ABS, of struct seccomp_data


def _program(machine: str) -> Iterator[bytes]:
    """The filter as instructions: refuse by number, allow the rest."""
    refused, column = _returning(_ERRNO | _EPERM), list(_ARCHITECTURES).index(machine)
    yield _load(4)  # the architecture
    yield _instruction(0x15, 1, 0, _ARCHITECTURES[machine])  # BPF_JMP | BPF_JEQ | BPF_K
    yield _returning(_KILL)
    yield _load(0)  # the number
    if machine == "x86_64":
        yield _instruction(0x35, 0, 1, _X32)  # BPF_JGE: the calls of 32-bit pointers
        yield refused
    for name, numbers in CALLS.items():
        number = numbers[column]
        if number is None:
            continue
        if name in _LOOKED_AT:
            argument, bits, wanted = _LOOKED_AT[name]
            yield _instruction(0x15, 0, 4, number)
            yield _load(16 + 8 * argument)
            yield _instruction(0x45, 0 if wanted else 1, 1 if wanted else 0, bits)  # BPF_JSET
            yield _returning(_ALLOW)
            yield refused
        else:
            yield _instruction(0x15, 0, 1, number)
            yield _returning(_ERRNO | _ENOSYS) if name in _ABSENT else refused
    yield _returning(_ALLOW)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def without_calls() -> bool:
    """Give up, for good, the calls named above; False where this kernel or machine cannot."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    instructions = list(_program(machine))
    code = ctypes.create_string_buffer(b"".join(instructions))
    program = ctypes.create_string_buffer(
        struct.pack("@HP", len(instructions), ctypes.addressof(code))
    )
    libc = _libc()
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def only_file(path: str) -> bool:
    """Leave nothing but this file to be opened, for reading; False where the kernel cannot."""
    if sys.platform != "linux":
        return False
    libc = _libc()
    version = int(libc.syscall(_LANDLOCK_CREATE, None, 0, 1))
    if version < 1:
        return False
    kinds = next(bits for least, bits in reversed(_FILES.items()) if version >= least)
    rules = struct.pack("=QQQ", (1 << kinds) - 1, 3, 3)[
        : 8 if version < 4 else 16 + 8 * (version > 5)
    ]
    ruleset = int(libc.syscall(_LANDLOCK_CREATE, rules, len(rules), 0))
    if ruleset < 0:
        return False
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", _READ_FILE, file)
            if libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0):
                return False
        finally:
            os.close(file)
        if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
            return False
        return not libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
