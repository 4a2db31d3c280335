"""The writer of video: RGB frames in, H.264 out (PyAV, libx264). Only our own frames come here.

Everything is tagged BT.709 limited range, so that players and `decode` agree on the colours, and is
encoded by one thread, so that the same frames give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dfexplain.errors import SettingError

__all__ = ["h264_frame", "h264_roundtrip", "libraries", "write", "write_timed", "writing"]

_CLOCK = 90000
"""Ticks a second of written files, fine enough for any frame rate in use."""

# OpenCV's number for AVX-512F; its Python package has no name for it.
_AVX_512 = 13


def _yuv(rgb: NDArray[np.uint8], pix_fmt: str) -> VideoFrame:
    """An RGB picture as BT.709 limited-range YUV, sides made even by repeating the last line."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
    return frame.reformat(
        format=pix_fmt,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )


def _tag(context: VideoCodecContext) -> None:
    """Write the colours that `_yuv` made into the stream's headers."""
    context.colorspace = 1  # AVCOL_SPC_BT709; PyAV's Colorspace has the numbers of swscale instead
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709


@cache
def _steady() -> dict[str, str]:
    """Options with which libx264 gives the same bytes for the same frames.

    Its AVX-512 code does not where a side is no multiple of 16 macroblocks: of 12 encodings of a
    clip of 180 x 196 px all differed, of 700 of one of 32 px 284 did. Without it there is one
    result, that of processors which never had it.
    """
    return {"x264-params": "asm=AVX2"} if cv2.checkHardwareSupport(_AVX_512) else {}


def libraries() -> dict[str, str]:
    """The versions of the libraries that read and write video here."""
    versions = av.library_versions.items()
    return {name: ".".join(map(str, version)) for name, version in sorted(versions)}


def h264_roundtrip(
    frames: Sequence[NDArray[np.uint8]], crf: int, preset: str = "ultrafast"
) -> list[NDArray[np.uint8]]:
    """Encode pictures as one H.264 clip and decode it again, in memory; a degradation for training.

    `frames` are RGB uint8 (H, W, 3) of one size, at least one; `crf` runs from 0 (near lossless) to
    51. Returns as many pictures of the same size. One 256 x 256 picture takes 3 to 6 ms.
    Raises SettingError for an empty list, mixed sizes or a crf out of range.
    """
    size = frames[0].shape[:2] if frames else (0, 0)
    return [_rgb(picture, size) for picture in _through_h264(frames, crf, preset)]


def h264_frame(
    frames: Sequence[NDArray[np.uint8]], crf: int, preset: str, number: int
) -> NDArray[np.uint8]:
    """`h264_roundtrip(frames, crf, preset)[number]`, without the colours of the others."""
    return _rgb(_through_h264(frames, crf, preset)[number], frames[0].shape[:2])


def _rgb(picture: VideoFrame, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """A decoded picture without the line that made its sides even."""
    rgb = picture.to_ndarray(format="rgb24", src_colorspace=Colorspace.ITU709)
    return np.ascontiguousarray(rgb[: size[0], : size[1]])


def _through_h264(frames: Sequence[NDArray[np.uint8]], crf: int, preset: str) -> list[VideoFrame]:
    """What the decoder makes of what the encoder made of the frames, in order."""
    if not frames or len({frame.shape for frame in frames}) != 1:
        raise SettingError(
            "frames must be pictures of one size, but got "
            f"{sorted({frame.shape for frame in frames})}. Resize them."
        )
    if not 0 <= crf <= 51:
        raise SettingError(f"crf must be 0 to 51, but got {crf}. 18 is fine, 40 is coarse.")
    height, width = frames[0].shape[:2]
    encoder = CodecContext.create("libx264", "w")
    encoder.width, encoder.height = width + width % 2, height + height % 2
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    encoder.options = {"preset": preset, "crf": str(crf), "threads": "1"} | _steady()
    _tag(encoder)
    decoder = CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets: list[Packet[Stream]] = []
    for number, rgb in enumerate(frames):
        picture = _yuv(rgb, "yuv420p")
        picture.pts, picture.time_base = number, encoder.time_base
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    decoded = [picture for packet in packets for picture in decoder.decode(packet)]
    decoded += decoder.decode(None)
    return decoded


def writing(
    path: str | Path,
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    fps: float,
    *,
    crf: int = 20,
    preset: str = "medium",
    pix_fmt: str = "yuv420p",
    threads: int = 1,
    options: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Write (time_s, RGB) pairs, times rising, as H.264 in MP4, in steps: yields how many pictures
    the encoder has. The file is there once the iterator has ended; see `write` for the rest.

    `fps` only tells the encoder what to expect. Nothing is left behind when it fails or is closed.
    """
    if not 0 < fps < math.inf:
        raise SettingError(f"fps must be above 0, but got {fps}. 25 is usual.")
    target = Path(path).absolute()
    part = target.with_name(f"{target.name}.part")
    try:
        with av.open(
            f"file:{part}", "w", format="mp4", options={"movflags": "+faststart"}
        ) as container:
            stream: VideoStream | None = None
            for number, (time_s, rgb) in enumerate(frames, 1):
                picture = _yuv(rgb, pix_fmt)
                if stream is None:
                    rate = Fraction(fps).limit_denominator(1001)
                    settings = {"preset": preset, "crf": str(crf), "threads": str(threads)}
                    settings |= _steady()
                    stream = container.add_stream(
                        "libx264", rate=rate, options=settings | dict(options or {})
                    )
                    stream.width, stream.height = picture.width, picture.height
                    stream.pix_fmt = pix_fmt
                    stream.codec_context.time_base = Fraction(1, _CLOCK)
                    _tag(stream.codec_context)
                elif (picture.width, picture.height) != (stream.width, stream.height):
                    raise SettingError(
                        f"frames must all have one size, but got {picture.width} x "
                        f"{picture.height} px after {stream.width} x {stream.height}. Resize them."
                    )
                picture.pts, picture.time_base = round(time_s * _CLOCK), Fraction(1, _CLOCK)
                container.mux(stream.encode(picture))
                yield number
            if stream is None:
                raise SettingError("frames must hold a picture, but got none. Pass at least one.")
            container.mux(stream.encode(None))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_timed(
    path: str | Path,
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    fps: float,
    *,
    crf: int = 20,
    preset: str = "medium",
    pix_fmt: str = "yuv420p",
    threads: int = 1,
    options: Mapping[str, str] | None = None,
) -> Path:
    """As `writing`, in one go. Returns the absolute path."""
    steps = writing(
        path,
        frames,
        fps,
        crf=crf,
        preset=preset,
        pix_fmt=pix_fmt,
        threads=threads,
        options=options,
    )
    for _ in steps:
        continue
    return Path(path).absolute()


def write(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    *,
    crf: int = 20,
    preset: str = "medium",
    pix_fmt: str = "yuv420p",
    threads: int = 1,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write RGB uint8 pictures (H, W, 3) of one size as H.264 in MP4, ready for streaming.

    Odd sides grow by one pixel. `crf` 0 to 51, lower is better; `preset` and further `options` are
    libx264's. The same frames and `threads` give the same bytes. Returns the absolute path.
    Raises SettingError for no frames, mixed sizes or an fps that is not positive.
    """
    timed = ((number / fps, rgb) for number, rgb in enumerate(frames))
    return write_timed(
        path,
        timed,
        fps,
        crf=crf,
        preset=preset,
        pix_fmt=pix_fmt,
        threads=threads,
        options=options,
    )
