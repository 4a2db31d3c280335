"""One picture, decoded in the cage: formats, orientation, transparency, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from dfexplain import video
from dfexplain.errors import InputError
from dfexplain.structures import Frame, VideoInfo
from dfexplain.video import Limits
from tests.stills import Image, chunk, corners, encoded, turned

# What EXIF's eight orientations ask of a viewer, written down as numpy has it.
AS_SHOWN = {
    1: lambda rgb: rgb,
    2: lambda rgb: rgb[:, ::-1],
    3: lambda rgb: rgb[::-1, ::-1],
    4: lambda rgb: rgb[::-1],
    5: lambda rgb: rgb.transpose(1, 0, 2),
    6: lambda rgb: np.rot90(rgb, -1),
    7: lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
    8: lambda rgb: np.rot90(rgb),
}


def read(folder: Path, data: bytes, name: str = "x") -> tuple[VideoInfo, Frame, list[str]]:
    path = folder / name
    path.write_bytes(data)
    with video.sample(path, pictures=True) as stream:
        (frame,) = stream
        return stream.info, frame, stream.notes


def far(a: Image, b: Image) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_is_a_stream_of_one_frame_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    info, frame, notes = read(tmp_path, encoded(corners(), suffix), "100%02d.mp4")
    assert far(frame.rgb, corners()) < (0.01 if suffix == ".png" else 3)
    assert (frame.index, frame.time_s, notes) == (0, 0.0, [])
    assert (info.kind, info.container) == ("image", {".jpg": "jpeg"}.get(suffix, suffix[1:]))
    assert (info.width_px, info.height_px, info.frame_count) == (160, 96, 1)
    assert (info.fps, info.duration_s, info.rotation_deg) == (None, None, 0)


@pytest.mark.parametrize(
    ("suffix", "orientation", "order"),
    [
        *((".jpg", number, "<") for number in (2, 3, 5, 6, 7, 8)),
        (".png", 6, ">"),
        (".webp", 4, ">"),
    ],
)
def test_a_picture_is_turned_as_its_exif_says(
    tmp_path: Path, suffix: str, orientation: int, order: str
) -> None:
    data = turned(encoded(corners(), suffix), suffix, orientation, order)
    info, frame, _ = read(tmp_path, data)
    shown = AS_SHOWN[orientation](corners())
    assert far(frame.rgb, shown) < 3
    assert (info.height_px, info.width_px) == shown.shape[:2]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_transparency_is_laid_over_grey_and_said(tmp_path: Path, suffix: str) -> None:
    alpha = np.full((96, 160, 1), 255, np.uint8)
    alpha[:, 80:] = 51
    data = encoded(np.concatenate([corners(), alpha], axis=2), suffix, 64, 101)  # lossless WebP
    _, frame, notes = read(tmp_path, data)
    assert far(frame.rgb[:, :80], corners()[:, :80]) < 0.5
    expected = (0.2 * corners()[:, 80:] + 0.8 * 128).round().astype(np.uint8)
    assert far(frame.rgb[:, 80:], expected) < 1
    assert notes == ["what is transparent in the picture was laid over grey"]


def refusals() -> dict[str, tuple[bytes, str, str]]:
    png, webp = encoded(corners(), ".png"), encoded(corners(), ".webp")
    moving = b"VP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + bytes(6)
    large = encoded(np.zeros((300, 300, 3), np.uint8), ".png")
    return {
        "animated png": (png[:33] + chunk(b"acTL", bytes(8)) + png[33:], "not-a-video", "animated"),
        "animated webp": (webp[:12] + moving + webp[12:], "not-a-video", "animated webp"),
        "large": (large, "limit-exceeded", "more than 40000 px"),
        "cut": (png[:60], "not-a-video", "must hold a readable"),
        "junk": (b"\xff\xd8\xff" + b"j" * 99, "not-a-video", "must hold a readable"),
        "text": (b"neither picture nor video " * 9, "not-a-video", "must hold a readable"),
    }


@pytest.mark.parametrize("name", refusals())
def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    data, code, words = refusals()[name]
    (tmp_path / "x.png").write_bytes(data)
    limits = Limits(pixels=40_000)
    with (
        pytest.raises(InputError) as caught,
        video.sample(tmp_path / "x.png", limits=limits, pictures=True) as stream,
    ):
        list(stream)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_who_asks_for_a_video_gets_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(encoded(corners(), ".jpg"))
    with pytest.raises(InputError, match="must hold a readable video"):
        video.probe(tmp_path / "x.jpg")
