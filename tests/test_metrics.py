"""metrics.py against scikit-learn and hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dfexplain import metrics


def test_auc_by_hand() -> None:
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    assert metrics.auc(scores, np.array([0, 0, 1, 1])) == 0.75
    assert metrics.auc(np.array([1.0, 1.0]), np.array([0, 1])) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auc_equals_scikit_learn_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 200)
    scores = np.round(rng.normal(size=200) + labels, 1)
    assert metrics.auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(np.array([1.0, 2.0]), np.array([1, 1]))


def test_bootstrap_is_wider_for_clustered_videos() -> None:
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(20), 10)
    labels = np.repeat(np.arange(20) % 2, 10)
    scores = labels + np.repeat(rng.normal(0, 1.2, 20), 10) + rng.normal(0, 0.1, 200)
    clustered = metrics.bootstrap_interval(metrics.auc, scores, labels, person, resamples=300)
    alone = metrics.bootstrap_interval(metrics.auc, scores, labels, np.arange(200), resamples=300)
    assert clustered[1] - clustered[0] > 1.5 * (alone[1] - alone[0])
    assert clustered[0] <= metrics.auc(scores, labels) <= clustered[1]


def test_ece_by_hand() -> None:
    p = np.array([0.05, 0.05, 0.95, 0.95])
    assert metrics.expected_calibration_error(p, np.array([0, 0, 1, 1])) == pytest.approx(0.05)
    assert metrics.expected_calibration_error(p, np.array([1, 1, 0, 0])) == pytest.approx(0.95)


def test_wilson_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263.
    low, high = metrics.wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)
    assert metrics.wilson_interval(0, 10)[0] == 0.0
