"""From frame logits to lanes, flagged spans and the verdict. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfexplain import calibration as calibrate
from dfexplain.structures import (
    Calibration,
    Coverage,
    Lane,
    Outcome,
    Reason,
    Segment,
    Verdict,
)

__all__ = [
    "MIN_COVERAGE",
    "MIN_FRAMES",
    "MIN_SPAN",
    "decide",
    "flagged_runs",
    "judged",
    "lane_score",
    "segments",
    "shortest_span",
    "smooth",
]

Floats = NDArray[np.float64]

# A verdict needs faces in at least so many frames, and in this share of the frames wanted.
MIN_FRAMES = 8
MIN_COVERAGE = 0.2
# No span of fewer sampled frames is flagged or may decide: single frames are noise.
MIN_SPAN = 5


def shortest_span(rows: int) -> int:
    """The shortest run of frames that may decide a lane of `rows` frames.

    max(MIN_SPAN, ceil(sqrt(rows))): the more runs there are to choose from, the longer each must
    be,     or the highest of many noisy means would grow with the number of frames.
    """
    return max(MIN_SPAN, int(np.ceil(np.sqrt(rows))))


def lane_score(logits: Floats) -> float:
    """A lane's logit: the highest mean over any run of at least `shortest_span` consecutive frames.

    A scan statistic (Naus, JASA 1965). The whole lane is one of the runs, so the score is never
    below the mean logit; a short forged span is not drowned by the frames around it. `logits` (N,),
    N >= 1, in time order. The calibration is fitted on scores made by this very rule.
    """
    rows = len(logits)
    if rows == 0:
        raise ValueError("logits must hold at least one frame, but got none.")
    sums = np.concatenate([[0.0], np.cumsum(logits)])
    shortest = min(rows, shortest_span(rows))
    best = -np.inf
    # A run of 2 * shortest or more splits into two that are long enough, one of them no worse.
    for length in range(shortest, min(rows, 2 * shortest - 1) + 1):
        best = max(best, float((sums[length:] - sums[:-length]).max()) / length)
    return best


def smooth(logits: Floats) -> Floats:
    """Centred mean over three frames (N,), two at the ends."""
    if len(logits) < 2:
        return np.asarray(logits, np.float64).copy()
    padded = np.concatenate([[0.0], logits, [0.0]])
    count = np.full(len(logits), 3.0)
    count[[0, -1]] = 2.0
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / count, np.float64)


def flagged_runs(logits: Floats, threshold: float) -> list[tuple[int, int]]:
    """Runs [first, last] of at least MIN_SPAN frames whose smoothed logit reaches `threshold`.

    Smoothing wears the ends of a run away, so each run takes in the frame next to it on either side
    if that frame's own logit reaches the threshold.
    """
    above = np.concatenate([[False], smooth(logits) >= threshold, [False]])
    change = np.flatnonzero(above[1:] != above[:-1])
    runs = []
    for start, stop in zip(change[::2], change[1::2], strict=True):
        first, last = int(start), int(stop) - 1
        first -= int(first > 0 and logits[first - 1] >= threshold)
        last += int(last < len(logits) - 1 and logits[last + 1] >= threshold)
        if last - first + 1 >= MIN_SPAN:
            runs.append((first, last))
    return runs


def segments(lane: Lane, threshold: float, calibration: Calibration | None) -> tuple[Segment, ...]:
    """The flagged spans of a lane. A span ends halfway to the lane's next frame, if it has one."""
    time_s, logit = lane.track.time_s, lane.scores.logit
    out = []
    for first, last in flagged_runs(logit, threshold):
        start = time_s[first] if first == 0 else (time_s[first - 1] + time_s[first]) / 2
        end = time_s[last] if last == len(time_s) - 1 else (time_s[last] + time_s[last + 1]) / 2
        peak = float(smooth(logit)[first : last + 1].max())
        p = None
        if calibration is not None:
            p = float(calibrate.p_fake(calibration, np.array([peak]))[0])
        out.append(Segment(lane.track_id, float(start), float(end), peak, p))
    return tuple(out)


def judged(lanes: Sequence[Lane]) -> list[Lane]:
    """The lanes with enough frames to be judged; the others are shown without deciding anything."""
    return [lane for lane in lanes if len(lane) >= MIN_FRAMES]


def decide(
    lanes: Sequence[Lane],
    coverage: Coverage,
    calibration: Calibration | None,
    outside: frozenset[str] = frozenset(),
) -> Verdict:
    """The verdict on a video: the highest lane decides, and what is not known is not said.

    `outside` names the lanes that lie outside what the calibration was measured on. No evidence, no
    number: a video that is not analysable has neither score nor probability.
    """

    def missing(reason: Reason) -> Verdict:
        return Verdict(Outcome.NOT_ANALYSABLE, reason, None, None)

    if coverage.with_face == 0 or not lanes:
        return missing(Reason.NO_FACE)
    candidates = judged(lanes)
    if not candidates:
        return missing(Reason.TOO_FEW_FRAMES)
    if coverage.with_face < MIN_COVERAGE * coverage.wanted:
        return missing(Reason.LOW_COVERAGE)
    top = max(candidates, key=lambda lane: lane.score)
    if calibration is None:
        return Verdict(Outcome.UNCERTAIN, Reason.UNCALIBRATED, top.score, None)
    if top.track_id in outside:
        return Verdict(Outcome.UNCERTAIN, Reason.OUT_OF_DISTRIBUTION, top.score, None)
    p = float(calibrate.p_fake(calibration, np.array([top.score]))[0])
    if top.score >= calibration.threshold:
        return Verdict(Outcome.FAKE, None, top.score, p)
    if top.score <= calibration.band_low:
        return Verdict(Outcome.REAL, None, top.score, p)
    return Verdict(Outcome.UNCERTAIN, Reason.IN_BAND, top.score, p)
