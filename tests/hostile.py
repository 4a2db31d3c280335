"""What a decoder that was taken over, or is merely broken, might do inside the cage."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfexplain.caged import Channel, confine, confine_threads


def _attempt(deed: Callable[[], Any]) -> str:
    try:
        deed()
    except (OSError, MemoryError) as error:
        return "MemoryError" if isinstance(error, MemoryError) else "OSError"
    return "done"


def _limit_of(pid: int) -> object:
    import resource

    return resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))


def main() -> None:
    """Do the deed that the request names."""
    channel = Channel()
    request: dict[str, Any] = channel.request()
    deed = request.get("deed", request.get("path", ""))
    if request.get("ready") and deed in {
        "hang",
        "trickle",
        "beat",
        "die",
        "abort",
        "spin",
        "large",
        "outside",
    }:
        channel.send(b"B")
    if deed == "abort":
        os.abort()
    elif deed == "strike":
        confine(1 << 31, 60)
        channel.send(b"B")
        _attempt(lambda: os.kill(os.getppid(), signal.SIGTERM))
        time.sleep(60)
    elif deed == "hang":
        time.sleep(60)
    elif deed == "beat":
        while True:
            channel.send(b"B")
            time.sleep(0.05)
    elif deed == "trickle":
        while True:
            os.write(1, b"B")
            time.sleep(0.1)
    elif deed == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif deed == "spin":
        confine(1 << 32, 1)
        while True:
            pass
    elif deed == "hoard":
        confine(1 << 29, 60)
        channel.send(b"B")
        held = []
        while True:
            try:
                held.append(b"x" * (1 << 24))
            except MemoryError:
                time.sleep(0.01)
    elif deed == "write":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        log = os.open(request["file"], os.O_CREAT | os.O_WRONLY)
        confine(1 << 31, 60)
        channel.send(b"B")
        while True:
            os.write(log, b"x")
    elif deed == "scribble":
        confine(1 << 31, 60)
        channel.send(b"B")
        while True:
            _attempt(lambda: os.open(request["file"], os.O_CREAT | os.O_WRONLY))
            time.sleep(0.01)
    elif deed == "connect":
        held = [os.open(os.devnull, os.O_RDONLY)]
        confine(1 << 31, 60)
        channel.send(b"B")
        while True:
            _attempt(lambda: socket.create_connection(("127.0.0.1", request["port"])).close())
            time.sleep(0.01)
    elif deed in {"fork", "leave"}:
        confine(1 << 31, 60)
        confine_threads()
        channel.send(b"B")
        _attempt(lambda: os.fork() == 0 and deed == "leave" and os.setsid())
        time.sleep(60)
    elif deed in {"large", "outside"}:
        os.write(1, b"J" + (1 << 40).to_bytes(8, "little") + bytes([deed == "outside"]))
        time.sleep(60)
    elif deed == "share":
        confine(1 << 31, 60)
        for number, size in enumerate(request["sizes"]):
            channel.send(b"F", bytes([number]), bytes([7 * number % 256]) * (size - 1))
        channel.send_json(b"J", {"open": sorted(int(name) for name in os.listdir("/proc/self/fd"))})
        time.sleep(60)
    elif deed == "environment":
        channel.send_json(b"J", {"environment": dict(os.environ), "pid": os.getpid()})
        time.sleep(60)
    elif deed == "escape":
        file = Path(request["file"])
        log_path = file.with_suffix(".log")
        log = os.open(log_path, os.O_CREAT | os.O_WRONLY)
        confine(1 << 31, 10, request["file"])
        write = _attempt(lambda: os.write(log, b"x"))
        os.close(log)
        video = file.open("rb")
        answers = {
            "write": write,
            "other file": _attempt(lambda: file.open("rb")),
            "new file": _attempt(lambda: file.with_suffix(".new").open("wb")),
            "socket": _attempt(socket.socket),
            "process": _attempt(os.fork),
            "program": _attempt(lambda: os.execv("/bin/true", ["true"])),
            "signal": _attempt(lambda: os.kill(os.getppid(), 0)),
            "removal": _attempt(lambda: os.unlink(log_path)),
            "mode": _attempt(lambda: os.chmod(log_path, 0)),
            "another limit": _attempt(lambda: _limit_of(os.getppid())),
            "memory": _attempt(lambda: bytearray(1 << 32)),
        }
        video.close()  # now there is a descriptor, but not for another file
        answers["later file"] = _attempt(lambda: log_path.open("rb"))
        channel.send_json(b"J", answers)
