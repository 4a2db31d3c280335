"""lanes.py: joining tracks over cuts where it is sure, and the gate of what was measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import aggregate, lanes
from dfexplain.models import ModelConfig
from dfexplain.reference import Departure, distances
from dfexplain.report import words
from dfexplain.structures import Coverage, FaceTrack, Reason, TrackScores, WeightsInfo
from dfexplain.weights_folder import OutOfDistribution, Weights
from tests.reports import REPORTS
from tests.test_aggregate import lane, measured

D = 16


def weights(reference: OutOfDistribution | None = None) -> Weights:
    config = ModelConfig()
    return Weights(
        info=WeightsInfo("w", "local", "0" * 64, True, "frame", config.crop_px, config.crop_margin),
        config=config,
        state={},
        heat_scale=1.0,
        calibration=measured(),
        out_of_distribution=reference,
        card="",
        folder=Path(),
    )


def reference() -> OutOfDistribution:
    return OutOfDistribution(
        np.zeros(D, np.float32), np.eye(D, dtype=np.float32), np.ones(D, np.float32)
    )


def pair(
    start_s: float,
    features: NDArray[np.float64],
    left_px: float = 100.0,
    side_px: float = 100.0,
    rows: int = 10,
) -> lanes.Pair:
    box = np.float32([left_px, 50, left_px + side_px, 50 + side_px])
    track = FaceTrack(
        frame_index=np.arange(rows),
        time_s=start_s + np.arange(rows) * 0.1,
        box_xyxy=np.tile(box, (rows, 1)),
        landmarks_xy=np.zeros((rows, 5, 2), np.float32),
        confidence=np.ones(rows, np.float32),
        detected=np.ones(rows, bool),
        shot=np.zeros(rows, np.int64),
    )
    noise = np.random.default_rng(0).normal(0, 0.1, (rows, D))
    return track, TrackScores(
        logit=np.full(rows, start_s),
        evidence=np.zeros((rows, 1, 1), np.float32),
        features=np.float32(features + noise),
        crops_jpeg=(b"",) * rows,
    )


ONE = np.eye(D)[0] * 4
TWO = np.eye(D)[1] * 4


def test_names_go_on_after_z() -> None:
    names = list(islice(lanes.names(), 28))
    assert [names[0], names[1], names[25], names[26], names[27]] == ["A", "B", "Z", "AA", "AB"]


def test_one_person_on_both_sides_of_a_cut_is_one_lane() -> None:
    joined = lanes.join([pair(0, ONE), pair(2, ONE, left_px=120)], weights(reference()))
    assert len(joined) == 1
    np.testing.assert_array_equal(np.unique(joined[0][1].logit), [0, 2])
    assert np.all(np.diff(joined[0][0].time_s) > 0)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (pair(2, TWO), "other features"),
        (pair(2, ONE, left_px=300), "elsewhere"),
        (pair(2, ONE, side_px=190, left_px=55), "another size"),
        (pair(0.5, ONE), "at the same time"),
    ],
)
def test_where_unsure_tracks_stay_apart(later: lanes.Pair, why: str) -> None:
    assert len(lanes.join([pair(0, ONE), later], weights(reference()))) == 2, why


def test_of_two_candidates_the_liker_one_is_joined() -> None:
    near = ONE + 0.5 * TWO
    joined = lanes.join(
        [pair(0, near), pair(0, ONE, left_px=130), pair(2, ONE, left_px=115)], weights(reference())
    )
    assert len(joined) == 2
    assert [float(p[0].box_xyxy[0, 0]) for p in joined if len(p[0]) == 20] == [130.0]


def test_distance_of_the_reference_itself_is_one() -> None:
    drawn = np.random.default_rng(1).normal(size=(5000, D)).astype(np.float32)
    found = distances(drawn, reference())
    assert float(np.mean(found**2)) == pytest.approx(1.0, abs=0.02)


def test_a_small_face_and_strange_features_are_outside() -> None:
    usual = weights(reference())
    assert usual.calibration is not None
    gate = replace(
        usual, calibration=replace(usual.calibration, min_face_px=121.0, max_distance=1.5)
    )
    face = lane(np.zeros(10))  # its box is 120 px high
    face = replace(face, scores=replace(face.scores, features=np.zeros((10, D), np.float32)))
    assert "smaller than the 121 px" in str(lanes.outside(face, gate))
    wider = replace(
        gate, calibration=replace(usual.calibration, min_face_px=119.0, max_distance=1.5)
    )
    assert lanes.outside(face, wider) == ()
    strange = replace(face, scores=replace(face.scores, features=np.full((10, D), 2.0, np.float32)))
    assert "unlike the faces" in str(lanes.outside(strange, wider))
    assert lanes.outside(strange, replace(wider, calibration=None)) == ()
    assert [why.measure for why in lanes.outside(strange, gate)] == ["face_px", "features"]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_drawn": 2.4}, "looks drawn, not photographed (distance 2.50, limit 2.40)"),
        (
            {"max_picture_distance": 1.6},
            "a picture unlike those that were measured, most of all: blurred "
            "(distance 1.75, limit 1.60)",
        ),
        ({"max_distance": 1.1}, "unlike the faces that were measured (distance 1.25, limit 1.10)"),
        ({"max_drawn": 2.6, "max_picture_distance": 1.8, "max_distance": 1.3}, None),
        ({"min_confidence": 0.99}, None),
    ],
)
def test_each_limit_has_its_reason(
    limits: dict[str, float], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Departure(features=1.25, picture=1.75, drawn=2.5, oddest="blurred")
    monkeypatch.setattr(lanes, "departure", lambda *_: far)
    usual = weights(reference())
    assert usual.calibration is not None
    gate = replace(usual, calibration=replace(usual.calibration, **limits))  # type: ignore[arg-type]
    found = lanes.outside(lane(np.zeros(10)), gate)
    assert [why.words for why in found] == ([] if says is None else [says])
    assert all(f"limit {why.limit:.2f}" in why.words and why.value > why.limit for why in found)


def test_a_face_that_is_hardly_found_is_outside() -> None:
    usual = weights()
    assert usual.calibration is not None
    gate = replace(usual, calibration=replace(usual.calibration, min_confidence=0.984))
    face = lane(np.zeros(10))
    assert lanes.outside(face, gate) == ()
    unsure = replace(face.track, confidence=np.full(10, 0.95, np.float32))
    (why,) = lanes.outside(replace(face, track=unsure), gate)
    assert why.words == "hardly found as an upright face (confidence 95.0 %, limit 98.4 %)"
    assert (why.track_id, why.measure, why.limit) == ("A", "confidence", 0.984)


def test_lengths_of_features_do_not_part_a_person_where_the_reference_has_none() -> None:
    known = replace(reference(), residual=0.5)
    first, later = pair(0, ONE), pair(2, 3 * ONE, left_px=120)
    assert len(lanes.join([first, later], weights(known))) == 1
    assert len(lanes.join([first, pair(2, TWO)], weights(known))) == 2


@pytest.mark.parametrize(
    "strange", ["30 px wide, smaller than the 48 px", "looks drawn, not photo"]
)
def test_a_tiny_face_or_a_cartoon_gets_no_probability_and_is_told_why(
    strange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Departure(features=1.0, picture=1.0, drawn=9.0, oddest="smooth as a drawing")
    monkeypatch.setattr(lanes, "departure", lambda *_: far)
    gate = weights(reference())
    assert gate.calibration is not None
    tiny = strange.startswith("30 px")
    limits = {"min_face_px": 48.0} if tiny else {"min_face_px": 0.0, "max_drawn": 2.0}
    gate = replace(gate, calibration=replace(gate.calibration, **limits))  # type: ignore[arg-type]
    face = lane(np.full(32, 9.0))
    box = np.tile(np.float32([0, 0, 25, 30]), (32, 1))
    face = replace(face, track=replace(face.track, box_xyxy=box))
    (why,) = lanes.outside(face, gate)
    assert strange in why.words
    verdict = aggregate.decide([face], Coverage(32, 32, 32), gate.calibration, frozenset("A"))
    assert (verdict.reason, verdict.p_fake) == (Reason.OUT_OF_DISTRIBUTION, None)
    assert verdict.score is not None
    made = replace(REPORTS["out_of_distribution"](), verdict=verdict, lanes=(face,), outside=(why,))
    assert strange in words.explanation(made)
    assert strange in words.one_line(made)
