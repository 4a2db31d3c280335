"""calibration.py and scaling.py: three methods, the choice, thresholds, the trip through JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from dfexplain import calibration, scaling
from dfexplain.errors import SettingError
from dfexplain.structures import Calibration


def videos(
    shift: float = 2.0, rows: int = 400
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], rows // 2)
    scores = rng.normal(0, 1, rows) + shift * labels - 1
    return scores, labels, np.arange(rows) // 2


def fit(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    methods: Sequence[str] = scaling.METHODS,
    **options: Any,
) -> Calibration:
    return calibration.fit(
        scores,
        labels,
        groups,
        measured_on="drawn scores",
        weights_sha256="0" * 64,
        min_face_px=50.0,
        max_distance=2.0,
        methods=methods,
        **options,
    )


@cache
def fitted(
    shift: float = 2.0, rows: int = 400, methods: Sequence[str] = scaling.METHODS
) -> Calibration:
    return fit(*videos(shift, rows), methods)


def test_platt_agrees_with_logistic_regression() -> None:
    scores, labels, _ = videos()
    result = fitted(methods=("platt",))
    other = LogisticRegression(C=1e6).fit(scores[:, None], labels)
    # The smoothed targets pull the slope in by a little.
    assert result.slope == pytest.approx(float(other.coef_[0, 0]), rel=0.05)
    assert result.intercept == pytest.approx(float(other.intercept_[0]), abs=0.05)


def test_temperature_agrees_with_logistic_regression_through_the_origin() -> None:
    scores, labels, _ = videos()
    result = fitted(methods=("temperature",))
    other = LogisticRegression(C=1e6, fit_intercept=False).fit(scores[:, None], labels)
    assert result.slope == pytest.approx(float(other.coef_[0, 0]), rel=0.05)
    assert result.intercept == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_isotonic_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 120)
    scores = np.round(rng.normal(size=120) + labels, 1)
    found = scaling.fit("isotonic", scores, labels)
    other = IsotonicRegression(out_of_bounds="clip")
    other.fit(scores, labels, sample_weight=scaling.balance(labels))
    low, high = 1 / (120 - labels.sum() + 2), (labels.sum() + 1) / (labels.sum() + 2)
    at = np.linspace(-4, 5, 200)
    at = np.concatenate([at, scores])
    # Where the reference reaches 0 or 1 ours stops at the bound, also on the line up to it.
    knots = np.clip(other.y_thresholds_, low, high)
    expected = np.interp(at, other.X_thresholds_, knots)
    np.testing.assert_allclose(scaling.apply(found, at), expected, atol=1e-9)
    assert found.knots is not None
    assert low <= found.knots[0, 1] <= found.knots[-1, 1] <= high


def test_isotonic_by_hand() -> None:
    # 0.9 and 0.2 violate the order and are pooled; equal scores are one level.
    scores = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 3.0])
    labels = np.array([0, 1, 0, 0, 1, 1])
    knots = scaling.fit("isotonic", scores, labels).knots
    np.testing.assert_allclose(knots, [[0, 1 / 5], [1, 1 / 3], [2, 1 / 3], [3, 4 / 5]])


def drawn_from(shape: str, rows: int = 3000) -> tuple[Any, ...]:
    """Videos whose probability follows a known curve of their score."""
    rng = np.random.default_rng(5)
    scores = rng.uniform(-4, 4, rows)
    curves = {
        "temperature": 1 / (1 + np.exp(-0.5 * scores)),
        "platt": 1 / (1 + np.exp(-(1.5 * scores - 3))),
        # Two plateaus: no sigmoid has them.
        "isotonic": np.where(scores < -2, 0.02, np.where(scores < 3, 0.45, 0.98)),
    }
    labels = (rng.random(rows) < curves[shape]).astype(np.int64)
    return scores, labels, np.arange(rows) // 3


@pytest.mark.parametrize("shape", scaling.METHODS)
def test_the_method_that_fits_held_out_people_is_chosen(shape: str) -> None:
    result = fit(*drawn_from(shape))
    assert set(result.log_loss) == set(scaling.METHODS)
    assert result.log_loss[result.method] <= min(result.log_loss.values()) + 0.01
    assert result.method == shape
    if shape != "temperature":
        others = [loss for method, loss in result.log_loss.items() if method != shape]
        assert result.log_loss[shape] < min(others) - 0.001
    assert result.ece < 0.03


def test_few_videos_do_not_choose_isotonic() -> None:
    assert fitted(rows=40).method in ("temperature", "platt")


def test_probabilities_hold_for_as_many_real_as_fake_videos() -> None:
    rng = np.random.default_rng(1)
    labels = (np.arange(4400) >= 400).astype(np.int64)
    scores = rng.normal(2.0 * labels - 1, 1)
    result = fit(scores, labels, np.arange(4400))
    # Two normals of deviation 1 at -1 and 1 meet at 0, with p = sigmoid(2 * score).
    expected = 1 / (1 + np.exp(-2 * np.array([-1.0, 0.0, 1.0])))
    at = calibration.p_fake(result, np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(at, expected, atol=0.06)
    assert result.ece < 0.04
    table = result.reliability
    sure = table.count >= 30
    assert np.mean(np.abs(table.share_fake - table.mean_p)[sure]) < 0.08
    assert np.all((table.low <= table.share_fake)[sure] & (table.share_fake <= table.high)[sure])


@pytest.mark.parametrize(
    ("labels", "groups", "said"),
    [
        ([1] * 8, range(8), "must be real and fake ones, but got 0 real and 8 fake"),
        ([0, 0, 0, 1, 1, 1], [1, 1, 1, 2, 3, 4], "real ones of at least two people"),
        ([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 4, 4], "fake ones of at least two people"),
        ([0, 1], [1, 1], "at least two people"),
    ],
)
def test_too_few_people_are_refused(labels: list[int], groups: Sequence[int], said: str) -> None:
    y = np.array(labels)
    with pytest.raises(SettingError, match=said):
        fit(y + np.linspace(0, 0.5, len(y)), y, np.array(list(groups)))


def test_two_people_are_enough() -> None:
    labels = np.array([0, 1, 0, 1])
    result = fit(np.array([-1.0, 1.0, -0.5, 2.0]), labels, np.array([1, 1, 2, 2]))
    # No surer than four videos allow.
    assert 0.6 < calibration.p_fake(result, np.array([2.0]))[0] < 0.95
    assert result.people == 2


def test_the_target_rate_moves_the_threshold() -> None:
    strict, loose = (fit(*videos(), target_rate=rate) for rate in (0.01, 0.2))
    assert strict.threshold > loose.threshold
    assert strict.false_positive_rate <= 0.01 < loose.false_positive_rate <= 0.2


def test_scores_drawn_from_the_model_are_calibrated() -> None:
    result = fitted(rows=4000)
    assert result.ece < 0.03
    table = result.reliability
    assert int(table.count.sum()) == 4000
    filled = table.count >= 30
    assert np.all(table.low[filled] <= table.share_fake[filled])
    assert np.all(table.share_fake[filled] <= table.high[filled])


@pytest.mark.parametrize("shift", [0.5, 2.0, 8.0])
def test_rates_hold_at_the_threshold_and_the_band(shift: float) -> None:
    scores, labels, _ = videos(shift)
    result = fitted(shift)
    assert result.band_low <= result.threshold
    false_positives = float((scores[labels == 0] >= result.threshold).mean())
    misses = float((scores[labels == 1] <= result.band_low).mean())
    assert false_positives == result.false_positive_rate <= calibration.TARGET_RATE
    assert misses == result.miss_rate <= calibration.TARGET_RATE
    assert result.false_positive_interval[0] <= false_positives <= result.false_positive_interval[1]


@pytest.mark.parametrize("method", scaling.METHODS)
def test_probability_rises_with_the_score_and_stays_finite(method: str) -> None:
    p = calibration.p_fake(fitted(methods=(method,)), np.array([-1e6, -1.0, 0.0, 1.0, 1e6]))
    assert np.all(np.diff(p) > 0)
    assert p[0] >= 0.0
    assert p[-1] <= 1.0


def test_falling_scores_are_refused() -> None:
    scores, labels, groups = videos()
    with pytest.raises(SettingError, match="must rise with the label"):
        fit(-scores, labels, groups)


@pytest.mark.parametrize("method", scaling.METHODS)
def test_round_trip_through_json(method: str) -> None:
    before = fitted(methods=(method,))
    after = calibration.from_dict(json.loads(json.dumps(calibration.to_dict(before))))
    for item in fields(Calibration):
        old, new = getattr(before, item.name), getattr(after, item.name)
        if item.name == "reliability":
            for column in fields(old):
                np.testing.assert_array_equal(getattr(old, column.name), getattr(new, column.name))
        else:
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("method", "softmax"),
        ("method", ["platt"]),
        ("knots", [[0.0, 0.5]]),
        ("log_loss", {"platt": -1}),
        ("log_loss", {"other": 1.0}),
        ("log_loss", [1.0]),
        ("slope", None),
        ("slope", -1.0),
        ("slope", float("nan")),
        ("slope", "2"),
        ("ece", 1.5),
        ("band_low", 1e5),
        ("labels", [0, 2]),
        ("scores", []),
        ("measured_on", 3),
        ("reliability", {}),
        ("miss_interval", [0.1]),
    ],
)
def test_hostile_values_are_refused_by_name(key: str, value: object) -> None:
    data = calibration.to_dict(fitted())
    data[key] = value
    with pytest.raises(SettingError, match=key):
        calibration.from_dict(data)


@pytest.mark.parametrize(
    "knots",
    [
        None,
        [],
        [[0.0]],
        [0.0, 0.5],
        [[0.0, 0.4], [0.0, 0.5]],
        [[0.0, 0.5], [1.0, 0.4]],
        [[0.0, 0.0], [1.0, 0.4]],
        [[0.0, 0.5], [1.0, 1.0]],
        [[float("nan"), 0.5]],
        [["0", 0.5]],
    ],
)
def test_hostile_knots_are_refused(knots: object) -> None:
    data = calibration.to_dict(fitted(methods=("isotonic",)))
    data["knots"] = knots
    with pytest.raises(SettingError, match="knots"):
        calibration.from_dict(data)


@pytest.mark.parametrize(("method", "key"), [("isotonic", "slope"), ("temperature", "intercept")])
def test_what_a_method_does_not_use_is_refused(method: str, key: str) -> None:
    data = calibration.to_dict(fitted(methods=(method,)))
    data[key] = 0.5
    with pytest.raises(SettingError, match=key):
        calibration.from_dict(data)


def test_missing_and_unknown_keys_are_refused() -> None:
    data = calibration.to_dict(fitted())
    data["extra"] = 1
    del data["slope"]
    with pytest.raises(SettingError, match=r"extra.*slope"):
        calibration.from_dict(data)
