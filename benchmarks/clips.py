"""The clips that the benchmarks run on: made once from licensed portraits, kept in `.cache`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import pipeline
from dfexplain import video

__all__ = ["CACHE", "CLIPS", "clip", "several_portraits"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

CACHE = pipeline.ROOT / ".cache" / "benchmarks"
PORTRAITS = pipeline.PORTRAIT.parent
FPS, SECONDS = pipeline.FPS, 10
MINUTES_10 = 60  # copies of the clip


def _head(path: Path, height_px: int) -> tuple[Array, Array]:
    """A portrait of that height and how much of each pixel belongs to its head, 0..1."""
    bgr = cv2.imread(str(path))
    scale = height_px / bgr.shape[0]
    rgb = cv2.cvtColor(cv2.resize(bgr, None, fx=scale, fy=scale), cv2.COLOR_BGR2RGB)
    inside = np.zeros(rgb.shape[:2], np.float32)
    middle = (rgb.shape[1] // 2, round(0.42 * rgb.shape[0]))
    cv2.ellipse(inside, middle, (round(0.4 * rgb.shape[1]), middle[1] - 4), 0, 0, 360, 1.0, -1)
    return rgb.astype(np.float32), cv2.GaussianBlur(inside, (0, 0), height_px / 100)


def several_portraits(
    width: int, height: int, frames: int, heights: tuple[float, ...]
) -> Iterator[Image]:
    """As many people beside each other, `heights` as shares of the picture's; each goes its way."""
    random = np.random.default_rng(1)
    coarse = random.uniform(40, 200, (9, 16, 3)).astype(np.float32)
    wall = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    wall += cv2.resize(random.normal(0, 14, (height // 4, width // 4, 1)), (width, height))[
        ..., None
    ]
    wall = np.clip(wall, 0, 255).astype(np.uint8)
    files = sorted(PORTRAITS.glob("*.jpg"))
    heads = [_head(files[k % len(files)], round(share * height)) for k, share in enumerate(heights)]
    for number in range(frames):
        t, picture = number / FPS, wall.copy()
        for k, (rgb, inside) in enumerate(heads):
            high, wide = inside.shape
            x = width * ((k + 0.5) / len(heads) + 0.1 * math.sin((0.6 + 0.2 * k) * t + k))
            y = height * (0.5 + 0.12 * math.sin((0.9 + 0.3 * k) * t + 2 * k))
            left = min(max(0, round(x - wide / 2)), width - wide)
            top = min(max(0, round(y - high / 2)), height - high)
            place = picture[top : top + high, left : left + wide]
            mixed = place * (1 - inside[..., None]) + rgb * inside[..., None]
            picture[top : top + high, left : left + wide] = mixed.astype(np.uint8)
        yield picture


def _one(path: Path) -> None:
    pipeline.make_clip(path)


def _several(size: tuple[int, int], *heights: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        pictures = several_portraits(*size, SECONDS * FPS, heights)
        video.write(path, pictures, FPS, crf=23, preset="veryfast", threads=pipeline.CORES)

    return make


def _encoded_again(codec: str, **options: str) -> Callable[[Path], None]:
    """The clip of one face in another codec."""

    def make(path: Path) -> None:
        with av.open(str(clip("one face"))) as source, av.open(str(path), "w") as target:
            first = source.streams.video[0]
            stream: Any = target.add_stream(codec, rate=FPS, options=options)
            stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
            for number, frame in enumerate(source.decode(first)):
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                frame.pict_type = 0
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))

    return make


def _phone(path: Path) -> None:
    """Upright 1080 x 1920, stored lying on its side with a display matrix, as phones do."""
    with av.open(str(path), "w") as target:
        options = {"preset": "veryfast", "crf": "23"}
        stream: Any = target.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.set_display_rotation(90)
        for rgb in several_portraits(1080, 1920, SECONDS * FPS, (0.3,)):
            lying = np.ascontiguousarray(np.rot90(rgb, -1))
            frame = av.VideoFrame.from_ndarray(lying, "rgb24")
            target.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        target.mux(stream.encode(None))


def _ten_minutes(path: Path) -> None:
    from benchmarks.long_file import repeat

    repeat(clip("one face"), path, MINUTES_10)


CLIPS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "one face": ("one_face.mp4", _one),
    "three faces": ("three_faces.mp4", _several((1920, 1080), 0.5, 0.42, 0.34)),
    "hevc": ("hevc.mp4", _encoded_again("libx265", preset="veryfast", crf="26")),
    "vp9": ("vp9.webm", _encoded_again("libvpx-vp9", deadline="realtime", crf="30", b="2M")),
    "720p": ("two_faces_720p.mp4", _several((1280, 720), 0.6, 0.5)),
    "phone": ("phone.mp4", _phone),
    "ten minutes": ("ten_minutes.mp4", _ten_minutes),
}


def clip(name: str) -> Path:
    """The file of that name, made now if it is not there."""
    file, make = CLIPS[name]
    path = CACHE / "clips" / file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"making_{os.getpid()}_{file}")
        make(half)
        half.replace(path)
    return path
