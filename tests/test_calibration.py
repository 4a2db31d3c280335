"""calibration.py: Platt scaling, thresholds that keep their rates, the round trip through JSON."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from dfexplain import calibration
from dfexplain.errors import SettingError
from dfexplain.structures import Calibration


def videos(
    shift: float = 2.0, rows: int = 400
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], rows // 2)
    scores = rng.normal(0, 1, rows) + shift * labels - 1
    return scores, labels, np.arange(rows) // 2


def fitted(shift: float = 2.0, rows: int = 400) -> Calibration:
    scores, labels, groups = videos(shift, rows)
    return calibration.fit(
        scores,
        labels,
        groups,
        measured_on="drawn scores",
        weights_sha256="0" * 64,
        min_face_px=50.0,
        max_distance=2.0,
    )


def test_platt_agrees_with_logistic_regression() -> None:
    scores, labels, _ = videos()
    result = fitted()
    other = LogisticRegression(C=1e6).fit(scores[:, None], labels)
    # The smoothed targets pull the slope in by a little.
    assert result.slope == pytest.approx(float(other.coef_[0, 0]), rel=0.05)
    assert result.intercept == pytest.approx(float(other.intercept_[0]), abs=0.05)


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


def test_probability_rises_with_the_score_and_stays_finite() -> None:
    p = calibration.p_fake(fitted(), np.array([-1e6, -2.0, 0.0, 2.0, 1e6]))
    assert np.all(np.diff(p) > 0)
    assert p[0] >= 0.0
    assert p[-1] <= 1.0


def test_falling_scores_are_refused() -> None:
    scores, labels, groups = videos()
    with pytest.raises(SettingError, match="must rise with the label"):
        calibration.fit(
            -scores,
            labels,
            groups,
            measured_on="",
            weights_sha256="",
            min_face_px=0.0,
            max_distance=None,
        )


def test_round_trip_through_json() -> None:
    before = fitted()
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


def test_missing_and_unknown_keys_are_refused() -> None:
    data = calibration.to_dict(fitted())
    data["extra"] = 1
    del data["slope"]
    with pytest.raises(SettingError, match=r"extra.*slope"):
        calibration.from_dict(data)
