"""metrics.py and comparison.py against scikit-learn, hand-made cases and naive versions."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from dfexplain import comparison, metrics
from dfexplain.intervals import auc_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def drawn(seed: int, rows: int = 200) -> tuple[Floats, Ints, Floats]:
    """Scores with ties, labels of uneven classes, and probabilities with ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.1 + 0.15 * seed).astype(np.int64)
    labels[:2] = 0, 1
    scores = np.round(rng.normal(size=rows) + labels, 1)
    return scores, labels, np.round(1 / (1 + np.exp(-scores)), 2)


def tpr_of_the_reference(scores: Floats, labels: Ints, rate: float) -> float:
    false, true, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    return float(true[false <= rate].max())


def eer_of_the_reference(scores: Floats, labels: Ints) -> float:
    """The crossing of both error rates, searched on a fine grid of the straight ROC curve."""
    false, true, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    along = np.linspace(0, len(false) - 1, 400_001)
    steps = np.arange(len(false))
    x, y = np.interp(along, steps, false), 1 - np.interp(along, steps, true)
    return float(x[np.argmin(np.abs(x - y))])


Case = tuple[metrics.Metric, Callable[[Floats, Ints], float]]
ON_SCORES: dict[str, Case] = {
    "auc": (metrics.auc, lambda s, y: reference.roc_auc_score(y, s)),
    "ap": (metrics.average_precision, lambda s, y: reference.average_precision_score(y, s)),
    "eer": (metrics.eer, eer_of_the_reference),
    "tpr 1 %": (metrics.tpr_at(0.01), lambda s, y: tpr_of_the_reference(s, y, 0.01)),
    "tpr 5 %": (metrics.tpr_at(0.05), lambda s, y: tpr_of_the_reference(s, y, 0.05)),
    "accuracy": (metrics.accuracy_at(0.4), lambda s, y: reference.accuracy_score(y, s >= 0.4)),
    "balanced": (
        metrics.balanced_accuracy_at(0.4),
        lambda s, y: reference.balanced_accuracy_score(y, s >= 0.4),
    ),
    "f1": (metrics.f1_at(0.4), lambda s, y: reference.f1_score(y, s >= 0.4)),
}
ON_PROBABILITIES: dict[str, Case] = {
    "log loss": (metrics.log_loss(), lambda p, y: reference.log_loss(y, p)),
    "brier": (metrics.brier, lambda p, y: reference.brier_score_loss(y, p)),
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ON_SCORES)
def test_metrics_of_scores_equal_scikit_learn_with_ties(name: str, seed: int) -> None:
    metric, other = ON_SCORES[name]
    scores, labels, _ = drawn(seed)
    tolerance = 1e-5 if name == "eer" else 1e-12
    assert metric(scores, labels) == pytest.approx(other(scores, labels), abs=tolerance)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ON_PROBABILITIES)
def test_metrics_of_probabilities_equal_scikit_learn(name: str, seed: int) -> None:
    metric, other = ON_PROBABILITIES[name]
    _, labels, p = drawn(seed)
    p = np.clip(p, 0.01, 0.99)
    assert metric(p, labels) == pytest.approx(other(p, labels), abs=1e-12)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.auc,
        metrics.average_precision,
        metrics.eer,
        metrics.tpr_at(0.05),
        metrics.accuracy_at(0.5),
        metrics.balanced_accuracy_at(0.5),
        metrics.f1_at(0.5),
        metrics.log_loss(),
        metrics.brier,
        metrics.calibration_error(15),
        metrics.calibration_error(15, adaptive=True),
    ],
)
def test_a_weight_is_a_number_of_copies(metric: metrics.Metric) -> None:
    _, labels, p = drawn(2, 60)
    weights = np.random.default_rng(1).integers(0, 4, (5, 60))
    many = metric.many(p, labels, weights.astype(np.float64))
    copied = [metric(np.repeat(p, w), np.repeat(labels, w)) for w in weights]
    np.testing.assert_allclose(many, copied, atol=1e-12)
    assert len(set(many)) > 1


def test_auc_by_hand() -> None:
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    assert metrics.auc(scores, np.array([0, 0, 1, 1])) == 0.75
    assert metrics.auc(np.array([1.0, 1.0]), np.array([0, 1])) == 0.5


def test_average_precision_by_hand() -> None:
    # Fakes at ranks 1 and 3: precision 1 and 2/3.
    scores, labels = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 0, 1, 0])
    assert metrics.average_precision(scores, labels) == pytest.approx((1 + 2 / 3) / 2)
    # A constant score finds fakes as often as they are there.
    assert metrics.average_precision(np.zeros(4), np.array([1, 0, 0, 0])) == 0.25


def test_eer_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    assert metrics.eer(np.array([1.0, 3.0, 2.0, 4.0]), labels) == 0.5
    assert metrics.eer(np.array([1.0, 2.0, 3.0, 4.0]), labels) == 0.0
    assert metrics.eer(np.array([3.0, 4.0, 1.0, 2.0]), labels) == 1.0
    # One threshold only: the chance line crosses at a half.
    assert metrics.eer(np.zeros(4), labels) == 0.5
    # From (0, 1/2) the curve runs up to (1/3, 1): it meets FPR = 1 - TPR at 1/5.
    scores = np.array([0.0, 1.0, 2.0, 2.0, 3.0])
    assert metrics.eer(scores, np.array([0, 0, 0, 1, 1])) == pytest.approx(0.2)


def test_rates_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    scores = np.array([0.0, 1.0, 2.0, 5.0, 1.5, 4.0, 5.0, 6.0])
    # At 6 nothing real is above; at 5 one of four is, together with two fakes.
    assert metrics.tpr_at(0.01)(scores, labels) == 0.25
    assert metrics.tpr_at(0.25)(scores, labels) == 0.75
    assert metrics.accuracy_at(5.0)(scores, labels) == 5 / 8
    assert metrics.f1_at(5.0)(scores, labels) == 4 / 7
    assert metrics.f1_at(99.0)(scores, labels) == 0.0


def test_log_loss_is_clipped() -> None:
    p, labels = np.array([1.0, 0.0]), np.array([0, 1])
    assert metrics.log_loss(1e-7)(p, labels) == pytest.approx(-np.log(1e-7), rel=1e-6)
    assert metrics.log_loss(1e-15)(p, labels) == pytest.approx(-np.log(1e-15), rel=1e-2)
    half = np.full(2, 0.5)
    assert metrics.log_loss()(half, labels) == pytest.approx(0.6931, abs=1e-4)
    assert metrics.brier(half, labels) == 0.25


@pytest.mark.parametrize(
    "metric", [metrics.auc, metrics.average_precision, metrics.eer, metrics.tpr_at(0.05)]
)
@pytest.mark.parametrize("label", [0, 1])
def test_ranks_need_both_classes(metric: metrics.Metric, label: int) -> None:
    with pytest.raises(ValueError, match="both classes"):
        metric(np.array([1.0, 2.0]), np.array([label, label]))


def test_ece_by_hand() -> None:
    p = np.array([0.05, 0.05, 0.95, 0.95])
    assert metrics.expected_calibration_error(p, np.array([0, 0, 1, 1])) == pytest.approx(0.05)
    assert metrics.expected_calibration_error(p, np.array([1, 1, 0, 0])) == pytest.approx(0.95)


def test_adaptive_error_by_hand() -> None:
    ace = metrics.calibration_error(2, adaptive=True)
    p, labels = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0, 0, 1, 1])
    # Halves {0.1, 0.2} and {0.3, 0.9}; bins of equal width would part after 0.3.
    assert ace(p, labels) == pytest.approx((0.15 + 0.4) / 2)
    assert metrics.calibration_error(2)(p, labels) == pytest.approx(0.75 * (1 / 3 - 0.2) + 0.025)
    # Equal probabilities stay together: no order of the rows makes an error of them.
    assert ace(np.full(4, 0.5), np.array([0, 0, 1, 1])) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_calibration_errors_equal_a_naive_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(300)
    labels = (rng.random(300) < p**2).astype(np.int64)
    parts = np.array_split(np.argsort(p), 15)
    ace = sum(len(i) * abs(float((labels[i] - p[i]).mean())) for i in parts) / 300
    assert metrics.calibration_error(15, adaptive=True)(p, labels) == pytest.approx(ace)
    edges = np.linspace(0, 1, 16)
    inside = [(p >= a) & (p < b) for a, b in itertools.pairwise(edges)]
    ece = sum(abs(float((labels[i] - p[i]).sum())) for i in inside) / 300
    assert metrics.calibration_error(15)(p, labels) == pytest.approx(ece)


def test_bootstrap_is_wider_for_clustered_videos() -> None:
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(20), 10)
    labels = np.repeat(np.arange(20) % 2, 10)
    scores = labels + np.repeat(rng.normal(0, 1.2, 20), 10) + rng.normal(0, 0.1, 200)
    clustered = metrics.bootstrap_interval(metrics.auc, scores, labels, person, resamples=300)
    alone = metrics.bootstrap_interval(metrics.auc, scores, labels, np.arange(200), resamples=300)
    assert clustered[1] - clustered[0] > 1.5 * (alone[1] - alone[0])
    assert clustered[0] <= metrics.auc(scores, labels) <= clustered[1]


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    # Two normal distributions one deviation apart have an AUC of Phi(1 / sqrt 2).
    truth, hits = 0.7602, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.arange(80) % 2
        scores = rng.normal(size=80) + labels
        low, high = metrics.bootstrap_interval(
            metrics.auc, scores, labels, np.arange(80), resamples=200
        )
        hits += low <= truth <= high
    assert 51 <= hits <= 60


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_no_spread_is_no_certainty(sign: float) -> None:
    """Where every fake is above every real no draw differs: ten people allow 0.72, not 1.00."""
    labels, people = np.tile([0, 1], 20), np.repeat(np.arange(10), 4)
    scores = sign * (labels + np.linspace(0.0, 0.5, 40))
    assert metrics.bootstrap_interval(metrics.auc, scores, labels, people) == (sign > 0, sign > 0)
    low, high = auc_interval(scores, labels, people)
    assert (high - low) == pytest.approx(0.2775, abs=1e-4)
    assert (high if sign > 0 else 1.0 - low) == pytest.approx(1.0)
    # Two of the class that is rarer allow less.
    rare = labels * (people < 2)
    assert auc_interval(rare + 0.0, rare, people)[0] == pytest.approx(0.3424, abs=1e-4)
    mixed = np.random.default_rng(0).normal(size=40)
    assert auc_interval(mixed, labels, people) == metrics.bootstrap_interval(
        metrics.auc, mixed, labels, people
    )


def test_resamples_draw_whole_groups_and_both_classes() -> None:
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    labels = np.array([0, 0, 1, 0, 1, 0])
    rows = np.concatenate(list(metrics.resamples_of(labels, groups, 50, 7)))
    assert rows.shape == (50, 6)
    assert np.all(rows[:, 0] == rows[:, 1])
    assert np.all(rows[:, 3] == rows[:, 4])
    assert np.all(rows[:, 0] + rows[:, 2] + rows[:, 3] == 3)
    assert np.all(rows @ labels > 0)
    with pytest.raises(ValueError, match="both classes"):
        next(metrics.resamples_of(np.ones(6, np.int64), groups, 5, 7))


def test_wilson_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263.
    low, high = metrics.wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)
    assert metrics.wilson_interval(0, 10)[0] == 0.0


def two_models(rows: int = 120) -> tuple[Floats, Floats, Ints]:
    rng = np.random.default_rng(4)
    labels = np.arange(rows) % 2
    shared = rng.normal(size=rows)
    a = np.round(shared + 1.5 * labels, 1)
    return a, np.round(shared + 0.8 * labels + rng.normal(0, 0.3, rows), 1), labels


def test_delong_equals_the_naive_covariance() -> None:
    a, b, labels = two_models()
    kernel = [
        (x[labels == 1][:, None] > x[labels == 0])
        + 0.5 * (x[labels == 1][:, None] == x[labels == 0])
        for x in (a, b)
    ]
    s10, s01 = np.cov([k.mean(axis=1) for k in kernel]), np.cov([k.mean(axis=0) for k in kernel])
    s = s10 / (labels == 1).sum() + s01 / (labels == 0).sum()
    deviation = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    found = comparison.delong(a, b, labels)
    assert found.difference == pytest.approx(kernel[0].mean() - kernel[1].mean())
    low, high = found.interval
    assert (high - low) / 2 == pytest.approx(1.96 * deviation, rel=1e-4)
    assert found.p_value < 0.05
    assert comparison.delong(a, a, labels).p_value == 1.0
    with pytest.raises(ValueError, match="two of each class"):
        comparison.delong(a[:3], b[:3], labels[:3])


def test_paired_bootstrap_agrees_with_delong_for_independent_videos() -> None:
    a, b, labels = two_models()
    found = comparison.paired(a, b, labels, np.arange(len(labels)))
    other = comparison.delong(a, b, labels)
    assert found.difference == pytest.approx(other.difference)
    np.testing.assert_allclose(found.interval, other.interval, atol=0.015)
    assert found.p_value < 0.05
    assert comparison.paired(a, a, labels, np.arange(len(labels))).p_value == 1.0


def test_clusters_make_a_difference_less_certain() -> None:
    a, b, labels = two_models(24)
    copies = [np.repeat(x, 10) for x in (a, b, labels)]
    apart = comparison.paired(*copies, np.arange(240))
    together = comparison.paired(*copies, np.repeat(np.arange(24), 10))
    assert together.p_value > apart.p_value
    assert np.diff(together.interval) > 2 * np.diff(apart.interval)
