"""aggregate.py: the lane rule, flagged spans and the verdict (rows N1, N5, N7, L1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import aggregate, calibration
from dfexplain.structures import (
    Calibration,
    Coverage,
    FaceTrack,
    Lane,
    Outcome,
    Reason,
    TrackScores,
)


def lane(logits: NDArray[np.float64] | list[float], name: str = "A", step_s: float = 0.25) -> Lane:
    values = np.asarray(logits, np.float64)
    rows = len(values)
    track = FaceTrack(
        frame_index=np.arange(rows),
        time_s=np.arange(rows) * step_s,
        box_xyxy=np.tile(np.float32([10, 10, 110, 130]), (rows, 1)),
        landmarks_xy=np.zeros((rows, 5, 2), np.float32),
        confidence=np.ones(rows, np.float32),
        detected=np.ones(rows, bool),
        shot=np.zeros(rows, np.int64),
    )
    scores = TrackScores(
        logit=values,
        evidence=np.zeros((rows, 1, 1), np.float32),
        features=np.zeros((rows, 1), np.float32),
        crops_jpeg=(b"",) * rows,
    )
    return Lane(name, track, scores, aggregate.lane_score(values), None)


def measured(threshold: float = 1.0, band_low: float = -1.0) -> Calibration:
    labels = np.tile([0, 1], 50)
    scores = np.random.default_rng(0).normal(0, 1, 100) + 4.0 * labels - 2.0
    fitted = calibration.fit(
        scores,
        labels,
        np.arange(100),
        measured_on="drawn scores",
        weights_sha256="",
        min_face_px=0.0,
        max_distance=None,
    )
    return replace(fitted, threshold=threshold, band_low=band_low)


FULL = Coverage(32, 32, 32)


def brute_force(logits: NDArray[np.float64]) -> float:
    rows = len(logits)
    shortest = min(rows, aggregate.shortest_span(rows))
    return max(
        float(logits[a:b].mean()) for a in range(rows) for b in range(a + shortest, rows + 1)
    )


@pytest.mark.parametrize("rows", [1, 4, 5, 8, 23, 32, 100])
def test_lane_score_is_the_highest_mean_of_a_long_enough_run(rows: int) -> None:
    logits = np.random.default_rng(rows).normal(0, 2, rows)
    assert aggregate.lane_score(logits) == pytest.approx(brute_force(logits), abs=1e-12)
    assert aggregate.lane_score(logits) >= logits.mean() - 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_the_deciding_frames_are_what_the_score_is_the_mean_of(seed: int) -> None:
    rng = np.random.default_rng(seed)
    faces = [lane(rng.normal(0, 2, 32), name) for name in "ABC"] + [lane([9.0] * 3, "D")]
    found = aggregate.deciding(faces)
    assert found is not None
    top = next(face for face in faces if face.track_id == found.track_id)
    run = top.scores.logit[found.first : found.last + 1]
    verdict = aggregate.decide(faces, FULL, None)
    assert run.mean() == pytest.approx(verdict.score, abs=1e-12)
    others = [face for face in faces if face is not top]
    assert found.without == aggregate.decide(others, FULL, None).score
    times = top.track.time_s[[found.first, found.last]]
    assert [found.start_s, found.end_s] == times.tolist()
    alone = aggregate.deciding([top])
    assert alone is not None
    assert alone.without is None
    assert aggregate.deciding(faces[3:]) is None


def test_a_short_forged_span_does_not_drown() -> None:
    logits = np.full(32, -4.0)
    logits[10:17] = 4.0
    assert logits.mean() < -2
    assert aggregate.lane_score(logits) == pytest.approx(4.0)


def test_one_wild_frame_does_not_decide() -> None:
    logits = np.full(32, -2.0)
    logits[7] = 6.0
    assert aggregate.lane_score(logits) < 0
    assert aggregate.flagged_runs(logits, 0.0) == []


def test_longer_lanes_need_longer_runs() -> None:
    assert [aggregate.shortest_span(n) for n in (1, 8, 25, 26, 32, 100, 600)] == [
        5,
        5,
        5,
        6,
        6,
        10,
        25,
    ]


def test_spans_end_halfway_to_the_next_frame() -> None:
    logits = np.full(32, -4.0)
    logits[8:18] = 4.0
    (span,) = aggregate.segments(lane(logits), 0.0, None)
    assert span.track_id == "A"
    assert span.start_s == pytest.approx(7.5 * 0.25)
    assert span.end_s == pytest.approx(17.5 * 0.25)
    assert span.peak_p_fake is None
    (span,) = aggregate.segments(lane(np.full(10, 3.0)), 0.0, measured())
    assert (span.start_s, span.end_s) == (0.0, 9 * 0.25)
    assert span.peak_p_fake is not None
    assert span.peak_p_fake > 0.9


def test_smoothing_does_not_wear_the_ends_of_a_span_away() -> None:
    logits = np.full(32, -6.0)
    logits[10:16] = 4.0
    # The mean of -6, 4 and 4 lies below the threshold, the frame itself above it.
    assert aggregate.flagged_runs(logits, 2.0) == [(10, 15)]
    logits[10] = 1.0
    assert aggregate.flagged_runs(logits, 2.0) == [(11, 15)]
    assert aggregate.flagged_runs(np.full(6, 3.0), 2.0) == [(0, 5)]


def test_no_face_is_not_analysable_and_has_no_number() -> None:
    verdict = aggregate.decide([], Coverage(32, 32, 0), measured())
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_ANALYSABLE, Reason.NO_FACE)
    assert verdict.score is None
    assert verdict.p_fake is None


@pytest.mark.parametrize(
    ("rows", "coverage", "reason"),
    [
        (7, Coverage(32, 32, 7), Reason.TOO_FEW_FRAMES),
        (8, Coverage(32, 8, 8), None),
        (9, Coverage(100, 100, 9), Reason.LOW_COVERAGE),
    ],
)
def test_too_little_to_judge(rows: int, coverage: Coverage, reason: Reason | None) -> None:
    verdict = aggregate.decide([lane(np.full(rows, 9.0))], coverage, measured())
    assert verdict.reason == reason
    assert (verdict.score is None) == (reason is not None)


@pytest.mark.parametrize(
    ("logit", "outcome", "reason"),
    [
        (1.0, Outcome.FAKE, None),
        (0.99, Outcome.UNCERTAIN, Reason.IN_BAND),
        (-0.99, Outcome.UNCERTAIN, Reason.IN_BAND),
        (-1.0, Outcome.REAL, None),
    ],
)
def test_band(logit: float, outcome: Outcome, reason: Reason | None) -> None:
    verdict = aggregate.decide([lane(np.full(32, logit))], FULL, measured())
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.p_fake is not None


def test_the_highest_lane_decides_and_short_lanes_do_not() -> None:
    lanes = [lane(np.full(32, -3.0)), lane(np.full(20, 3.0), "B"), lane(np.full(4, 9.0), "C")]
    verdict = aggregate.decide(lanes, FULL, measured())
    assert verdict.outcome == Outcome.FAKE
    assert verdict.score == pytest.approx(3.0)


def test_without_calibration_there_is_a_score_and_no_probability() -> None:
    verdict = aggregate.decide([lane(np.full(32, 3.0))], FULL, None)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNCERTAIN, Reason.UNCALIBRATED)
    assert verdict.score == pytest.approx(3.0)
    assert verdict.p_fake is None


def test_outside_the_measured_range_the_probability_is_withdrawn() -> None:
    verdict = aggregate.decide([lane(np.full(32, 3.0))], FULL, measured(), frozenset({"A"}))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNCERTAIN, Reason.OUT_OF_DISTRIBUTION)
    assert verdict.p_fake is None
