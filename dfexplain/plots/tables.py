"""The numbers of every figure, as tables that a test can check. Nothing is drawn here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain import calibration as calibrate
from dfexplain.structures import Calibration, Segment, VideoReport

__all__ = [
    "HistogramTable",
    "LaneTable",
    "RocTable",
    "TimelineTable",
    "histogram_table",
    "operating_point",
    "roc_table",
    "timeline_table",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LaneTable:
    """One lane of the timeline: `values` (N,) at `time_s` (N,), drawn as unbroken `runs`.

    A run is a slice of rows without a gap or a cut between them. `zones` (N,) name a palette colour
    each. `values` are p_fake where the report has one and logits elsewhere.
    """

    track_id: str
    time_s: Floats
    values: Floats
    zones: tuple[str, ...]
    runs: tuple[slice, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class TimelineTable:
    """What the timeline shows. `band` holds (low, high) in the unit of the values, or is None.

    `sampled_s` (M,) are the frames that were read and `with_face` (M,) whether a lane has them.
    """

    lanes: tuple[LaneTable, ...]
    cuts_s: tuple[float, ...]
    end_s: float
    sampled_s: Floats
    with_face: NDArray[np.bool_]
    is_probability: bool
    band: tuple[float, float] | None


@dataclass(frozen=True)
class HistogramTable:
    """Counts of real and fake validation videos, (K,) each, between `edges` (K+1,) in logits."""

    edges: Floats
    real: NDArray[np.int64]
    fake: NDArray[np.int64]


@dataclass(frozen=True)
class RocTable:
    """The ROC staircase from (0, 0) to (1, 1); `threshold` (K,) is +inf in the first row."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    threshold: Floats


def _runs(time_s: Floats, shot: NDArray[np.int64], sampled_s: Floats) -> tuple[slice, ...]:
    """Slices of rows that follow each other in the sampling, within one shot."""
    place = np.searchsorted(sampled_s, time_s)
    step = float(np.median(np.diff(sampled_s))) if len(sampled_s) > 1 else np.inf
    # The second rule serves reports that carry no preview of the frames between.
    broken = (np.diff(place) > 1) | (np.diff(time_s) > 1.75 * step) | (np.diff(shot) != 0)
    edges = [0, *(np.flatnonzero(broken) + 1).tolist(), len(time_s)]
    return tuple(slice(a, b) for a, b in itertools.pairwise(edges))


def timeline_table(report: VideoReport) -> TimelineTable:
    """The numbers of the timeline of `report`. Probabilities only where the video has one."""
    lane_times = [lane.track.time_s for lane in report.lanes]
    faces = np.unique(np.concatenate([np.empty(0), *lane_times]))
    previews = np.array([preview.time_s for preview in report.previews], dtype=np.float64)
    sampled = np.union1d(previews, faces)
    calibration = report.calibration
    is_probability = report.verdict.p_fake is not None and calibration is not None
    band: tuple[float, float] | None = None
    if is_probability and calibration is not None:
        edges = np.array([calibration.band_low, calibration.threshold])
        low, high = calibrate.p_fake(calibration, edges)
        band = float(low), float(high)
    lanes = []
    for lane in report.lanes:
        values = lane.scores.logit
        if is_probability and calibration is not None:
            values = calibrate.p_fake(calibration, values)
        lanes.append(
            LaneTable(
                track_id=lane.track_id,
                time_s=lane.track.time_s,
                values=values,
                zones=tuple(_zone(float(v), band) for v in values),
                runs=_runs(lane.track.time_s, lane.track.shot, sampled),
                segments=tuple(s for s in report.segments if s.track_id == lane.track_id),
            )
        )
    last = float(sampled[-1]) if len(sampled) else 0.0
    return TimelineTable(
        lanes=tuple(lanes),
        cuts_s=report.cuts_s,
        end_s=max(report.info.duration_s or 0.0, last) or 1.0,
        sampled_s=sampled,
        with_face=np.isin(sampled, faces),
        is_probability=is_probability,
        band=band,
    )


def _zone(value: float, band: tuple[float, float] | None) -> str:
    if band is None:
        return "uncertain"
    return "fake" if value >= band[1] else "real" if value <= band[0] else "uncertain"


def histogram_table(calibration: Calibration, bins: int = 24) -> HistogramTable:
    """Validation videos by score. The bins are equal and cover all of them."""
    edges = np.histogram_bin_edges(calibration.scores, bins)
    real, fake = (
        np.histogram(calibration.scores[calibration.labels == k], edges)[0] for k in (0, 1)
    )
    return HistogramTable(edges, real.astype(np.int64), fake.astype(np.int64))


def roc_table(calibration: Calibration) -> RocTable:
    """ROC of the validation videos, one row a distinct score (Fawcett 2006, algorithm 1)."""
    threshold = np.unique(calibration.scores)[::-1]
    real = np.sort(calibration.scores[calibration.labels == 0])
    fake = np.sort(calibration.scores[calibration.labels == 1])
    above = [1 - np.searchsorted(x, threshold, side="left") / max(len(x), 1) for x in (real, fake)]
    start = np.zeros(1)
    return RocTable(
        np.concatenate([start, above[0]]),
        np.concatenate([start, above[1]]),
        np.concatenate([np.full(1, np.inf), threshold]),
    )


def operating_point(table: RocTable, threshold: float) -> tuple[float, float]:
    """(false positive rate, true positive rate) at or above `threshold`."""
    row = int(np.flatnonzero(table.threshold >= threshold)[-1])
    return float(table.false_positive_rate[row]), float(table.true_positive_rate[row])
