"""The child process in which untrusted bytes are decoded: its door and the parent's end of it.

FFmpeg gets new CVEs every month, so no byte of a user's file is parsed in this process. The child
is a fresh interpreter (isolated, no start-up code of site packages, an empty environment) that is
told what to do by one line of JSON on its standard input and answers with messages on its standard
output: one byte of kind, eight of size, one that says where the content is, then the content, which
is checked like any other input. Where there is memory to share (`shared`) large ones lie there, one
at a time: a byte on the standard input says that it was taken. A child that crashes, falls silent
or goes over a limit is killed and becomes one InputError.

On POSIX the child gives up its rights before it looks at the file (`caged.confine`): memory, CPU
time, no file written, and one more descriptor to open, which the file itself takes: none is left
for another file or a socket. On Linux the kernel refuses more (`walls`): other files, new
processes, signals.
Windows has no such limits in the standard library; there the time limits remain.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dfexplain.errors import FileRefused, LimitExceeded, NotAVideo
from dfexplain.shared import HEAD, SHARED_BYTES, Outside

__all__ = ["Cage", "Limits", "admit", "printable", "shown_name"]

_MESSAGE_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:")  # two letters and more: C: is a drive
# What is imported stays: looking for garbage among it would take a sixth of the start.
_START = (
    "import gc, sys; gc.disable(); sys.path[:] = {paths!r}; import {module}; "
    "gc.freeze(); gc.enable(); {module}.main()"
)


@dataclass(frozen=True)
class Limits:
    """What one file may cost. `pixels` of a picture, address space, CPU time of the child.

    `silence_s` is the longest wait for one sign of life (a sound child gives two a second),
    `wait_s` the sum of all waits for the child; time the caller spends with a frame does not count.
    """

    pixels: int = 4096 * 4096
    memory_bytes: int = 3 << 30
    cpu_s: int = 900
    wait_s: float = 900.0
    silence_s: float = 20.0


def printable(text: str) -> str:
    """The text with a question mark for what cannot be printed; for names in one-line messages."""
    return "".join(character if character.isprintable() else "?" for character in text)


def shown_name(path: str) -> str:
    """A file's base name for messages: printable, at most 36 characters, so that the line with its
    code has no more than 160."""
    name = printable(re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path)
    return name if len(name) <= 36 else name[:33] + "..."


def admit(path: str | Path) -> Path:
    """The absolute path of a regular file that is not empty; links are followed to it.

    Raises FileRefused for anything else, before any reader could hang on it or leave the machine.
    """
    text, name = os.fspath(path), shown_name(os.fspath(path))
    try:
        resolved = Path(path).resolve(strict=True)
        status = resolved.lstat()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links
        if _ADDRESS.match(text):
            rule = "be a file on this machine, but got an address. Save the video first."
        elif isinstance(error, PermissionError):
            rule = "be readable, but access is denied. Change its permissions."
        else:
            rule = "exist, but no such file was found. Check the path."
        raise FileRefused(f"{name} must {rule}") from error
    if stat.S_ISDIR(status.st_mode):
        raise FileRefused(f"{name} must be a video file, but got a folder. Name the files in it.")
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused(f"{name} must be a regular file, but got a pipe or device. Save it.")
    if status.st_size == 0:
        raise FileRefused(f"{name} must hold a video, but it is empty. Copy it again.")
    return resolved


class Cage:
    """The parent's end: starts `module.main()` in a child and reads its messages.

    `subject` names the file in error messages. Closing it, or losing the last reference to it,
    kills the child at once.
    """

    def __init__(self, module: str, request: Mapping[str, object], limits: Limits, subject: str):
        self._limits = limits
        self._subject = subject
        self._waited_s = 0.0
        root = str(Path(__file__).resolve().parent.parent)
        paths = [root, *(path for path in sys.path if path and path != root)]
        windows = {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if os.name == "nt" else {}
        code = _START.format(paths=paths, module=module)
        self._shared = Outside.make()
        inherited = None if self._shared is None else self._shared.descriptor
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=windows,
                cwd=root,
                start_new_session=True,
                pass_fds=() if inherited is None else (inherited,),
            )
        finally:
            if self._shared is not None:
                self._shared.hand_over()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        if sys.platform == "linux":
            import fcntl

            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._tell(json.dumps({**request, "shared": inherited}).encode() + b"\n")

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def read(self, largest: int = _MESSAGE_BYTES) -> tuple[bytes, bytearray]:
        """The next message: its kind (one byte) and content, at most `largest` bytes of it.

        Raises NotAVideo when the child crashed, LimitExceeded when it was stopped at a limit.
        """
        patience_s = min(self._limits.silence_s, self._limits.wait_s - self._waited_s)
        alarm: threading.Timer | None = None
        if sys.platform == "win32":  # elsewhere `_readable` knows the time
            alarm = threading.Timer(max(patience_s, 0.0), self._process.kill)
            alarm.daemon = True
            alarm.start()
        begin = time.monotonic()
        try:
            kind, size, shared = HEAD.unpack(self._exactly(HEAD.size, begin + patience_s))
            most = max(largest, _MESSAGE_BYTES)
            if shared:
                most = 0 if self._shared is None else min(most, SHARED_BYTES)
            if size > most:
                raise NotAVideo(f"{self._subject} made the decoder answer nonsense.")
            if shared and self._shared is not None:
                content = self._shared.message(size)
                self._tell(b"T")
            else:
                content = self._exactly(size, begin + patience_s)
        except EOFError as end:
            late = time.monotonic() - begin >= patience_s
            raise self._why_it_ended(late) from end
        finally:
            if alarm is not None:
                alarm.cancel()
            self._waited_s += time.monotonic() - begin
        return kind, content

    def _tell(self, what: bytes) -> None:
        """Say something to the child. One that has died is noticed by the next read."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(what)

    def _exactly(self, size: int, until: float) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            if not self._readable(until):
                raise EOFError
            count = self._stdout.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            view = view[count:]
        return content

    def _readable(self, until: float) -> bool:
        """Whether there is something to read before a time of the monotonic clock.

        The end of the child is not enough: what it started may hold the other end of the pipe.
        Windows cannot wait for a pipe; there the child's end has to do.
        """
        if sys.platform == "win32":
            return True
        waiting = select.poll()
        waiting.register(self._stdout, select.POLLIN)
        return bool(waiting.poll(max(0.0, until - time.monotonic()) * 1000))

    def kill(self) -> None:
        """Kill the child and what it started, unless it is known to have ended."""
        if self._process.returncode is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads a session of its own
        except ProcessLookupError:
            return

    def _why_it_ended(self, late: bool) -> LimitExceeded | NotAVideo:
        self.close()
        if late:
            return LimitExceeded(
                f"{self._subject} must give up its frames in time, but the decoder stood still "
                "and was stopped. Re-encode the file."
            )
        status = self._process.returncode
        if status in {-9, -24, -25}:  # SIGKILL, SIGXCPU, SIGXFSZ: sent by the system, not by us
            return LimitExceeded(
                f"{self._subject} must stay within the limits on memory and CPU time, but the "
                "decoder was stopped at one. Cut the file."
            )
        return NotAVideo(f"{self._subject} must hold a video, but the decoder broke down on it.")

    def close(self) -> None:
        """Kill the child and what it started, and wait for its end. May be called again."""
        self.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()
        if self._shared is not None:
            self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_stdout"):
            self.close()
