"""Reads one picture inside the cage: JPEG, PNG or WebP, told apart by their first bytes.

Runs only in the child of `cage.Cage`. The codec gets the bytes of the file as one packet, so no
demuxer guesses by the name. Any other file goes to `decode`. What moves is no picture: an animated
PNG or WebP is refused by name, a GIF is a video.
"""

from __future__ import annotations

import struct
from errno import EINVAL
from typing import Any

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from dfexplain import decode
from dfexplain.caged import Channel, confine_threads
from dfexplain.packets import RefusedError

__all__ = ["main", "orientation"]

FILE_BYTES = 1 << 28
_CODECS = {"jpeg": "mjpeg", "png": "png", "webp": "webp"}
# The orientation of EXIF (CIPA DC-008, tag 0x0112): degrees to turn, counter-clockwise, and whether
# to mirror left and right after that.
_TURNS = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (270, True),
    6: (270, False),
    7: (90, True),
    8: (90, False),
}
_ORIENTATION_TAG, _SHORT = 0x0112, 3


def _kind(head: bytes) -> str | None:
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return "webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def _is_animated(kind: str, data: bytes) -> bool:
    """An acTL chunk before the first IDAT (PNG), or the flag of the VP8X chunk (WebP)."""
    if kind == "png":
        return 0 < data.find(b"acTL") < data.find(b"IDAT")
    return kind == "webp" and data[12:16] == b"VP8X" and bool(data[20] & 2)


def orientation(kind: str, data: bytes) -> tuple[int, bool]:
    """Degrees to turn and whether to mirror, by the EXIF of the file; (0, False) without one."""
    mark, skip = {"jpeg": (b"Exif\0\0", 6), "png": (b"eXIf", 4), "webp": (b"EXIF", 8)}[kind]
    at = data.find(mark)
    tiff = data[at + skip : at + skip + (1 << 16)]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if at < 0 or order is None:
        return _TURNS[1]
    try:
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, first)
        for entry in range(entries):
            tag, form, _, value = struct.unpack_from(order + "HHIH", tiff, first + 2 + 12 * entry)
            if (tag, form) == (_ORIENTATION_TAG, _SHORT):
                return _TURNS.get(value, _TURNS[1])
    except struct.error:  # it points beyond its end
        return _TURNS[1]
    return _TURNS[1]


def _decoded(kind: str, data: bytes, pixels: int) -> VideoFrame:
    codec: Any = CodecContext.create(_CODECS[kind], "r")
    codec.thread_count = 1
    codec.options = {"max_pixels": str(pixels)}
    codec.open()
    confine_threads()
    try:
        frames = [*codec.decode(Packet(data)), *codec.decode(None)]
    except FFmpegError as error:
        if error.errno == EINVAL:
            text = f"the picture is damaged, or has more than {pixels} px"
            raise RefusedError("limit-exceeded", text) from error
        raise
    if not frames:
        raise RefusedError("not-a-video", "no picture of it can be decoded")
    picture: VideoFrame = frames[0]
    return picture


def _serve(channel: Channel, request: dict[str, Any]) -> None:
    with open(request["path"], "rb") as file:
        kind = _kind(file.read(12))
        if kind is not None:
            file.seek(0)
            data = file.read(FILE_BYTES + 1)
    if kind is None:
        decode.serve(channel, request)
        return
    if len(data) > FILE_BYTES:
        raise RefusedError("limit-exceeded", f"a picture has more than {FILE_BYTES} bytes")
    if _is_animated(kind, data):
        raise RefusedError("not-a-video", f"an animated {kind}: save it as a video or a still")
    frame = _decoded(kind, data, request["pixels"])
    degrees, mirrored = orientation(kind, data)
    alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
    yuv = not (frame.format.is_rgb or frame.format.has_palette)
    rgb = VideoReformatter().reformat(
        frame,
        format="rgba" if alpha else "rgb24",
        # JFIF and WebP know one matrix, whatever the size.
        src_colorspace=Colorspace.ITU601 if yuv else None,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    about = {
        "kind": "image",
        "container": kind,
        "codec": _CODECS[kind],
        "pixel_format": frame.format.name,
        "width_px": frame.width,
        "height_px": frame.height,
        "rotation_deg": degrees,
        "mirrored": mirrored,
        "fps": None,
        "duration_s": None,
        "frame_count": 1,
        "wanted": 1,
        "notes": ["the picture is damaged"] if frame.is_corrupt else [],
    }
    channel.send_json(b"I", about)
    plane = rgb.planes[0]
    form = decode.RGBA if alpha else 0
    head = decode.FRAME_HEAD.pack(0, 0.0, frame.width, frame.height, plane.line_size, form)
    channel.send(b"F", head, memoryview(plane))
    channel.send_json(b"D", {"damaged": 0})


def main() -> None:
    """What the child does with a file that may be a picture."""
    decode.answer(_serve)
