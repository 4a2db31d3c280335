"""Odd but whole videos for the corpus of bad input, made with PyAV: a moving face, told how to lie.

Every film is a function of its name alone. The face is that of examples/untouched.mp4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.trust.case import Case
from dfexplain import video
from dfexplain.structures import Sampling
from tests.clips import make_clip, write_audio, write_cover_art

__all__ = ["BASES", "FACE_XYXY", "face", "film", "films"]

Picture = NDArray[np.uint8]
SIDE = 160
COUNT = 12
SAME = {"fflags": "+bitexact"}
"""Without it Matroska draws its numbers anew."""
FACE_XYXY = (76, 52, 332, 308)
"""Where the face of examples/untouched.mp4 is, with room around it."""

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "untouched.mp4"
PLAIN = {"size": (SIDE, SIDE), "count": COUNT, "gop": 6}


@lru_cache
def _portrait() -> Picture:
    with video.sample(EXAMPLE, Sampling(frames=1)) as stream:
        (frame,) = stream
    left, top, right, bottom = FACE_XYXY
    return np.ascontiguousarray(frame.rgb[top:bottom, left:right])


def _ground(width: int, height: int) -> Picture:
    y, x = np.mgrid[0:height, 0:width]
    grey = 70 + 40 * x // max(width, 1) + 30 * y // max(height, 1)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _with_faces(number: int, width: int, height: int, side: int, most: int = 12) -> Picture:
    """As many faces of a size as fit side by side, each moved by a pixel or two."""
    rgb = _ground(width, height)
    small = cv2.resize(_portrait(), (side, side), interpolation=cv2.INTER_AREA)
    tops, lefts = range(0, height - side + 1, side), range(0, width - side + 1, side)
    for top, left in list(product(tops, lefts))[:most]:
        rgb[top : top + side, left : left + side] = np.roll(small, number % 3, axis=1)
    return rgb


def face(number: int, width: int, height: int) -> Picture:
    """One face that fills the shorter side."""
    side = min(width, height)
    rgb = _ground(width, height)
    left = (width - side) // 2
    whole = cv2.resize(_portrait(), (side, side), interpolation=cv2.INTER_AREA)
    rgb[:side, left : left + side] = np.roll(whole, number % 3, axis=1)
    return rgb


def _black(number: int, width: int, height: int) -> Picture:
    return np.zeros((height, width, 3), np.uint8)


def _empty(number: int, width: int, height: int) -> Picture:
    return np.roll(_ground(width, height), number, axis=1)


def film(path: Path, **how: Any) -> Path:
    """A clip of `tests.clips.make_clip` with the face in it, the same bytes every time."""
    muxing = SAME | how.get("muxer_options", {})
    return make_clip(path, **({"picture": face} | PLAIN | how | {"muxer_options": muxing}))


def patched(mark: bytes, at: int, data: bytes, **how: Any) -> Callable[[Path], object]:
    """A film whose bytes after the first `mark` are others; the mark must be there."""

    def make(path: Path) -> None:
        content = bytearray(film(path, **how).read_bytes())
        start = content.index(mark) + len(mark) + at
        content[start : start + len(data)] = data
        path.write_bytes(content)

    return make


def two_streams(path: Path) -> None:
    """Two video tracks: a black one first."""
    clips = [film(path.with_name(f"{path.stem}{i}.mp4"), picture=p) for i, p in
             enumerate((_black, face))]  # fmt: skip
    with av.open(str(path), "w", options=SAME) as out:
        for clip in clips:
            with av.open(str(clip)) as source:
                track = source.streams.video[0]
                copy = out.add_stream_from_template(track)
                packets = [p for p in source.demux(track) if p.dts is not None]
                if clip is clips[0]:
                    kept = packets, copy
                    continue
                for packet, target in [*((p, kept[1]) for p in kept[0]),
                                       *((p, copy) for p in packets)]:  # fmt: skip
                    packet.stream = target
                    out.mux(packet)
    for clip in clips:
        clip.unlink()


def covered(path: Path) -> None:
    """A cover picture before the video."""
    clip = film(path.with_name(f"{path.stem}_film.mp4"))
    write_cover_art(path, clip)
    clip.unlink()
    path.with_suffix(".jpg").unlink()


def spoken(path: Path) -> None:
    """Sound beside the pictures."""
    clip, sound = film(path.with_name(f"{path.stem}_.mp4")), path.with_name(f"{path.stem}_.m4a")
    write_audio(sound)
    with (
        av.open(str(clip)) as one,
        av.open(str(sound)) as two,
        av.open(str(path), "w", options=SAME) as out,
    ):
        pairs = [(c, c.streams[0], out.add_stream_from_template(c.streams[0])) for c in (one, two)]
        for container, source, target in pairs:
            for packet in container.demux(source):
                if packet.dts is not None:
                    packet.stream = target
                    out.mux(packet)
    clip.unlink()
    sound.unlink()


BASES: dict[str, dict[str, Any]] = {
    "mp4": {},
    "faststart.mp4": {"muxer_options": {"movflags": "+faststart"}},
    "fragmented.mp4": {"muxer_options": {"movflags": "frag_keyframe+empty_moov"}},
    "mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mkv": {},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "avi": {"codec": "mpeg4"},
    "flv": {"codec": "flv"},
    "wmv": {"codec": "wmv2", "muxer": "asf"},
    "ts": {},
    "mpg": {"codec": "mpeg1video"},
    "gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "3gp": {"codec": "mpeg4"},
}
"""One small film of each container, by the end of its name."""

PQ = {"color_trc": 16, "color_primaries": 9, "colorspace": 9}
HLG = PQ | {"color_trc": 18}
TEN = {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"preset": "ultrafast"}}
FAST_VP9 = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
VARIABLE = [n // 3 * 0.12 + (0.0, 0.02, 0.08)[n % 3] for n in range(24)]
ZERO = struct.pack("<I", 0)

# Name: what differs from a plain film, or a function that makes it. These hold a face to score.
SCORED: dict[str, dict[str, Any] | Callable[[Path], object]] = {
    **{f"plain.{end}": how for end, how in BASES.items()},
    **{f"rotated_{deg}.mp4": {"rotation": deg} for deg in (90, 180, 270)},
    "rotated_90.mov": {"rotation": 90, "codec": "mpeg4"},
    "vfr.mp4": {"count": 24, "times_s": VARIABLE},
    "vfr.mkv": {"count": 24, "times_s": VARIABLE},
    "late_start.mp4": {"times_s": [5 + n / 10 for n in range(COUNT)]},
    "late_start.mkv": {"times_s": [3600 + n / 10 for n in range(COUNT)]},
    "late_start.ts": {"times_s": [600 + n / 10 for n in range(COUNT)]},
    "negative_start.mkv": {
        "times_s": [n / 10 - 0.2 for n in range(COUNT)],
        "muxer_options": {"avoid_negative_ts": "disabled"},
    },
    "negative_start.mp4": {"times_s": [n / 10 - 0.2 for n in range(COUNT)]},
    "edit_list_off.mp4": {"muxer_options": {"use_editlist": "0"}},
    "fps_1.mp4": {"fps": 1},
    "fps_1000.mp4": {"fps": 1000},
    "fps_1000.mkv": {"fps": 1000},
    "fps_0.avi": patched(b"avih", 4, ZERO, codec="mpeg4"),
    "interlaced.mp4": {"options": {"x264-params": "interlaced=1", "preset": "ultrafast"}},
    "interlaced.mpg": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}},
    "ten_bit.mp4": TEN,
    "ten_bit_h264.mkv": {"pix_fmt": "yuv420p10le"},
    "hdr_pq.mp4": TEN | {"tags": PQ},
    "hdr_hlg.mkv": TEN | {"tags": HLG},
    "full_range.mp4": {"pix_fmt": "yuvj420p"},
    "yuv444.mp4": {"pix_fmt": "yuv444p"},
    "yuv422.mkv": {"pix_fmt": "yuv422p"},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12"}},
    "av1.webm": {"codec": "libsvtav1", "options": {"preset": "12"}},
    "hevc.mkv": TEN | {"pix_fmt": "yuv420p"},
    "vp9_alpha.webm": FAST_VP9 | {"pix_fmt": "yuva420p"},
    "vp9.mp4": FAST_VP9,
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "ffv1.mkv": {"codec": "ffv1"},
    "ffv1_odd.mkv": {"codec": "ffv1", "size": (161, 159)},
    "mjpeg_odd.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "size": (171, 161)},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "raw.avi": {"codec": "rawvideo", "pix_fmt": "yuv420p"},
    "huffyuv.avi": {"codec": "huffyuv", "pix_fmt": "yuv422p"},
    "wmv1.wmv": {"codec": "wmv1", "muxer": "asf"},
    "mpeg2.ts": {"codec": "mpeg2video"},
    "h264.flv": {"codec": "libx264"},
    "vp8.mkv": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "no_cues.mkv": {"muxer_options": {"live": "1"}},
    "no_cues.webm": FAST_VP9 | {"muxer_options": {"live": "1"}},
    "cover_art.mp4": covered,
    "with_sound.mp4": spoken,
    "wide.mp4": {"size": (640, 160)},
    "tall.mp4": {"size": (160, 640)},
    "odd_yuv444.mp4": {"size": (163, 161), "pix_fmt": "yuv444p"},
    "twelve_faces.mp4": {
        "size": (640, 480),
        "picture": lambda n, w, h: _with_faces(n, w, h, 160),
    },
    "tiny_faces.mp4": {
        "size": (640, 480),
        "picture": lambda n, w, h: _with_faces(n, w, h, 20, most=4),
    },
    "all_key.mp4": {"gop": 1},
    "one_key.mp4": {"gop": 999},
    "wrong_end_mp4.avi": {"muxer": "mp4"},
    "wrong_end_mkv.mp4": {"muxer": "matroska"},
    "no_end": {"muxer": "mp4"},
}
# Read, but there is no face of which enough frames are seen.
READ: dict[str, dict[str, Any] | Callable[[Path], object]] = {
    "one_frame.mp4": {"count": 1},
    "one_frame.mkv": {"count": 1},
    "one_frame.gif": {"count": 1, "codec": "gif", "pix_fmt": "rgb8"},
    "two_frames.mp4": {"count": 2},
    "1x1.mkv": {"size": (1, 1), "codec": "ffv1", "pix_fmt": "yuv444p", "picture": _black},
    "2x2.mp4": {"size": (2, 2), "picture": _black},
    "16x2048.mp4": {"size": (16, 2048), "picture": _black},
    "2048x16.mp4": {"size": (2048, 16), "picture": _black},
    "no_face.mp4": {"picture": _empty},
    "black.mp4": {"picture": _black},
    "black.webm": FAST_VP9 | {"picture": _black},
    "two_streams.mkv": two_streams,
    "three_pictures_an_hour.mp4": {"count": 3, "times_s": [0, 1800, 3600]},
}
# It may be read or refused, in one line.
EITHER: dict[str, dict[str, Any] | Callable[[Path], object]] = {
    "edit_list_skips.mp4": patched(b"elst", 12, struct.pack(">i", 6000)),
    "edit_list_beyond.mp4": patched(b"elst", 12, struct.pack(">i", 1 << 30)),
    "edit_list_empty.mp4": patched(b"elst", 12, struct.pack(">i", -1)),
    "edit_list_long.mp4": patched(b"elst", 8, struct.pack(">I", 0xFFFFFFFF)),
    "fps_0.mp4": patched(b"stts", 12, struct.pack(">I", 0)),
    "fps_endless.mp4": patched(b"stts", 12, struct.pack(">I", 0x7FFFFFFF)),
    "clock_0.mp4": patched(b"mdhd", 12, struct.pack(">I", 0)),
    "clock_endless.mp4": patched(b"mdhd", 12, struct.pack(">I", 0xFFFFFFFF)),
    "size_0.mp4": patched(b"avc1", 24, struct.pack(">HH", 0, 0)),
    "size_said_large.mp4": patched(b"avc1", 24, struct.pack(">HH", 65535, 65535)),
    "many_pictures_said.mp4": patched(b"stsz", 8, struct.pack(">I", 0xFFFFFFF0)),
    "sample_size_0.mp4": patched(b"stsz", 4, struct.pack(">I", 0)),
    "codec_unknown.mp4": patched(b"stsd", 12, b"zzzz"),
    "offsets_beyond.mp4": patched(b"stco", 8, struct.pack(">I", 0x7FFFFFFF)),
}


def _made(how: dict[str, Any] | Callable[[Path], object]) -> Callable[[Path], object]:
    return how if callable(how) else lambda path: film(path, **how)


def _giant(path: Path) -> Path:
    options = {"preset": "ultrafast", "crf": "51"}
    return film(path, count=1, size=(7680, 4320), picture=_black, options=options)


def films() -> Iterator[Case]:
    """Every whole film, the scored ones first."""
    for kind, group in (("scored", SCORED), ("read", READ), ("either", EITHER)):
        for name, how in group.items():
            yield Case(name, kind, _made(how))
    yield Case("8k.mp4", "refused", _giant, heavy=True)
    yield Case("sound.m4a", "refused", write_audio)
    yield Case("sound.mp4", "refused", write_audio)
