"""The writer: what goes in comes out again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from dfexplain import video
from dfexplain.errors import NotAVideo, SettingError
from dfexplain.structures import Sampling
from tests.clips import make_clip, numbered, read_number


def _gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rgb = np.stack([255 * x / width, 255 * y / height, 128 + 100 * np.sin((x + y) / 20)], axis=-1)
    return rgb.astype(np.uint8)


def test_roundtrip_loses_more_at_a_higher_crf() -> None:
    rgb = _gradient(256, 256)
    errors = [
        float(np.abs(video.h264_roundtrip([rgb], crf)[0].astype(float) - rgb).mean())
        for crf in (5, 25, 45)
    ]
    assert errors[0] < errors[1] < errors[2]
    assert errors[0] < 2.5  # right matrix and range: a wrong one costs 5 and more


def test_roundtrip_keeps_number_order_and_odd_size() -> None:
    frames = [np.full((51, 77, 3), 40 + 20 * k, np.uint8) for k in range(6)]
    out = video.h264_roundtrip(frames, 20, preset="medium")
    assert [f.shape for f in out] == [(51, 77, 3)] * 6
    assert [round((float(f.mean()) - 40) / 20) for f in out] == list(range(6))
    again = video.h264_roundtrip(frames, 20, preset="medium")
    assert all(np.array_equal(a, b) for a, b in zip(out, again, strict=True))


def test_the_same_frames_give_the_same_bytes_whatever_lay_in_memory(tmp_path: Path) -> None:
    """A width that is no multiple of 16 macroblocks, over memory that others have used."""
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (60, 60, 3)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
    frames = [scene[k : k + 196, 2 * k : 2 * k + 180] for k in range(24)]
    written = set()
    for _ in range(5):
        rubbish = [rng.bytes(int(size)) for size in rng.integers(1_000, 2_000_000, 4)]
        path = video.write(tmp_path / "out.mp4", frames, 25.0, crf=26, preset="veryfast")
        written.add(path.read_bytes())
        del rubbish
    assert len(written) == 1


@pytest.mark.parametrize("crf", [-1, 52])
def test_roundtrip_refuses_a_crf_out_of_range(crf: int) -> None:
    with pytest.raises(SettingError, match="crf must be"):
        video.h264_roundtrip([_gradient(16, 16)], crf)


def test_roundtrip_refuses_mixed_sizes() -> None:
    with pytest.raises(SettingError, match="one size"):
        video.h264_roundtrip([_gradient(16, 16), _gradient(32, 32)], 20)


def _numbers(path: Path) -> list[tuple[int, float]]:
    with video.sample(path, Sampling(frames=None, every=1)) as stream:
        return [(read_number(frame.rgb), frame.time_s) for frame in stream]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    frames = [numbered(k, 320, 180) for k in range(30)]
    path = video.write(tmp_path / "out.mp4", frames, 29.97, preset="ultrafast")
    assert path == tmp_path / "out.mp4"
    read = _numbers(path)
    assert [number for number, _ in read] == list(range(30))
    assert [t for _, t in read] == pytest.approx([k / 29.97 for k in range(30)], abs=1e-4)
    info = video.probe(path)
    assert (info.codec, info.pixel_format, info.width_px, info.height_px) == (
        "h264",
        "yuv420p",
        320,
        180,
    )
    assert info.fps == pytest.approx(29.97, rel=1e-4)
    assert list(tmp_path.iterdir()) == [path]


def test_written_colours_are_tagged_and_right(tmp_path: Path) -> None:
    colour = np.array([200, 90, 50], np.uint8)
    picture = np.tile(colour, (64, 64, 1))
    path = video.write(tmp_path / "colour.mp4", [picture] * 3, 25, crf=4)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)
    with video.sample(path) as stream:
        rgb = next(iter(stream)).rgb
    assert rgb.reshape(-1, 3).mean(axis=0) == pytest.approx(colour, abs=3)


def test_the_index_is_in_front_and_bytes_repeat(tmp_path: Path) -> None:
    frames = [numbered(k) for k in range(8)]
    first = video.write(tmp_path / "1.mp4", frames, 25).read_bytes()
    second = video.write(tmp_path / "2.mp4", frames, 25).read_bytes()
    assert first == second
    assert first.index(b"moov") < first.index(b"mdat")


def test_odd_sides_grow_by_a_pixel(tmp_path: Path) -> None:
    path = video.write(tmp_path / "odd.mp4", [_gradient(51, 77)] * 2, 25)
    info = video.probe(path)
    assert (info.width_px, info.height_px) == (78, 52)


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="got none"):
        video.write(tmp_path / "none.mp4", [], 25)
    with pytest.raises(SettingError, match="one size"):
        video.write(tmp_path / "mixed.mp4", [_gradient(16, 16), _gradient(32, 32)], 25)
    with pytest.raises(SettingError, match="fps must be"):
        video.write(tmp_path / "still.mp4", [_gradient(16, 16)], 0)
    assert list(tmp_path.iterdir()) == []


def test_a_playback_copy_keeps_times_and_turns_upright(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(2).uniform(0.02, 0.3, 40))
    source = make_clip(
        tmp_path / "source.mkv",
        40,
        times_s=times,
        codec="libx265",
        options={"x265-params": "log-level=none"},
    )
    turned = make_clip(tmp_path / "turned.mp4", 10, rotation=90, size=(240, 320))
    out = video.reencode_for_playback(source, tmp_path / "copy.mp4", max_px=200)
    info = video.probe(out)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    assert (info.width_px, info.height_px) == (200, 150)
    read = _numbers(out)
    assert [number for number, _ in read] == list(range(40))
    assert [t for _, t in read] == pytest.approx(times - times[0], abs=1e-3)
    upright = video.probe(video.reencode_for_playback(turned, tmp_path / "upright.mp4"))
    assert (upright.width_px, upright.height_px, upright.rotation_deg) == (240, 320, 0)


def test_no_playback_copy_of_what_is_no_video(tmp_path: Path) -> None:
    source = tmp_path / "text.avi"
    source.write_text("no video")
    with pytest.raises(NotAVideo):
        video.reencode_for_playback(source, tmp_path / "copy.mp4")
    assert list(tmp_path.iterdir()) == [source]
