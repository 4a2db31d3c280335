"""The one reader and writer of video: open safely, probe, sample by presentation time; H.264 out.

This process never parses a byte of a file that was handed in: it looks at the path, hashes the
content and lets `decode` read it inside a `cage`. Frames arrive one by one, so memory stays bounded
by a few frames whatever the length of the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dfexplain.cage import Cage, Limits, admit, printable, shown_name
from dfexplain.encode import h264_roundtrip, write, write_timed, writing
from dfexplain.errors import FileRefused, InputError, LimitExceeded, NotAVideo
from dfexplain.pixels import HEAD_BYTES, unpacked
from dfexplain.structures import Frame, Sampling, VideoInfo

__all__ = [
    "PLAYBACK_S",
    "FrameStream",
    "Limits",
    "h264_roundtrip",
    "playback_frames",
    "probe",
    "reencode_for_playback",
    "sample",
    "write",
    "write_for_playback",
    "writing",
]

PLAYBACK_S = 300.0
"""A playback copy holds at most so many seconds."""

_CHILDREN = {False: "dfexplain.decode", True: "dfexplain.still"}  # with pictures: still knows both
_HASH_BYTES = 1 << 22
_SIGN_OF_LIFE_S = 0.4


class FrameStream:
    """The wanted frames of one file, in time order; made by `sample`.

    Iterate over it for `Frame`s, or over `events()` to hear of slow files too. Use it as a context
    manager: closing it kills the child process at once, as does losing it. `decoded` counts the
    frames so far; `notes` says, in short English phrases, what was odd about the file, and is
    complete after the last frame.
    """

    def __init__(
        self, path: str | Path, wish: dict[str, object], limits: Limits, *, pictures: bool = False
    ):
        self._name = shown_name(os.fspath(path))
        self._base_name = printable(Path(path).name)
        self._limits = limits
        self._info: VideoInfo | None = None
        self._mirrored = False
        self._wanted = 0
        self._last_s = -1.0
        self._open = True
        self.decoded = 0
        self.notes: list[str] = []
        plain = admit(path)
        try:
            self._file = plain.open("rb")
        except OSError as error:
            raise FileRefused(
                f"{self._name} must be readable, but got: {error.strerror}. Check the file."
            ) from error
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        request: dict[str, object] = {
            "path": str(plain),
            "pixels": limits.pixels,
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
        }
        self._cage = Cage(_CHILDREN[pictures], request | wish, limits, self._name)

    @property
    def info(self) -> VideoInfo:
        """What is known of the file; waits until it is. Raises the errors of `sample`."""
        while self._info is None:
            if not self._open:
                raise NotAVideo(f"{self._name} must be read before it is closed. Ask earlier.")
            self._step()
        return self._info

    @property
    def child_pid(self) -> int:
        """Process id of the child that decodes."""
        return self._cage.pid

    @property
    def wanted(self) -> int:
        """How many frames the sampling asks for, with those that a truncated file lacks."""
        return self._wanted if self.info else 0

    def events(self) -> Iterator[Frame | None]:
        """Frames as they come, and None about twice a second while none is ready.

        The first frame comes after `info` is known. Raises the errors of `sample`.
        """
        while self._open:
            event = self._step()
            if self._open:
                yield event

    def __iter__(self) -> Iterator[Frame]:
        return (event for event in self.events() if event is not None)

    def _step(self) -> Frame | None:
        """Hash for a moment, or take one message of the child."""
        try:
            return self._take(*self._cage.read(self._largest())) if self._hashed() else None
        except (ArithmeticError, KeyError, TypeError, ValueError, struct.error) as error:
            self.close()  # what the child sends is as little to be trusted as the file
            raise NotAVideo(f"{self._name} made the decoder answer nonsense.") from error
        except (InputError, OSError) as error:
            self.close()
            if isinstance(error, InputError):
                raise
            raise FileRefused(
                f"{self._name} must be readable to its end, but got: {error.strerror}."
            ) from error

    def _largest(self) -> int:
        return HEAD_BYTES + 6 * self._limits.pixels + (1 << 20)

    def _hashed(self) -> bool:
        """Whether the whole file is hashed; if not, hashes on for less than half a second."""
        begin = time.monotonic()
        while not self._file.closed:
            chunk = self._file.read(_HASH_BYTES)
            self._sha256.update(chunk)
            self._size_bytes += len(chunk)
            if not chunk:
                self._file.close()
            elif time.monotonic() - begin > _SIGN_OF_LIFE_S:
                return False
        return True

    def _take(self, kind: bytes, content: bytearray) -> Frame | None:
        if kind == b"B":
            return None
        if kind == b"F" and self._info is not None and self.decoded < self._wanted:
            self.decoded += 1
            return self._frame(content, self._info.rotation_deg)
        said: dict[str, Any] = json.loads(content)
        if kind == b"I" and self._info is None:
            self._take_info(said)
        elif kind == b"D" and self._info is not None:
            if said["damaged"]:
                self.notes.append(f"{int(said['damaged'])} damaged pictures were left out")
            if self.decoded < self._wanted:
                self.notes.append(f"{self.decoded} of {self._wanted} wanted frames were read")
            self.close()
        elif kind == b"E":
            raise self._refusal(said)
        else:
            raise ValueError(f"a message of kind {kind!r} came out of turn")
        return None

    def _take_info(self, said: dict[str, Any]) -> None:
        fps, duration_s = said["fps"], said["duration_s"]
        rotation = round(said["rotation_deg"] / 90) % 4 * 90
        width, height = int(said["width_px"]), int(said["height_px"])
        if rotation % 180:
            width, height = height, width
        self._info = VideoInfo(
            file=self._base_name,
            sha256=self._sha256.hexdigest(),
            size_bytes=self._size_bytes,
            container=str(said["container"]),
            codec=str(said["codec"]),
            pixel_format=str(said["pixel_format"]),
            width_px=width,
            height_px=height,
            rotation_deg=rotation,
            fps=None if fps is None else float(fps),
            duration_s=None if duration_s is None else float(duration_s),
            frame_count=int(said["frame_count"]),
            kind="image" if said.get("kind") == "image" else "video",
        )
        self._mirrored = bool(said.get("mirrored"))
        self._wanted = int(said["wanted"])
        self.notes += [str(note) for note in said["notes"]]

    def _frame(self, content: bytearray, rotation_deg: int) -> Frame:
        index, time_s, rgb, over_grey = unpacked(content)
        if not self._last_s < time_s < math.inf:
            raise ValueError(f"time {time_s} came after {self._last_s}")
        self._last_s = time_s
        if over_grey:
            self.notes.append("what is transparent in the picture was laid over grey")
        rgb = np.rot90(rgb, rotation_deg // 90)
        rgb = np.ascontiguousarray(rgb[:, ::-1] if self._mirrored else rgb)
        return Frame(index=index, time_s=time_s, rgb=rgb)

    def _refusal(self, said: dict[str, Any]) -> NotAVideo | LimitExceeded:
        text = printable(str(said["text"])[:60])
        if said["code"] == LimitExceeded.code:
            return LimitExceeded(
                f"{self._name} must stay within the limits, but {text}. Re-encode it smaller."
            )
        return NotAVideo(f"{self._name} must hold a readable video, but got: {text}.")

    def kill(self) -> None:
        """Kill the child, if it still runs: who reads in another thread meets the end at once."""
        self._cage.kill()

    def close(self) -> None:
        """Kill the child, if it still runs, and give no more frames. May be called again."""
        self._open = False
        self._file.close()
        self._cage.close()

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
        if hasattr(self, "_cage"):
            self.close()


def _wish(
    sampling: Sampling, until_s: float | None = None, max_side: int | None = None
) -> dict[str, object]:
    return {
        "frames": sampling.frames,
        "fps": sampling.fps,
        "every": sampling.every,
        "max_frames": sampling.max_frames,
        "until_s": until_s,
        "max_side": max_side,
    }


def sample(
    path: str | Path,
    sampling: Sampling | None = None,
    limits: Limits | None = None,
    *,
    pictures: bool = False,
) -> FrameStream:
    """Start reading the frames of a file that `sampling` asks for.

    N frames are those nearest to the middles of N equal parts of the duration, `fps` those nearest
    to the multiples of 1 / fps, `every` every k-th. Times count from the first frame. Where the
    file ends before its declared end, the frames that it lacks count as wanted. Frames of long
    files are reached through key frames where that saves much; `notes` says so. With `pictures` a
    JPEG, PNG or WebP is a stream of one frame, turned as its EXIF says; without, it is no video.

    Raises FileRefused at once for a path that is no plain file. Reading the stream raises NotAVideo
    when no picture can be decoded and LimitExceeded when decoding was stopped at one of `limits`.
    """
    wish = _wish(sampling or Sampling())
    return FrameStream(path, wish, limits or Limits(), pictures=pictures)


def probe(path: str | Path, limits: Limits | None = None) -> VideoInfo:
    """Describe a file: reads all of it once, decodes its first picture. Raises as `sample` does."""
    first = Sampling(frames=None, every=1 << 40)
    with FrameStream(path, _wish(first), limits or Limits()) as stream:
        return stream.info


def playback_frames(
    path: str | Path,
    max_px: int = 1280,
    until_s: float = PLAYBACK_S,
    limits: Limits | None = None,
) -> FrameStream:
    """All frames of the first `until_s` seconds for a copy to look at: the longer side at most
    `max_px`, at most 60 frames a second. Raises as `sample` does."""
    all_frames = Sampling(frames=None, every=1, max_frames=round(60 * until_s))
    return FrameStream(path, _wish(all_frames, until_s, max_px), limits or Limits())


def write_for_playback(
    out: str | Path, frames: Iterable[tuple[float, NDArray[np.uint8]]], fps: float | None
) -> Path:
    """Write (time_s, RGB) pairs as a copy that browsers play; `fps` as known of the source."""
    return write_timed(out, frames, fps or 25.0, crf=23, preset="veryfast", threads=2)


def reencode_for_playback(
    path: str | Path, out: str | Path, max_px: int = 1280, limits: Limits | None = None
) -> Path:
    """Make a copy that browsers play: H.264 in MP4, the longer side at most `max_px`, no sound.

    Frames keep their times, so that a time in the player is a time in the report. At most the
    first `PLAYBACK_S` seconds and 60 frames a second. Raises as `sample` does.
    """
    with playback_frames(path, max_px, limits=limits) as stream:
        timed = ((frame.time_s, frame.rgb) for frame in stream)
        return write_for_playback(out, timed, stream.info.fps)
