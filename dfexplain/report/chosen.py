"""Which frames of a report are worth showing, explaining and packing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfexplain.structures import Lane, VideoReport

__all__ = ["FRAMES_A_SPAN", "MOST_FRAMES", "Shown", "shown_frames"]

# A report is for reading: the peak of every span first, then more of each while there is room.
MOST_FRAMES = 12
FRAMES_A_SPAN = 3


@dataclass(frozen=True)
class Shown:
    """A frame that a report shows: a row of a lane, and whether it lies in a flagged span."""

    lane: Lane
    row: int
    flagged: bool


def shown_frames(report: VideoReport) -> list[Shown]:
    """The frames worth showing, in order of lane and time, at most MOST_FRAMES.

    Of every span its highest frames; without spans the highest frame of the highest lane, so that a
    reader sees what the model looked at; of a picture every face. None where there is no score.
    """
    if report.verdict.score is None:
        return []
    ranked: list[tuple[int, float, Shown]] = []
    for segment in report.segments:
        lane = next(lane for lane in report.lanes if lane.track_id == segment.track_id)
        time_s = lane.track.time_s
        rows = np.flatnonzero((time_s >= segment.start_s) & (time_s <= segment.end_s))
        rows = rows[np.argsort(-lane.scores.logit[rows], kind="stable")][:FRAMES_A_SPAN]
        for rank, row in enumerate(rows.tolist()):
            ranked.append((rank, -float(lane.scores.logit[row]), Shown(lane, row, True)))
    ranked.sort(key=lambda item: item[:2])
    chosen = [shown for _, _, shown in ranked[:MOST_FRAMES]]
    if not chosen:
        ordered = sorted(report.lanes, key=lambda lane: -lane.score)
        kept = MOST_FRAMES if report.info.kind == "image" else 1
        chosen = [Shown(lane, int(np.argmax(lane.scores.logit)), False) for lane in ordered[:kept]]
    return sorted(chosen, key=lambda s: (s.lane.track_id, s.row))
