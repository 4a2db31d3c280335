"""R3: no file that was handed in makes the reader open another one, or a socket.

A process of its own reads every file of `references`, and strace (1) writes down each file that it
and its caged children open and each socket. Where there is no strace, or tracing is not allowed,
/proc/<pid>/fd of the children is looked at all the time and a port listens for who calls.

    python -m benchmarks.trust.foreign FILE ...

is that process: it reads the files as an analysis does, and what they say of their making.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.trust.films import film
from benchmarks.trust.references import ADDRESSES, references
from benchmarks.trust.rows import Figure, Row
from dfexplain import provenance, video
from dfexplain.errors import InputError
from dfexplain.structures import Sampling

__all__ = ["ROWS", "Trace", "read_all", "watched"]

ROOT = Path(__file__).resolve().parents[2]
TRACED = (
    "openat,openat2,open,creat,execve,socket,socketpair,connect,bind,sendto,prlimit64,setrlimit"
)
LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
SOCKETS = {"socket", "connect", "bind", "sendto", "socketpair"}


class Trace:
    """What strace saw: the sockets of all processes, and the files that children opened once they
    had given up their rights, which they do before they look at the file. `denied` are the opens
    that the cage refused, `named` are all paths of all processes."""

    def __init__(self, text: str) -> None:
        self.sockets: list[str] = []
        self.opened: list[str] = []
        self.named: list[str] = []
        self.denied: list[str] = []
        self.confined: set[str] = set()
        for line in text.splitlines():
            found = LINE.match(line)
            if found is None:
                continue
            pid, call, rest = found.groups()
            if call in SOCKETS:
                self.sockets.append(line)
            elif call in {"prlimit64", "setrlimit"}:
                if "RLIMIT_NOFILE, {rlim_cur=4," in rest:
                    self.confined.add(pid)
            elif (path := PATH.search(rest)) is not None and call != "execve":
                self.named.append(path[1])
                if pid in self.confined:
                    # c2pa's allocator asks for /proc/self/status, whatever the file: it gets none.
                    (self.denied if ") = -1 " in rest else self.opened).append(path[1])


def read_all(paths: list[str]) -> tuple[int, int]:
    """Read each file as an analysis does; how many gave frames and how many were refused."""
    read = refused = 0
    for path in paths:
        for look in (_frames, provenance.read):
            try:
                look(path)
                read += look is _frames
            except InputError:
                refused += look is _frames
    return read, refused


def _frames(path: str) -> None:
    with video.sample(path, Sampling(frames=2), pictures=True) as stream:
        for _ in stream:
            pass


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and who called."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    caller, _ = server.accept()
                except TimeoutError:
                    continue
                calls.append("a connection")
                caller.close()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield server.getsockname()[1], calls
        finally:
            stop.set()
            thread.join(5)


def can_trace() -> str:
    """Why there is no tracing here; empty where there is."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "tracing is not permitted"


def traced(paths: list[str], folder: Path) -> Trace:
    """Read the files in a process under strace."""
    log = folder / "trace.txt"
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", f"trace={TRACED}"]
    command = [sys.executable, "-m", "benchmarks.trust.foreign", *paths]
    subprocess.run([*strace, "-o", str(log), *command], cwd=ROOT, check=True, timeout=900,
                   stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
    return Trace(log.read_text("utf-8", "replace"))


def watched(paths: list[str]) -> set[str]:
    """Read the files here, and look at what the children hold open, as often as possible.

    What this process has open, such as the port that listens, a child holds until it begins.
    """
    held: set[str] = set()
    own = _open_in("self")
    done = threading.Event()

    def look() -> None:
        me = os.getpid()
        while not done.is_set():
            children = Path(f"/proc/{me}/task/{main}/children")
            for child in children.read_text().split() if children.exists() else ():
                held.update(_open_in(child))
            time.sleep(0.002)

    main = threading.get_native_id()
    thread = threading.Thread(target=look)
    thread.start()
    try:
        read_all(paths)
    finally:
        done.set()
        thread.join(5)
    return held - own


def _open_in(process: str) -> set[str]:
    """What a process holds open, as far as it was still there to be asked."""
    found = set()
    try:
        for fd in Path(f"/proc/{process}/fd").iterdir():
            found.add(os.readlink(fd))
    except OSError:
        pass  # the process has ended, or the file was closed meanwhile
    return found


def measure(full: bool) -> Figure:
    """Both forms take all references; the full one reads them under both kinds of watch."""
    why = can_trace()
    with tempfile.TemporaryDirectory() as name, listening() as (port, calls):
        folder = Path(name).resolve()
        (folder / "elsewhere").mkdir()
        secret = film(folder / "elsewhere" / "secret.mp4")
        url = f"http://127.0.0.1:{port}"
        given = [str(path) for path in references(folder / "given", secret, url)]
        files = len(given)
        (folder / "given" / "link.mp4").symlink_to(folder / "given" / "alias.mov")
        os.mkfifo(folder / "given" / "fifo.mp4")
        given += [str(folder / "given" / each) for each in ("link.mp4", "fifo.mp4")]
        given += [each.format(secret=secret, url=url, port=port) for each in ADDRESSES]
        text, strange, sockets = f"{files} files and {len(given) - files} addresses", [], []
        if not why:
            trace = traced(given, folder)
            strange = [path for path in trace.opened if path not in given]
            strange += [path for path in trace.named if path == str(secret)]
            sockets = trace.sockets
            if len(trace.confined) < files:  # else nothing was looked at
                strange.append(f"only {len(trace.confined)} children were seen")
            text += f", {len(trace.confined)} children traced, {len(trace.opened)} opens"
            text += f" and {len(trace.denied)} denied"
        if why or full:
            held = watched(given)
            strange += [path for path in held if path == str(secret)]
            sockets += [path for path in held if path.startswith("socket:")]
            text += f", /proc/<pid>/fd watched{f' as {why}' if why else ''}"
        text += f": {len(strange)} foreign {strange[:1] or ''}, {len(sockets)} sockets"
        text += f" {sockets[:1] or ''}, {len(calls)} calls at a port"
    return Figure(" ".join(text.split()), not strange and not sockets and not calls)


ROWS = (
    Row(
        "R3",
        "a file leads to no other file and no address",
        "0 opens outside of the upload, 0 sockets",
        measure,
    ),
)


if __name__ == "__main__":
    print(*read_all(sys.argv[1:]))
