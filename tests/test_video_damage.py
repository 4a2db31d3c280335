"""Reading video: damaged, refused and hostile files end in honest coverage or one clear line."""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.errors import DfExplainError, FileRefused, LimitExceeded, NotAVideo
from dfexplain.structures import Sampling
from tests.clips import make_clip, read_clip, write_audio, write_cover_art

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """Ten seconds with B-frames and the index in front."""
    return make_clip(folder / "plain.mp4", 250, muxer_options={"movflags": "+faststart"})


# Damage ------------------------------------------------------------------------------------------


def test_a_truncated_mp4_says_what_is_missing(folder: Path, plain: Path) -> None:
    content = plain.read_bytes()
    path = folder / "cut.mp4"
    path.write_bytes(content[: len(content) // 2])
    read = read_clip(path, 20)
    assert read.wanted == 20
    assert 5 <= read.decoded <= 12
    assert read.times == pytest.approx([number / 25 for number in read.numbers])
    assert any("of a declared 10.0 s" in note for note in read.notes)
    assert f"{read.decoded} of 20 wanted frames were read" in read.notes
    assert read.info.duration_s == pytest.approx(read.times[-1], abs=0.8)


def test_a_truncated_mkv_says_what_is_missing(folder: Path) -> None:
    whole = make_clip(folder / "whole.mkv", 250).read_bytes()
    path = folder / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    read = read_clip(path, 20)
    assert read.wanted == 20
    assert 5 <= read.decoded <= 12
    assert read.times == pytest.approx([number / 25 for number in read.numbers], abs=1e-3)


def test_damage_in_the_middle_costs_only_what_it_hit(folder: Path, plain: Path) -> None:
    content = bytearray(plain.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path = folder / "damaged.mp4"
    path.write_bytes(content)
    read = read_clip(path, 20)
    assert read.wanted == 20
    assert 10 <= read.decoded <= 20
    assert read.times == sorted(read.times)


# Refused -----------------------------------------------------------------------------------------


def _text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("This is no video.\n")
    return path


def _playlist(folder: Path) -> Path:
    path = folder / "playlist.mp4"
    path.write_text(f"ffconcat version 1.0\nfile '{folder / 'plain.mp4'}'\n")
    return path


def _stream_list(folder: Path) -> Path:
    path = folder / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{folder / 'plain.mp4'}\n")
    return path


def _headers_only(folder: Path) -> Path:
    path = folder / "headers.mkv"
    path.write_bytes(make_clip(folder / "whole_again.mkv", 5).read_bytes()[:600])
    return path


@pytest.mark.parametrize(
    "make",
    [
        _text,
        _playlist,
        _stream_list,
        _headers_only,
        lambda folder: write_audio(folder / "sound.m4a"),
    ],
)
def test_what_is_no_video_is_said_in_one_line(
    folder: Path, plain: Path, make: Callable[[Path], Path]
) -> None:
    path = make(folder)
    with pytest.raises(NotAVideo) as caught:
        read_clip(path)
    message = str(caught.value)
    assert message.startswith(path.name)
    assert len(message) <= 160
    assert "\n" not in message
    assert plain.name not in message


@pytest.mark.parametrize(
    "address", ["https://example.org/a.mp4", "concat:{0}|{0}", "file:{0}", "rtsp://127.0.0.1/x"]
)
def test_an_address_is_refused(plain: Path, address: str) -> None:
    with pytest.raises(FileRefused, match="got an address"):
        video.sample(address.format(plain))


def test_missing_empty_and_folder_are_refused(folder: Path) -> None:
    (folder / "empty.mp4").touch()
    for path, rule in ((folder / "none.mp4", "exist"), (folder / "empty.mp4", "empty")):
        with pytest.raises(FileRefused, match=rule):
            video.probe(path)
    with pytest.raises(FileRefused, match="folder"):
        video.probe(folder)


@POSIX
def test_pipes_sockets_and_devices_are_refused_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = time.monotonic()
    fifo = folder / "fifo.mp4"
    os.mkfifo(fifo)
    link = folder / "link_to_fifo.mp4"
    link.symlink_to(fifo)
    for path in (fifo, link, Path("/dev/zero")):
        with pytest.raises(FileRefused, match="regular file"):
            video.sample(path)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)  # a socket's path must be short
        server.bind("socket.mp4")
        with pytest.raises(FileRefused, match="regular file"):
            video.sample("socket.mp4")
    assert time.monotonic() - begin < 1


@POSIX
def test_a_link_to_a_video_is_read_under_its_own_name(folder: Path, plain: Path) -> None:
    link = folder / "link.mp4"
    link.symlink_to(plain)
    assert video.probe(link).file == "link.mp4"
    loop = folder / "loop.mp4"
    loop.symlink_to(loop)
    with pytest.raises(FileRefused):
        video.probe(loop)


@POSIX
def test_names_cannot_break_a_message(folder: Path) -> None:
    path = folder / ("a\nb\x1b[31m" + "x" * 200 + ".mp4")
    path.write_text("no video")
    with pytest.raises(NotAVideo) as caught:
        read_clip(path)
    assert len(str(caught.value)) <= 160
    assert str(caught.value).isprintable()


def test_cover_art_is_not_the_video(folder: Path, plain: Path) -> None:
    read = read_clip(write_cover_art(folder / "cover.mp4", plain))
    assert read.numbers == read.indices
    assert read.info.width_px == 320


# Limits ------------------------------------------------------------------------------------------


def test_too_large_a_picture_is_refused(plain: Path) -> None:
    with pytest.raises(LimitExceeded, match="320 x 240 px") as caught:
        read_clip(plain, limits=video.Limits(pixels=320 * 200))
    assert len(str(caught.value)) <= 160


def test_a_small_file_with_a_giant_picture_is_refused(folder: Path) -> None:
    def flat(number: int, width: int, height: int) -> NDArray[np.uint8]:
        return np.zeros((height, width, 3), np.uint8)

    path = make_clip(folder / "giant.mp4", 1, size=(8192, 2064), picture=flat)
    assert path.stat().st_size < 100_000
    with pytest.raises(LimitExceeded, match="8192 x 2064 px"):
        video.probe(path)


@POSIX
def test_too_little_memory_is_an_error(plain: Path) -> None:
    with pytest.raises(DfExplainError):
        read_clip(plain, limits=video.Limits(memory_bytes=1 << 20))


def test_a_child_that_hangs_is_killed(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(video._CHILDREN, False, "tests.hostile")
    stream = video.FrameStream(plain, {"deed": "hang"}, video.Limits(silence_s=0.5))
    begin = time.monotonic()
    with pytest.raises(LimitExceeded, match="stood still"):
        _ = stream.info
    assert time.monotonic() - begin < 3
    assert list(stream) == []


@pytest.mark.parametrize("deed", ["environment", "large"])
def test_a_child_that_lies_is_an_error(
    plain: Path, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    monkeypatch.setitem(video._CHILDREN, False, "tests.hostile")
    with (
        video.FrameStream(plain, {"deed": deed}, video.Limits()) as stream,
        pytest.raises(NotAVideo, match="nonsense"),
    ):
        list(stream)


def test_closing_early_and_losing_a_stream_kill_the_child(plain: Path) -> None:
    stream = video.sample(plain)
    frames = iter(stream)
    next(frames)
    pid = stream.child_pid
    assert _alive(pid)
    stream.close()
    assert not _alive(pid)
    assert list(frames) == []
    gc.disable()  # no cycle keeps it alive
    try:
        other = video.sample(plain)
        pid = other.child_pid
        assert next(iter(other)).index == 4
        del other
        assert not _alive(pid)
    finally:
        gc.enable()


def test_slow_files_give_signs_of_life(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_SIGN_OF_LIFE_S", 0.0)
    with video.sample(plain, Sampling(frames=2)) as stream:
        kinds = [event is None for event in stream.events()]
    assert kinds[0]
    assert kinds.count(False) == 2
