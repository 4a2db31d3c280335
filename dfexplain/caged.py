"""The child's end of the cage: it takes a request, gives up its rights, and answers.

What is said goes as `cage` tells. This module and those that decode import little, for each file
starts a child anew.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping

from dfexplain.shared import HEAD, LARGE_BYTES, SHARED_BYTES, Inside

__all__ = ["Channel", "confine", "confine_threads"]

_BEAT_S = 0.4


class Channel:
    """The child's end: takes the request and sends messages on descriptors 0 and 1."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._shared: Inside | None = None
        self._taken = True

    def request(self) -> dict[str, object]:
        """The one JSON object that the parent sent."""
        with open(0, "rb", closefd=False) as stdin:
            request: dict[str, object] = json.loads(stdin.readline())
        descriptor = request.pop("shared")
        if isinstance(descriptor, int):
            self._shared = Inside(descriptor)
        return request

    def send(self, kind: bytes, *parts: bytes | memoryview) -> None:
        """Send one message; blocks while the parent is busy, which bounds the memory of both."""
        views = [memoryview(part).cast("B") for part in parts]
        size = sum(map(len, views))
        shared = self._shared if LARGE_BYTES <= size <= SHARED_BYTES else None
        if shared is not None:
            if not self._taken and not os.read(0, 1):
                raise EOFError
            shared.put(views)
            views, self._taken = [], False
        for view in (memoryview(HEAD.pack(kind, size, shared is not None)), *views):
            while view:
                view = view[os.write(1, view) :]
        self._last = time.monotonic()

    def send_json(self, kind: bytes, content: Mapping[str, object]) -> None:
        """Send a JSON object."""
        self.send(kind, json.dumps(content).encode())

    def beat(self) -> None:
        """Give a sign of life if none was given for a while."""
        if time.monotonic() - self._last > _BEAT_S:
            self.send(b"B")


def confine(memory_bytes: int, cpu_s: int, path: str | None = None) -> None:
    """Give up, in the child and for good, what reading the file at `path` does not need: by limits
    (POSIX only), and by what the kernel refuses (`walls`, Linux only)."""
    if sys.platform == "win32":
        return
    import resource

    from dfexplain import walls

    if path is not None:
        walls.only_file(path)

    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 4,  # 0, 1, 2 are taken; the video becomes 3
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (value, value))
        except (OSError, ValueError):  # macOS refuses some values of RLIMIT_AS
            if limit != resource.RLIMIT_AS:
                raise
    walls.without_calls()


def confine_threads() -> None:
    """Forbid new processes and threads; called once the decoder has its own (POSIX only)."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
