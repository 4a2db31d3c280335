"""The cage: whatever the child does, the parent gets one error, and soon."""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from dfexplain import cage as cage_module
from dfexplain import walls
from dfexplain.cage import Cage, Limits
from dfexplain.errors import LimitExceeded, NotAVideo
from dfexplain.shared import LARGE_BYTES, SHARED_BYTES, Outside

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="shared memory is for Linux")
# seccomp and Landlock, on the machines that `walls` knows.
WALLS = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}


def _cage(deed: str, limits: Limits | None = None, **more: object) -> Cage:
    return Cage("tests.hostile", {"deed": deed, **more}, limits or Limits(), "clip.mp4")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _read_on(cage: Cage) -> None:
    while True:
        cage.read()


@pytest.mark.parametrize("deed", ["hang", "trickle"])
def test_a_silent_child_is_killed(deed: str) -> None:
    with _cage(deed, Limits(silence_s=0.5)) as cage:
        begin = time.monotonic()
        with pytest.raises(LimitExceeded, match=r"clip\.mp4 must .* stood still") as caught:
            _read_on(cage)
        assert time.monotonic() - begin < 3
        assert not _runs(cage.pid)
    assert len(str(caught.value)) <= 160


def test_waiting_has_an_end_even_if_the_child_gives_signs_of_life() -> None:
    begin = time.monotonic()
    with _cage("beat", Limits(wait_s=1.0)) as cage, pytest.raises(LimitExceeded):
        _read_on(cage)
    assert 1 <= time.monotonic() - begin < 4


def test_the_callers_own_time_does_not_count() -> None:
    with _cage("beat", Limits(wait_s=1.0)) as cage:
        cage.read()
        time.sleep(1.2)
        assert cage.read()[0] == b"B"


@POSIX
def test_a_crash_is_an_error_and_not_a_crash() -> None:
    with _cage("die") as cage, pytest.raises(NotAVideo, match="broke down"):
        cage.read()


@POSIX
def test_cpu_time_is_limited() -> None:
    begin = time.monotonic()
    with _cage("spin", Limits(silence_s=30)) as cage, pytest.raises(LimitExceeded, match="CPU"):
        cage.read()
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("deed", "largest"), [("large", 1 << 30), ("outside", 1 << 50)])
def test_a_message_of_absurd_size_is_not_read(
    deed: str, largest: int, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shared:
        monkeypatch.setattr(cage_module.Outside, "make", lambda: None)
    with _cage(deed) as cage, pytest.raises(NotAVideo, match="nonsense"):
        cage.read(largest)
    assert not _runs(cage.pid)


@pytest.mark.parametrize("shared", [True, False])
def test_large_messages_come_whole_and_stay_as_they_came(
    shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shared:
        monkeypatch.setattr(cage_module.Outside, "make", lambda: None)
    sizes = [1, LARGE_BYTES - 1, LARGE_BYTES, 6_220_833, 5, 6_220_833, SHARED_BYTES]
    sizes += [SHARED_BYTES + 1, LARGE_BYTES]
    with _cage("share", sizes=sizes) as cage:
        came = [cage.read(1 << 30) for _ in sizes]
    for number, (size, (kind, content)) in enumerate(zip(sizes, came, strict=True)):
        assert (kind, len(content), content[0]) == (b"F", size, number)
        assert content[1:] == bytes([7 * number % 256]) * (size - 1)


@LINUX
def test_the_child_keeps_no_descriptor_of_the_memory_that_it_shares() -> None:
    with _cage("share", sizes=[LARGE_BYTES]) as cage:
        cage.read()
        said = json.loads(cage.read()[1])
    # The next one is what the list itself was read from.
    assert said["open"] == [0, 1, 2, 3]


@LINUX
def test_shared_memory_keeps_its_size_and_the_parent_only_reads_it() -> None:
    shared = Outside.make()
    assert shared is not None
    try:
        for size in (0, SHARED_BYTES + 1):
            with pytest.raises(PermissionError):
                os.ftruncate(shared.descriptor, size)
        with pytest.raises(TypeError, match="readonly"):
            shared._map[0] = 1
        assert shared.message(3) == bytearray(3)
    finally:
        shared.hand_over()
        shared.close()


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    with _cage("environment") as cage:
        _, content = cage.read()
    names = set(json.loads(content)["environment"])
    # The interpreter itself sets LC_CTYPE, and the package how threads wait.
    assert names <= {"LC_CTYPE", "SYSTEMROOT", "OMP_WAIT_POLICY"}


@POSIX
def test_a_confined_child_cannot_write_open_connect_or_hoard(tmp_path: Path) -> None:
    file = tmp_path / "video.mp4"
    file.write_bytes(b"x")
    with _cage("escape", file=str(file)) as cage:
        _, content = cage.read()
    answers = json.loads(content)
    assert answers.pop("memory") == "MemoryError"
    limits = {"write", "other file", "new file", "socket"}
    assert limits < set(answers)
    # Beyond the limits of every POSIX, the kernel of Linux refuses all else.
    refused = answers if WALLS else {name: answers[name] for name in limits}
    assert set(refused.values()) == {"OSError"}, refused
    assert sorted(path.name for path in tmp_path.iterdir()) == ["video.log", "video.mp4"]
    assert (tmp_path / "video.log").stat().st_size == 0


@POSIX
@pytest.mark.parametrize("deed", ["fork", "leave"])
def test_what_a_child_started_does_not_hold_up_the_parent(deed: str) -> None:
    """Where the kernel lets it start something, that has the pipe; the wait ends all the same."""
    begin = time.monotonic()
    with _cage(deed, Limits(silence_s=2.0)) as cage, pytest.raises(LimitExceeded, match="stood"):
        _read_on(cage)
    assert time.monotonic() - begin < 20


@pytest.mark.skipif(not WALLS, reason="signals are refused on Linux only")
def test_a_child_cannot_end_its_parent() -> None:
    came: list[int] = []
    old = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        with _cage("strike", Limits(silence_s=2.0)) as cage, pytest.raises(LimitExceeded):
            _read_on(cage)
    finally:
        signal.signal(signal.SIGTERM, old)
    assert came == []


@pytest.mark.parametrize(
    ("column", "header"),
    [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")],
    ids=["x86_64", "aarch64"],
)
def test_the_numbers_of_calls_are_those_of_linux(column: int, header: str) -> None:
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip("the headers of Linux are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
    known = {name: int(number) for name, number in found}
    ours = {name: numbers[column] for name, numbers in walls.CALLS.items()}
    missing = {name for name, number in ours.items() if number is not None and name not in known}
    assert missing <= {"umount2", "openat2"}, "headers that are older than the call"
    assert {n: known[n] for n in ours if n in known and ours[n] is not None} == {
        n: number for n, number in ours.items() if n in known and number is not None
    }


def test_losing_the_cage_kills_the_child() -> None:
    cage = _cage("environment")
    pid = json.loads(cage.read()[1])["pid"]
    assert pid == cage.pid
    gc.disable()  # no cycle keeps it alive
    try:
        del cage
        assert not _runs(pid)
    finally:
        gc.enable()
