"""Reads a video inside the cage: survey the packets, plan, decode what the plan needs, send it.

Runs only in the child of `cage.Cage` and imports neither numpy nor torch, so it starts quickly. Two
passes: the first (`packets`) reads all packets without decoding them; the second decodes from key
frames to the wanted pictures and leaves out those that nothing refers to (non-reference pictures of
H.264 and HEVC), so every wanted picture is the exact one, bit-identical to that of a full decode.

Colour: one path, swscale to 8-bit RGB by the stream's matrix and range (unspecified: BT.709 where
the width is 1280 or more or the height above 576, else BT.601, as players guess; limited range).
PQ and HLG are sent with 16 bits and mapped to SDR by `tonemap`. Pixels that are not square are not
stretched, mirrored display matrices are not mirrored, interlaced pictures stay woven.
"""

from __future__ import annotations

import math
import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from dfexplain.allocator import keep_memory
from dfexplain.caged import Channel, confine, confine_threads
from dfexplain.packets import Reader, RefusedError
from dfexplain.plan import Plan, Request, make_plan

__all__ = ["FRAME_HEAD", "RGBA", "answer", "main", "serve"]

FRAME_HEAD = struct.Struct("<qdIIIB")
"""Head of a frame: index, time_s, width, height, bytes a line, form (0, 16 PQ, 18 HLG, RGBA)."""
RGBA = 255
"""Form of a picture with transparency: four bytes a pixel."""

THREADS = 2
_HDR = {16, 18}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
_MATRIX = {  # AVColorSpace of the stream: swscale's own number
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}


class _Decoder:
    """Decodes a plan and counts what was damaged."""

    def __init__(self, reader: Reader, plan: Plan, pixels: int):
        self.damaged = 0
        self._reader = reader
        self._plan = plan
        self._pixels = pixels
        codec = reader.codec
        codec.thread_count = THREADS
        codec.thread_type = "AUTO"
        codec.options = {"max_pixels": str(pixels)}
        if not codec.is_open:
            codec.open(strict=False)
        confine_threads()

    def _decode(self, packet: Packet[Any] | None) -> Iterator[VideoFrame]:
        try:
            frames = self._reader.codec.decode(packet)
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.damaged += 1
            return
        for frame in frames:
            if frame.width * frame.height > self._pixels:
                raise RefusedError("limit-exceeded", _too_large(frame.width, frame.height))
            if frame.is_corrupt:
                self.damaged += 1
            else:
                yield frame

    def pictures(self) -> Iterator[VideoFrame]:
        """All pictures that come out of the plan's runs, wanted or not."""
        survey = self._reader.survey
        wanted = {self._plan.grid[rank] for rank in self._plan.ranks} if survey.timed else set()
        for first, last in self._plan.runs:
            try:
                for position, packet in self._reader.packets(first, last):
                    spare = survey.timed and survey.spare[position]
                    if spare and survey.ticks[position] not in wanted:
                        continue
                    yield from self._decode(packet)
            except FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.damaged += 1
            yield from self._decode(None)
            self._reader.codec.flush_buffers()

    def wanted(self) -> Iterator[tuple[int, VideoFrame]]:
        """The wanted pictures with their ranks; first of all, once, -1 and the first picture.

        Where a wanted picture does not come out, one at most a frame later stands in for it.
        """
        plan, timed = self._plan, self._reader.survey.timed
        queue = iter(plan.ranks)
        rank = next(queue, None)
        delivered = -1
        for count, frame in enumerate(self.pictures()):
            if count == 0:
                yield -1, frame
            own = count
            if timed:
                if frame.pts is None:
                    continue
                own = bisect_left(plan.grid, frame.pts, hi=len(plan.grid) - 1)
                late = frame.pts - plan.interval * 1.01
                while rank is not None and plan.grid[rank] < late:
                    rank = next(queue, None)
            if rank is None:
                return
            if own >= rank and delivered < own < len(plan.grid):
                yield own, frame
                delivered = own
                rank = next(queue, None)


def _too_large(width: int, height: int) -> str:
    return f"a picture has {width} x {height} px"


def _rgb(
    frame: VideoFrame, width: int, height: int, reformatter: VideoReformatter
) -> tuple[VideoFrame, int]:
    """A picture as RGB of the given size, and the transfer function that is left to undo."""
    transfer = frame.color_trc if frame.color_trc in _HDR else 0
    same = (width, height) == (frame.width, frame.height)
    matrix = None
    if not frame.format.is_rgb:
        large = frame.width >= 1280 or frame.height > 576
        guess = Colorspace.ITU709 if large else Colorspace.ITU601
        matrix = _MATRIX.get(frame.colorspace, guess)
    rgb = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb48le" if transfer else "rgb24",
        src_colorspace=matrix,
        interpolation=Interpolation.BILINEAR if same else Interpolation.AREA,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    return rgb, transfer


def _size(frame: VideoFrame, max_side: int | None) -> tuple[int, int]:
    """Size of the frames to send: that of the first picture, or smaller with even sides."""
    width, height = frame.width, frame.height
    if max_side is None or max(width, height) <= max_side:
        return width, height
    scale = max_side / max(width, height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _info(reader: Reader, plan: Plan, frame: VideoFrame, size: tuple[int, int]) -> dict[str, Any]:
    survey, notes = reader.survey, list(plan.notes)
    ratio = reader.codec.sample_aspect_ratio
    if ratio and ratio != 1:
        notes.append(f"pixels are {ratio.numerator}:{ratio.denominator} and were not stretched")
    if frame.color_trc in _HDR:
        notes.append("high dynamic range was mapped to standard range")
    if frame.interlaced_frame:
        notes.append("the video is interlaced and was not deinterlaced")
    if not survey.timed:
        notes.append("presentation times are missing or jump back; frames were counted instead")
    duration_s = float((plan.end_tick - plan.grid[0]) * survey.tick_s)
    return {
        "container": reader.format,
        "codec": reader.codec.name,
        "pixel_format": frame.format.name,
        "width_px": size[0],
        "height_px": size[1],
        "rotation_deg": frame.rotation,
        "fps": plan.fps(survey.tick_s),
        "duration_s": duration_s,
        "frame_count": len(plan.grid),
        "wanted": plan.wanted,
        "notes": notes,
    }


def serve(channel: Channel, request: dict[str, Any]) -> None:
    """Read a video as the request wants it: one message about it, its frames, one at the end."""
    reader = Reader(request["path"], channel)
    declared = reader.codec.width * reader.codec.height
    if declared > request["pixels"]:
        raise RefusedError("limit-exceeded", _too_large(reader.codec.width, reader.codec.height))
    wish = Request(
        request["frames"],
        request["fps"],
        request["every"],
        request["max_frames"],
        math.inf if request["until_s"] is None else request["until_s"],
    )
    plan = make_plan(reader.look(), wish)
    if plan is None:
        raise RefusedError("not-a-video", "its video track is empty")
    decoder = _Decoder(reader, plan, request["pixels"])
    reformatter = VideoReformatter()
    size = (0, 0)
    for rank, frame in decoder.wanted():
        if rank < 0:
            size = _size(frame, request["max_side"])
            channel.send_json(b"I", _info(reader, plan, frame, size))
            continue
        rgb, transfer = _rgb(frame, *size, reformatter)
        plane = rgb.planes[0]
        time_s = float((plan.grid[rank] - plan.grid[0]) * reader.survey.tick_s)
        head = FRAME_HEAD.pack(rank, time_s, *size, plane.line_size, transfer)
        channel.send(b"F", head, memoryview(plane))
    if not size[0]:
        raise RefusedError("not-a-video", "no picture of it can be decoded")
    channel.send_json(b"D", {"damaged": decoder.damaged})


def main() -> None:
    """What the child does."""
    answer(serve)


def answer(serve: Callable[[Channel, dict[str, Any]], None]) -> None:
    """Take the one request, give up all rights that reading does not need, serve, and end."""
    channel = Channel()
    request: dict[str, Any] = channel.request()
    keep_memory()
    confine(request["memory_bytes"], request["cpu_s"], request["path"])
    try:
        serve(channel, request)
    except RefusedError as refused:
        code, text = refused.args
        channel.send_json(b"E", {"code": code, "text": text})
    except MemoryError:
        channel.send_json(b"E", {"code": "limit-exceeded", "text": "it needs too much memory"})
    except FFmpegError as error:
        channel.send_json(b"E", {"code": "not-a-video", "text": error.strerror})
    os._exit(0)  # nothing of an untrusted file's state is worth tearing down
