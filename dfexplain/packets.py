"""The packets of a video track: opened safely, surveyed without decoding, read again by position.

Runs only inside the cage; see `decode`. Reading all packets gives true times, the number of
pictures and the end of the data, whatever the headers claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

import av

# PyAV imports these when it opens a file; inside the cage no descriptor would be left for that.
import av.audio.codeccontext
import av.audio.stream
import av.subtitles.codeccontext
import av.subtitles.stream
from av.container.input import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from dfexplain.caged import Channel
from dfexplain.plan import Survey

__all__ = ["OPTIONS", "Reader", "RefusedError", "spare_kind"]

OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,gif",
}
"""Nothing but the named file is opened: without these a text file can point to another one."""

NEAR_PACKETS = 300
"""So far ahead, packets are read and dropped instead of seeking."""


class RefusedError(Exception):
    """Ends the child with an error message: code, text."""


def _nal_units(data: memoryview, length_bytes: int) -> Iterator[memoryview]:
    """The NAL units of a packet; `length_bytes` is 0 for start codes (Annex B)."""
    if length_bytes:
        at = 0
        while at + length_bytes < len(data):
            size = int.from_bytes(data[at : at + length_bytes])
            at += length_bytes
            yield data[at : at + size]
            at += size
    else:
        raw = bytes(data)
        at = raw.find(b"\0\0\1")
        while at >= 0:
            yield data[at + 3 : at + 6]
            at = raw.find(b"\0\0\1", at + 3)


def spare_kind(codec: str, data: memoryview, length_bytes: int) -> tuple[bool, int]:
    """Whether no picture of the same temporal layer refers to this one, and its layer.

    H.264: nal_ref_idc is 0 (ITU-T H.264, 7.4.1). HEVC: an even type below 16 is a sub-layer
    non-reference picture (ITU-T H.265, table 7-1), which higher sub-layers may still refer to.
    """
    spare, layer = False, 0
    for nal in _nal_units(data, length_bytes):
        if len(nal) < 2:
            return False, 0
        if codec == "h264" and nal[0] & 31 in {1, 2, 5}:
            spare = nal[0] & 0x60 == 0
        elif codec == "hevc" and nal[0] >> 1 < 32 and not (nal[0] & 1 or nal[1] & 0xF8):
            spare, layer = nal[0] >> 1 < 16 and nal[0] & 2 == 0, (nal[1] & 7) - 1
        else:
            continue
        if not spare:
            return False, layer
    return spare, layer


def _length_bytes(codec: str, extradata: bytes | None) -> int:
    """Size of the length before each NAL unit, 0 for start codes (avcC and hvcC boxes)."""
    at = {"h264": 4, "hevc": 21}[codec]
    if extradata is None or len(extradata) <= at or extradata[0] != 1:
        return 0
    return (extradata[at] & 3) + 1


def _hidden(codec: str, packet: Packet[Any]) -> bool:
    """Whether a packet shows no (whole) picture: incomplete, outside the edit list, or VP8's
    alternate reference.
    """
    if packet.is_discard or packet.is_corrupt:
        return True
    return codec == "vp8" and packet.size > 0 and not memoryview(packet)[0] & 0x10


def _seconds(text: str) -> float | None:
    """Matroska's DURATION tag, "00:00:10.000000000"."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _demux(container: InputContainer, *tracks: VideoStream) -> Iterator[Packet[Any]]:
    """All packets of the named tracks, or of all. PyAV stumbles at the end, and only there, over a
    track that appeared midway (transport streams).
    """
    try:
        yield from container.demux(*tracks)
    except IndexError:
        return


class Reader:
    """The open file and its first video track that is not a cover picture."""

    def __init__(self, path: str, channel: Channel):
        self._path = path
        self._channel = channel
        self._open()
        self.format = self._container.format.name
        self.codec: VideoCodecContext = self._stream.codec_context
        self._packets: Iterator[Packet[Any]] = iter(())
        self._position: int | None = None
        self._early = False
        self.survey = Survey(
            tick_s=self._stream.time_base or Fraction(1, av.time_base),
            timed=not (
                self.format == "avi" and self.codec.has_b_frames
            ),  # AVI has decode times only
        )

    def _open(self) -> None:
        self._container: InputContainer = av.open(
            "file:" + self._path, options=dict(OPTIONS), metadata_errors="replace"
        )
        tracks = self._container.streams.video
        cover = Disposition.attached_pic
        pictures = [
            track
            for track in tracks
            if not track.disposition & cover and bool(track.codec_context)  # None: unknown codec
        ]
        if not pictures:
            raise RefusedError("not-a-video", "it has no video track of a known codec")
        self._stream: VideoStream = pictures[0]

    def look(self) -> Survey:
        """First pass: fill `survey` from all packets. Damage ends it early."""
        survey, codec = self.survey, self.codec.name
        nal_codec = codec in {"h264", "hevc"}
        length_bytes = _length_bytes(codec, self.codec.extradata) if nal_codec else 0
        top_layer, end_s, shift = 0, 0.0, 0
        first: int | None = None
        last_dts: int | None = None
        early: list[int] = []
        try:
            for packet in _demux(self._container):
                self._channel.beat()
                tick = packet.dts if packet.pts is None else packet.pts
                if tick is None:
                    if last_dts is None and self._is_early(packet):
                        early.append(len(survey.ticks))
                        survey.ticks.append(0)  # Known once the others are.
                        survey.key.append(packet.is_keyframe)
                        survey.spare.append(0)
                        survey.hidden.append(_hidden(codec, packet))
                    continue
                length = packet.duration or 0
                if packet.stream_index != self._stream.index:
                    end_s = max(end_s, float((tick + length) * packet.time_base))
                    continue
                if packet.dts is not None:
                    if last_dts is not None and packet.dts < last_dts:  # two recordings in a row
                        survey.timed = False
                        shift += last_dts - packet.dts + length
                    last_dts = packet.dts
                tick += shift
                end_s = max(end_s, float((tick + length) * packet.time_base))
                spare, layer = False, 0
                if nal_codec:
                    spare, layer = spare_kind(codec, memoryview(packet), length_bytes)
                survey.timed = survey.timed and packet.pts is not None
                survey.ticks.append(tick)
                survey.key.append(packet.is_keyframe)
                survey.spare.append(1 + layer if spare else 0)
                survey.hidden.append(_hidden(codec, packet))
                top_layer = max(top_layer, layer)
                if first is None or tick < first:
                    first = tick
                survey.last_ticks = length
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
        if first is None:
            return Survey(survey.tick_s, survey.timed)
        if early:
            survey.timed, self._early = False, True
            kept = set(range(len(survey.ticks))).difference(early)
            known = sorted({survey.ticks[position] for position in kept})
            step = (known[-1] - known[0]) // (len(known) - 1) if known[1:] else survey.last_ticks
            for position in reversed(early):
                first -= max(1, step)
                survey.ticks[position] = first
        if not any(survey.key):
            survey.key[0] = 1
        survey.spare = bytearray(kind == 1 + top_layer for kind in survey.spare)
        start_s = float(first * survey.tick_s)
        survey.data_end_s = end_s - start_s
        survey.declared_s = self._declared_s()
        return survey

    def _declared_s(self) -> float | None:
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        tag = _seconds(stream.metadata.get("DURATION", ""))
        if tag:
            return tag
        duration = self._container.duration
        return duration / av.time_base if duration else None

    def packets(self, first: int, last: int) -> Iterator[tuple[int, Packet[Any]]]:
        """Second pass: the packets of the track from one position to another, with positions."""
        if self._position is None or not 0 <= first - self._position <= NEAR_PACKETS:
            self._jump(first)
        for packet in self._packets:
            assert self._position is not None
            position, self._position = self._position, self._position + 1
            if position >= first:
                yield position, packet
            if position >= last:
                return

    def _tracked(self) -> Iterator[Packet[Any]]:
        """The packets that `look` counted, from where the file is read now."""
        early = self._early
        for packet in _demux(self._container, self._stream):
            self._channel.beat()
            timed = packet.pts is not None or packet.dts is not None
            early = early and packet.dts is None
            if timed or (early and self._is_early(packet)):
                yield packet

    def _is_early(self, packet: Packet[Any]) -> bool:
        """Whether a packet without times, before any decode time, holds a picture of the track:
        Matroska's demuxer leaves out times below zero."""
        return packet.stream_index == self._stream.index and packet.size > 0

    def _jump(self, first: int) -> None:
        """Go to a key frame by seeking; where that fails, read the file again from its start."""
        tick = self.survey.ticks[first]
        if self.survey.timed:
            try:
                self._container.seek(tick, stream=self._stream)
                packets = self._tracked()
                for _, packet in zip(range(NEAR_PACKETS), packets, strict=False):
                    if packet.pts == tick and packet.is_keyframe >= self.survey.key[first]:
                        self._packets, self._position = chain([packet], packets), first
                        return
            except FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
        self._container.close()
        self._open()
        self._packets, self._position = self._tracked(), 0
