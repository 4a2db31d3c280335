"""Reading video: odd files give the right frames at the right times, or one clear line."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import video
from tests.clips import make_clip, numbered, read_clip

X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
VPX = {"deadline": "realtime", "cpu-used": "8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """Ten seconds with B-frames and the index in front."""
    return make_clip(folder / "plain.mp4", 250, muxer_options={"movflags": "+faststart"})


# Formats -----------------------------------------------------------------------------------------

FORMATS: dict[str, dict[str, object]] = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "h264.flv": {},
    "h264.avi": {},
    "fragments.mp4": {"muxer_options": {"movflags": "frag_keyframe+empty_moov"}},
    "open_groups.mp4": {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3"}},
    "hevc.mp4": {"codec": "libx265", "options": X265},
    "ten_bit.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": X265},
    "high10.mp4": {"pix_fmt": "yuv420p10le"},
    "yuv444.mp4": {"pix_fmt": "yuv444p"},
    "odd_size.mp4": {"pix_fmt": "yuv444p", "size": (321, 241)},
    "no_duration.webm": {"codec": "libvpx-vp9", "options": VPX, "muxer_options": {"live": "1"}},
    "hidden_frames.webm": {
        "codec": "libvpx",
        "options": {"cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"},
    },
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4_b.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "jpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "small.gif": {"codec": "gif", "pix_fmt": "rgb8"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_very_frames_at_their_times(folder: Path, name: str) -> None:
    settings: dict[str, object] = {"fps": 25, **FORMATS[name]}
    path = make_clip(folder / name, 50, **settings)  # type: ignore[arg-type]
    read = read_clip(path)
    assert read.numbers == read.indices
    assert read.times == pytest.approx([number / 25 for number in read.numbers], abs=1e-3)
    assert read.numbers == pytest.approx([50 * (k + 0.5) / 8 for k in range(8)], abs=1)
    assert (read.decoded, read.wanted) == (8, 8)
    assert read.info.frame_count == 50
    assert read.info.fps == pytest.approx(25, rel=0.01)
    assert read.info.duration_s == pytest.approx(2, abs=0.05)
    assert read.frames[0].rgb.shape == (read.info.height_px, read.info.width_px, 3)
    assert read.info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read.info.size_bytes == path.stat().st_size


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_skipping_changes_no_bit(folder: Path, codec: str) -> None:
    options = {"bf": "4", "b-pyramid": "1"} if codec == "libx264" else X265
    path = make_clip(folder / f"skip_{codec}.mp4", 60, codec=codec, options=options)
    skipped = {frame.index: frame.rgb for frame in read_clip(path, every=7).frames}
    full = {frame.index: frame.rgb for frame in read_clip(path, every=1).frames}
    assert list(full) == list(range(60))
    assert list(skipped) == list(range(0, 60, 7))
    assert all(np.array_equal(rgb, full[index]) for index, rgb in skipped.items())


def test_two_reads_give_the_same_bytes(plain: Path) -> None:
    first, second = read_clip(plain), read_clip(plain)
    assert [f.rgb.tobytes() for f in first.frames] == [f.rgb.tobytes() for f in second.frames]
    assert first.info == second.info


def test_fps_every_and_one_frame(folder: Path, plain: Path) -> None:
    assert read_clip(plain, fps=2.0).numbers == pytest.approx(
        [12.5 * k for k in range(20)], abs=0.5
    )
    assert read_clip(plain, every=60).numbers == [0, 60, 120, 180, 240]
    one = read_clip(make_clip(folder / "one.mp4", 1))
    assert (one.numbers, one.times, one.wanted, one.info.fps) == ([0], [0.0], 1, None)


# Rotation, variable rate, sizes, colour ----------------------------------------------------------


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_rotated_video_is_turned_upright(folder: Path, rotation: int) -> None:
    size = (320, 240) if rotation == 180 else (240, 320)
    path = make_clip(folder / f"rotated{rotation}.mp4", 30, rotation=rotation, size=size)
    read = read_clip(path)
    assert read.numbers == read.indices
    assert (read.info.width_px, read.info.height_px) == size
    assert read.info.rotation_deg == rotation % 360


def test_a_phones_display_matrix_is_understood(folder: Path) -> None:
    """A portrait recording lies on its side: the matrix turns it clockwise, by the QuickTime file
    format: x' = a x + c y + tx, y' = b x + d y + ty with a, b, c, d = 0, 1, -1, 0.
    """

    def lying(number: int, width: int, height: int) -> NDArray[np.uint8]:
        return np.rot90(numbered(number, height, width))  # counterclockwise

    path = make_clip(folder / "phone.mp4", 20, picture=lying)
    content = bytearray(path.read_bytes())
    unity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 240 << 16, 0, 1 << 30)
    at = content.index(unity, content.index(b"tkhd"))
    content[at : at + 36] = turned
    path.write_bytes(content)
    read = read_clip(path)
    assert read.numbers == read.indices
    assert (read.info.width_px, read.info.height_px) == (240, 320)


def test_a_variable_frame_rate_gives_true_times(folder: Path) -> None:
    steps = np.random.default_rng(1).uniform(0.01, 0.3, 80)
    times = np.cumsum(steps)
    path = make_clip(folder / "vfr.mp4", 80, times_s=times)
    read = read_clip(path)
    assert read.numbers == read.indices
    assert read.times == pytest.approx([times[n] - times[0] for n in read.numbers], abs=1e-4)
    span = times[-1] - times[0]
    middles = [span * (k + 0.5) / 8 for k in range(8)]
    assert read.times == pytest.approx(middles, abs=0.5)
    every = read_clip(path, every=1)
    assert every.times == pytest.approx(times - times[0], abs=1e-4)


def test_a_change_of_size_keeps_the_first(folder: Path) -> None:
    later = [0.4 + k / 25 for k in range(10)]
    small = make_clip(folder / "small.ts", 10, size=(160, 120), times_s=later)
    large = make_clip(folder / "large.ts", 10)
    joined = folder / "joined.ts"
    joined.write_bytes(large.read_bytes() + small.read_bytes())
    read = read_clip(joined, every=1)
    assert {frame.rgb.shape for frame in read.frames} == {(240, 320, 3)}
    assert read.numbers == [*range(10), *range(10)]


def test_two_recordings_in_a_row_are_counted_through(folder: Path) -> None:
    part = make_clip(folder / "part.ts", 10).read_bytes()
    path = folder / "twice.ts"
    path.write_bytes(part * 2)
    read = read_clip(path, every=1)
    assert read.numbers == [*range(10), *range(10)]
    assert read.times == pytest.approx([k / 25 for k in range(20)], abs=0.05)
    assert read.notes == [
        "presentation times are missing or jump back; frames were counted instead"
    ]


COLOURS = [(200, 60, 40), (30, 160, 60), (40, 70, 210), (128, 128, 128), (250, 250, 250)]
MATRICES = {"bt709": (1, "ITU709"), "bt601": (6, "ITU601"), "bt2020": (9, "BT2020")}


def _patches(path: Path, matrix: str, full: bool, pix_fmt: str, tagged: bool = True) -> Path:
    """A picture of five colours, coded with the given matrix and range."""
    tag, name = MATRICES[matrix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 320, 64, pix_fmt
        if tagged:
            stream.codec_context.colorspace = tag
            stream.codec_context.color_range = 2 if full else 1
        rgb = np.repeat(np.repeat([COLOURS], 64, axis=0), 64, axis=1).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
            format=pix_fmt, dst_colorspace=name, dst_color_range=2 if full else 1
        )
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_come_back(folder: Path, matrix: str, full: bool, pix_fmt: str) -> None:
    path = _patches(folder / f"{matrix}_{full}_{pix_fmt}.mp4", matrix, full, pix_fmt)
    rgb = read_clip(path, 1).frames[0].rgb
    for k, colour in enumerate(COLOURS):
        patch = rgb[16:48, 64 * k + 16 : 64 * k + 48].reshape(-1, 3).mean(axis=0)
        assert patch == pytest.approx(colour, abs=4), (k, patch)


def test_small_untagged_video_is_bt601(folder: Path) -> None:
    path = _patches(folder / "untagged.mp4", "bt601", False, "yuv420p", tagged=False)
    rgb = read_clip(path, 1).frames[0].rgb
    assert rgb[16:48, 16:48].reshape(-1, 3).mean(axis=0) == pytest.approx(COLOURS[0], abs=4)


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_mapped(folder: Path, transfer: int) -> None:
    tags = {"color_trc": transfer, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    x265 = f"log-level=none:transfer={transfer}:colorprim=9:colormatrix=9"
    options = {"preset": "ultrafast", "x265-params": x265}
    path = make_clip(
        folder / f"hdr{transfer}.mp4",
        10,
        codec="libx265",
        pix_fmt="yuv420p10le",
        options=options,
        tags=tags,
    )
    read = read_clip(path, 4)
    assert "high dynamic range was mapped to standard range" in read.notes
    assert read.numbers == read.indices
    assert read.frames[0].rgb.dtype == np.uint8


# Key frames and probing --------------------------------------------------------------------------


def test_a_long_file_is_read_through_its_key_frames(folder: Path) -> None:
    """Ten minutes, made by repeating the packets of ten seconds."""
    path = folder / "long.mp4"
    short = make_clip(folder / "short.mp4", 250, gop=125)
    with av.open(str(short)) as source, av.open(str(path), "w") as target:
        film = source.streams.video[0]
        copy = target.add_stream_from_template(film)
        packets = [packet for packet in source.demux(film) if packet.dts is not None]
        stamps = [(packet.pts, packet.dts) for packet in packets]
        for repeat in range(60):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                shift = repeat * (film.duration or 0)
                packet.pts, packet.dts = (pts or 0) + shift, (dts or 0) + shift
                packet.stream = copy
                target.mux(packet)
    read = read_clip(path, 32)
    assert any("key frames" in note for note in read.notes)
    assert read.decoded == read.wanted == 32
    assert [index % 250 for index in read.indices] == read.numbers
    assert all(number % 125 == 0 for number in read.numbers)
    assert read.times == pytest.approx([600 * (k + 0.5) / 32 for k in range(32)], abs=2.51)


def test_probe(plain: Path) -> None:
    info = video.probe(plain)
    assert (info.file, info.codec, info.pixel_format) == ("plain.mp4", "h264", "yuv420p")
    assert (info.width_px, info.height_px, info.rotation_deg) == (320, 240, 0)
    assert (info.fps, info.duration_s, info.frame_count) == (25.0, 10.0, 250)
    assert "mp4" in info.container


# Real recordings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a_fake_1.mp4", "d_real_1.mp4", "c_fake_4.mp4"])
def test_real_clips_agree_with_a_plain_decode(name: str) -> None:
    if "DFEXPLAIN_DATA" not in os.environ:
        pytest.skip("DFEXPLAIN_DATA does not point at the evaluation clips")
    path = Path(os.environ["DFEXPLAIN_DATA"]) / "clips" / name
    read = read_clip(path, 12)
    wanted = dict(zip(read.indices, read.frames, strict=True))
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                matrix = {1: "ITU709", 6: "ITU601", 5: "ITU601"}.get(
                    frame.colorspace, "ITU709" if frame.width >= 1280 else "ITU601"
                )
                rgb = frame.to_ndarray(format="rgb24", src_colorspace=matrix)
                assert np.array_equal(rgb, wanted[number].rgb)
    assert read.decoded == read.wanted == 12


def test_pictures_before_time_zero_are_read_where_matroska_has_no_times_for_them(
    tmp_path: Path,
) -> None:
    path = make_clip(
        tmp_path / "early.mkv",
        20,
        times_s=[number / 10 - 0.3 for number in range(20)],
        muxer_options={"avoid_negative_ts": "disabled"},
    )
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert any(p.pts is None and p.dts is None for p in packets)
    read = read_clip(path, 20)
    assert read.numbers == list(range(20))
    assert read.times == pytest.approx([number / 10 for number in range(20)])
