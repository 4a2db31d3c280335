"""The flagged-frame browser: which frames are flagged, and one frame beside its map."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain import explain, jpegs
from dfexplain.structures import Heatmap, VideoReport
from dfexplain.ui import pictures, words

__all__ = [
    "Pick",
    "Picture",
    "View",
    "caption",
    "colour_bar",
    "first",
    "flagged",
    "picture",
    "step",
    "within",
]

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Pick:
    """One frame of one face: a row of a lane of the report."""

    lane: int
    row: int


@dataclass(frozen=True)
class View:
    """How a pick is shown: with evidence toward real too, and which of the two pictures."""

    signed: bool = False
    show: str = words.SHOW[0]

    def divided(self, *positions: float) -> tuple[float, ...]:
        """Where the dividers between picture and map stand, in percent from the left."""
        whole = {words.SHOW[1]: 100.0, words.SHOW[2]: 0.0}
        return tuple(whole.get(self.show, position) for position in positions)


@dataclass(frozen=True)
class Picture:
    """What is shown of a pick: (plain, with overlay) of crop and full frame, and a line of text.

    `beside` lies left of the face in the full frame, in percent from the left: a divider there
    hides nothing of it.
    """

    crop: tuple[Image, Image]
    frame: tuple[Image, Image]
    beside: float
    text: str
    time_s: float
    heatmap: Heatmap


def flagged(report: VideoReport) -> list[Pick]:
    """The frames inside flagged spans, in time order."""
    found = []
    for number, lane in enumerate(report.lanes):
        spans = [s for s in report.segments if s.track_id == lane.track_id]
        for row, time_s in enumerate(lane.track.time_s):
            if any(s.start_s <= time_s <= s.end_s for s in spans):
                found.append(Pick(number, row))
    return sorted(found, key=lambda pick: (_time(report, pick), pick.lane))


def first(report: VideoReport) -> Pick | None:
    """The frame to open with: the strongest of the flagged ones, else the strongest of all."""
    picks = flagged(report) or [
        Pick(number, row) for number, lane in enumerate(report.lanes) for row in range(len(lane))
    ]
    return max(picks, key=lambda pick: _logit(report, pick), default=None)


def step(report: VideoReport, at: Pick, forward: bool, among: Sequence[Pick] | None = None) -> Pick:
    """The next or previous flagged frame seen from `at`, or the next of those `among` them, going
    round at the ends."""
    wanted = None if among is None else set(among)
    picks = [pick for pick in flagged(report) if wanted is None or pick in wanted]
    if not picks:
        return at

    def key(pick: Pick) -> tuple[float, int]:
        return _time(report, pick), pick.lane

    if forward:
        return next((pick for pick in picks if key(pick) > key(at)), picks[0])
    return next((pick for pick in reversed(picks) if key(pick) < key(at)), picks[-1])


def within(report: VideoReport | None, lane: object, row: object) -> Pick | None:
    """The pick that a browser asks for, or None where the report has no such frame."""
    if report is None or not (isinstance(lane, int) and isinstance(row, int)):
        return None
    if not 0 <= lane < len(report.lanes):
        return None
    return Pick(lane, row) if 0 <= row < len(report.lanes[lane]) else None


def picture(report: VideoReport, pick: Pick, signed: bool, grey: bool = False) -> Picture:
    """Draw one frame: its crop and the full frame, each plain and with the map over it, in `grey`
    where the map does no better than chance."""
    lane, row = report.lanes[pick.lane], pick.row
    heatmap = explain.lane_heatmap(report, lane, row)
    crop = jpegs.decoded(lane.scores.crops_jpeg[row])
    time_s = float(lane.track.time_s[row])
    preview = min(report.previews, key=lambda p: abs(p.time_s - time_s))
    frame = preview.picture.rgb
    box = lane.track.box_xyxy[row] * np.float32(preview.scale)
    margin = report.weights.crop_margin
    on_frame = explain.overlay_frame(frame, box, heatmap, margin, signed=signed, grey=grey)
    return Picture(
        crop=(crop, explain.overlay(crop, heatmap, signed=signed, grey=grey)),
        frame=(frame, on_frame),
        beside=float(
            np.clip(100 * (box[0] - margin * (box[2] - box[0])) / frame.shape[1] - 9, 0, 90)
        ),
        text=caption(report, pick),
        heatmap=heatmap,
        time_s=time_s,
    )


def colour_bar(heatmap: Heatmap, signed: bool) -> str:
    """The scale of the maps: one for all frames of all videos of these weights."""
    # A mask says how forged a place is taken to be, and nothing toward real.
    mask = heatmap.method == explain.MASK_HEAD
    signed = signed and not mask
    bar = explain.colour_bar(12, 240, signed=signed)
    ends = words.bar(heatmap.scale, signed, mask)
    return (
        f'<div class="bar" title="{html.escape(words.BAR_HELP)}"><span>{ends[0]}</span>'
        f'<img src="{pictures.png(bar)}" alt="{html.escape(words.BAR_HELP)}">'
        f"<span>{ends[1]}</span></div>"
    )


def caption(report: VideoReport, pick: Pick) -> str:
    """Which frame is shown, with its number, and its place among the flagged ones."""
    lane = report.lanes[pick.lane]
    if report.verdict.p_fake is not None and lane.p_fake is not None:
        value = words.p_fake(float(lane.p_fake[pick.row]))
    else:
        value = words.score(float(lane.scores.logit[pick.row]))
    line = words.frame(lane.track_id, float(lane.track.time_s[pick.row]), value)
    picks = flagged(report)
    place = words.place(picks.index(pick) + 1 if pick in picks else None, len(picks))
    if report.info.kind == "image":
        place = words.IN_A_PICTURE
    return f'<div class="caption"><b>{html.escape(line)}</b><span>{html.escape(place)}</span></div>'


def _time(report: VideoReport, pick: Pick) -> float:
    return float(report.lanes[pick.lane].track.time_s[pick.row])


def _logit(report: VideoReport, pick: Pick) -> float:
    return float(report.lanes[pick.lane].scores.logit[pick.row])
