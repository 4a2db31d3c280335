"""Odd little videos for the tests, made with PyAV, each picture carrying its number.

The number is a row of 16 squares along the top edge, the lowest bit first, white for 1; a square
is a twentieth of the picture's width, the row starts two squares from the left. It survives scaling
and lossy coding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.structures import Frame, Sampling, VideoInfo

__all__ = [
    "Reading",
    "burn_number",
    "make_clip",
    "numbered",
    "read_clip",
    "read_number",
    "write_audio",
    "write_cover_art",
]

BITS = 16


def burn_number(rgb: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Write `number` (0 to 65535) into the top edge of a picture, in place; returns it."""
    side = rgb.shape[1] // 20
    for bit in range(BITS):
        left = (2 + bit) * side
        rgb[:side, left : left + side] = 255 if number >> bit & 1 else 0
    return rgb


def read_number(rgb: NDArray[np.uint8]) -> int:
    """Read what `burn_number` wrote, from the middles of the squares."""
    side = rgb.shape[1] // 20
    inner = slice(side // 4, side - side // 4)
    squares = (rgb[inner, (2 + bit) * side : (3 + bit) * side][:, inner] for bit in range(BITS))
    return sum(1 << bit for bit, square in enumerate(squares) if square.mean() > 127)


def numbered(number: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A smooth picture with a square that moves, carrying its number."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([40 + 120 * x // width, 60 + 100 * y // height, np.full_like(x, 90)], axis=-1)
    left, top = number * 5 % (width - 40), height // 2
    rgb[top : top + 40, left : left + 40] = (200, 120 + number % 100, 60)
    return burn_number(rgb.astype(np.uint8), number)


def make_clip(
    path: Path,
    count: int = 50,
    *,
    size: tuple[int, int] = (320, 240),
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times_s: Iterable[float] | None = None,
    rotation: int = 0,
    gop: int = 25,
    options: dict[str, str] | None = None,
    muxer: str | None = None,
    muxer_options: dict[str, str] | None = None,
    picture: Callable[[int, int, int], NDArray[np.uint8]] = numbered,
    tags: dict[str, int] | None = None,
) -> Path:
    """Write `count` numbered pictures; `size` is (width, height) as displayed.

    `rotation` (degrees counterclockwise) is stored as a display matrix, like a phone does: the
    coded pictures lie on their side and players turn them back. `times_s` gives a variable frame
    rate. `tags` are attributes of the codec context, such as colorspace.
    """
    clock = Fraction(1, 90000) if times_s is not None else Fraction(1, fps)
    times = [number / fps for number in range(count)] if times_s is None else list(times_s)
    fast = {"preset": "ultrafast", "crf": "18", "bf": "2"} if codec == "libx264" else {}
    with av.open(str(path), "w", format=muxer, options=muxer_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=fast | (options or {}))
        width, height = size if rotation % 180 == 0 else size[::-1]
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.gop_size = gop
        if times_s is not None:
            stream.codec_context.time_base = clock
        if codec not in {"gif", "mpeg4"}:
            stream.codec_context.thread_count = 1
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            rgb = np.rot90(picture(number, *size), -rotation // 90)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
            frame = frame.reformat(format=pix_fmt, dst_colorspace="ITU709")
            frame.pts, frame.time_base = round(times[number] / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@dataclass
class Reading:
    """What `video.sample` gave."""

    info: VideoInfo
    frames: list[Frame]
    wanted: int
    decoded: int
    notes: list[str]

    @property
    def numbers(self) -> list[int]:
        """The numbers burnt into the pictures."""
        return [read_number(frame.rgb) for frame in self.frames]

    @property
    def indices(self) -> list[int]:
        """The positions that the reader counted."""
        return [-1 if frame.index is None else frame.index for frame in self.frames]

    @property
    def times(self) -> list[float]:
        """The times of the frames in seconds."""
        return [frame.time_s for frame in self.frames]


def read_clip(
    path: Path, frames: int | None = 8, limits: video.Limits | None = None, **wish: float
) -> Reading:
    """Read a file to its end: `frames` spread ones, or by `fps` or `every`."""
    frames = None if wish else frames
    every = int(wish["every"]) if "every" in wish else None
    with video.sample(path, Sampling(frames, wish.get("fps"), every), limits) as stream:
        return Reading(stream.info, list(stream), stream.wanted, stream.decoded, stream.notes)


def write_audio(path: Path, seconds: int = 1) -> Path:
    """A file with sound and nothing else."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=48000)
        stream.layout = "mono"
        for start in range(0, 48000 * seconds, 1024):
            tone = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_cover_art(path: Path, clip: Path) -> Path:
    """Copy `clip` behind an attached picture, as music files carry one. MP4."""
    cover = path.with_suffix(".jpg")
    with av.open(str(cover), "w", format="image2", options={"update": "1"}) as container:
        stream: Any = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), "rgb24")
        container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    with (
        av.open(str(cover)) as picture,
        av.open(str(clip)) as film,
        av.open(str(path), "w") as out,
    ):
        first = out.add_stream_from_template(picture.streams.video[0])
        first.disposition = av.stream.Disposition.attached_pic
        second = out.add_stream_from_template(film.streams.video[0])
        for source, target in ((picture, first), (film, second)):
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = target
                    out.mux(packet)
    return path
