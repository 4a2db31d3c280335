"""From frame logits to lanes, flagged spans and the verdict. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfexplain import calibration as calibrate
from dfexplain.structures import (
    Calibration,
    Coverage,
    Deciding,
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
    "deciding",
    "flagged_runs",
    "judged",
    "lane_score",
    "lane_scores",
    "score_interval",
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
# How often the frames are drawn again for an interval: seldomer the more of them there are.
MOST_DRAWS, LEAST_DRAWS, DRAWN_FRAMES = 1000, 200, 500_000


def shortest_span(rows: int) -> int:
    """The shortest run of frames that may decide a lane of `rows` frames.

    max(MIN_SPAN, ceil(sqrt(rows))): the more runs there are to choose from, the longer each must
    be, or the highest of many noisy means would grow with the number of frames.
    """
    return max(MIN_SPAN, int(np.ceil(np.sqrt(rows))))


def lane_score(logits: Floats) -> float:
    """A lane's logit: the highest mean over any run of at least `shortest_span` consecutive frames.

    A scan statistic (Naus, JASA 1965). The whole lane is one of the runs, so the score is never
    below the mean logit; a short forged span is not drowned by the frames around it. `logits` (N,),
    N >= 1, in time order. The calibration is fitted on scores made by this very rule.
    """
    return float(lane_scores(np.asarray(logits, np.float64)[None])[0])


def lane_scores(logits: Floats) -> Floats:
    """`lane_score` of each row of `logits` (R, N), N >= 1: (R,)."""
    rows = logits.shape[1]
    if rows == 0:
        raise ValueError("logits must hold at least one frame, but got none.")
    sums = np.zeros((len(logits), rows + 1))
    np.cumsum(logits, axis=1, out=sums[:, 1:])
    shortest = min(rows, shortest_span(rows))
    best = np.full(len(logits), -np.inf)
    # A run of 2 * shortest or more splits into two that are long enough, one of them no worse.
    for length in range(shortest, min(rows, 2 * shortest - 1) + 1):
        highest = (sums[:, length:] - sums[:, :-length]).max(axis=1)
        np.maximum(best, highest / length, out=best)
    return best


def deciding(lanes: Sequence[Lane], kind: str = "video") -> Deciding | None:
    """Which face and which of its frames make the video's score; None where no face can be judged.

    The attention of the score over identities and time (as Coccomini et al., MINTIME, 2022, show
    it of a transformer): of the highest lane, the run that `lane_score` takes its mean of.
    """
    candidates = judged(lanes, kind)
    if not candidates:
        return None
    top = max(candidates, key=lambda lane: lane.score)
    others = [lane.score for lane in candidates if lane is not top]
    logits, rows = top.scores.logit, len(top)
    sums = np.concatenate([[0.0], np.cumsum(logits)])
    shortest = min(rows, shortest_span(rows))
    runs = [
        (float(means.max()), int(means.argmax()), length)
        for length in range(shortest, min(rows, 2 * shortest - 1) + 1)
        for means in [(sums[length:] - sums[:-length]) / length]
    ]
    _, first, length = max(runs)
    last = first + length - 1
    start_s, end_s = (float(top.track.time_s[row]) for row in (first, last))
    return Deciding(top.track_id, first, last, start_s, end_s, max(others, default=None))


def _neighbours(shot: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last row (N,) that may stand for each row: near by, and in its shot."""
    rows = len(shot)
    cut = np.flatnonzero(np.diff(shot)) + 1
    start, stop = np.r_[0, cut], np.r_[cut, rows]
    run = np.repeat(np.arange(len(start)), stop - start)
    reach = shortest_span(rows) // 2 + 1
    place = np.arange(rows)
    return np.maximum(place - reach, start[run]), np.minimum(place + reach, stop[run] - 1)


def score_interval(lanes: Sequence[Lane], seed: int = 42) -> tuple[float, float]:
    """95 % interval of a video's score when its frames are drawn again, in logits.

    The bootstrap of what is drawn locally (Shi, Ann. Inst. Statist. Math. 1991; Paparoditis and
    Politis, C. R. Acad. Sci. Paris 2002, with blocks of one): each frame of a lane gives way to one
    drawn from its neighbours of the same shot, so a forged span stays where it is. All scores are
    made anew by `lane_score`, the highest lane counts, and the percentiles are taken; the score
    itself is never left out. Frames lie one in each equal part of the video, which is stratified
    sampling, so likeness between neighbours is no reason for longer blocks: it makes the interval
    too wide, not too narrow. `lanes` are those that may decide, at least one.

    It says how much hangs on which frames were looked at, and nothing of whether the model is
    right.
    """
    draws = DRAWN_FRAMES // sum(len(lane) for lane in lanes)
    draws = max(LEAST_DRAWS, min(MOST_DRAWS, draws))
    rng = np.random.default_rng(seed)
    highest = np.full(draws, -np.inf)
    for lane in lanes:
        first, last = _neighbours(lane.track.shot)
        chance = rng.random((draws, len(lane)), dtype=np.float32)
        # float32 may round up to the next whole number.
        row = np.minimum(first + (chance * (last - first + 1)).astype(np.int64), last)
        np.maximum(highest, lane_scores(lane.scores.logit[row]), out=highest)
    low, high = np.percentile(highest, (2.5, 97.5))
    score = max(lane.score for lane in lanes)
    return min(float(low), score), max(float(high), score)


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


def judged(lanes: Sequence[Lane], kind: str = "video") -> list[Lane]:
    """The lanes with enough frames to be judged; the others are shown without deciding anything.

    Of an "image" (`VideoInfo.kind`) every face is judged by its one crop.
    """
    return [lane for lane in lanes if len(lane) >= MIN_FRAMES or kind == "image"]


def decide(
    lanes: Sequence[Lane],
    coverage: Coverage,
    calibration: Calibration | None,
    outside: frozenset[str] = frozenset(),
    kind: str = "video",
) -> Verdict:
    """The verdict on a video: the highest lane decides, and what is not known is not said.

    `outside` names the lanes that lie outside what the calibration was measured on, `kind` is that
    of `VideoInfo`. No evidence, no number: a video that is not analysable has neither score nor
    probability.
    """

    def missing(reason: Reason) -> Verdict:
        return Verdict(Outcome.NOT_ANALYSABLE, reason, None, None)

    if coverage.with_face == 0 or not lanes:
        return missing(Reason.NO_FACE)
    candidates = judged(lanes, kind)
    if not candidates:
        return missing(Reason.TOO_FEW_FRAMES)
    if coverage.with_face < MIN_COVERAGE * coverage.wanted:
        return missing(Reason.LOW_COVERAGE)
    top = max(candidates, key=lambda lane: lane.score)
    # A picture has no other frame that could have been drawn.
    again = score_interval(candidates) if kind == "video" else None

    def uncertain(reason: Reason) -> Verdict:
        return Verdict(Outcome.UNCERTAIN, reason, top.score, None, again)

    if calibration is None:
        return uncertain(Reason.UNCALIBRATED)
    if top.track_id in outside:
        return uncertain(Reason.OUT_OF_DISTRIBUTION)
    numbers = calibrate.p_fake(calibration, np.array([top.score, *(again or ())]))
    p, *ends = (float(number) for number in numbers)
    why: Reason | None = Reason.IN_BAND
    outcome = Outcome.UNCERTAIN
    if top.score >= calibration.threshold:
        outcome, why = Outcome.FAKE, None
    elif top.score <= calibration.band_low:
        outcome, why = Outcome.REAL, None
    return Verdict(outcome, why, top.score, p, again, (ends[0], ends[1]) if ends else None)
