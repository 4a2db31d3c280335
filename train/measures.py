"""Every number that is measured on scores and labels, by name, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain import calibration as calibrations
from dfexplain import metrics, scaling
from dfexplain.intervals import with_spread
from dfexplain.structures import Calibration

__all__ = ["TOLD_FROM", "Level", "Measure", "chance", "measure"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Videos of a class in a slice, or the slice has no number: two clips have an AUC too.
TOLD_FROM = 10


@dataclass(frozen=True)
class Measure:
    """A number with its 95 % interval; None where it could not be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Level:
    """The measures of N videos, or of all of their frames; `groups` are drawn for the intervals."""

    n: int
    real: int
    fake: int
    groups: int
    measures: dict[str, Measure]

    @property
    def prevalence(self) -> float:
        """The share of fakes: the accuracy of answering "fake" always, and the AP of chance."""
        return self.fake / self.n


# Not shares of anything: their intervals stay as the bootstrap gives them.
_LOSSES = ("log_loss", "log_loss_1e-15", "log_loss_balanced", "brier")


def chance(name: str, prevalence: float) -> float | None:
    """What answering without looking at the videos reaches; None where that says nothing.

    Accuracy and F1 are those of answering "fake" always, probabilities those of 0.5 always.
    """
    known = {
        "auc": 0.5,
        "ap": prevalence,
        "eer": 0.5,
        "tpr@1%fpr": 0.01,
        "tpr@5%fpr": 0.05,
        "accuracy": prevalence,
        "balanced_accuracy": 0.5,
        "f1": 2.0 * prevalence / (1.0 + prevalence),
        "log_loss": math.log(2.0),
        "log_loss_1e-15": math.log(2.0),
        "log_loss_balanced": math.log(2.0),
        "brier": 0.25,
    }
    decided = name.removesuffix("@threshold").removesuffix("@0.5")
    return known.get(name, known.get(decided))


def _rate_at(threshold: float, label: int) -> metrics.Metric:
    """How many of the videos of one label are called fake."""

    def many(scores: Floats, labels: Ints, weights: Floats) -> Floats:
        own = weights * (labels == label)
        with np.errstate(invalid="ignore"):
            return np.asarray((own * (scores >= threshold)).sum(axis=1) / own.sum(axis=1))

    return metrics.Metric(many)


def _asked(
    scores: Floats, labels: Ints, threshold: float | None, fitted: Calibration | None
) -> dict[str, tuple[metrics.Metric, Floats]]:
    """Every metric by name with what it is measured on."""
    out = {
        "auc": (metrics.auc, scores),
        "ap": (metrics.average_precision, scores),
        "eer": (metrics.eer, scores),
        "tpr@1%fpr": (metrics.tpr_at(0.01), scores),
        "tpr@5%fpr": (metrics.tpr_at(0.05), scores),
    }
    if threshold is not None:
        out |= {
            "accuracy@threshold": (metrics.accuracy_at(threshold), scores),
            "balanced_accuracy@threshold": (metrics.balanced_accuracy_at(threshold), scores),
            "f1@threshold": (metrics.f1_at(threshold), scores),
            "tpr@threshold": (_rate_at(threshold, 1), scores),
            "fpr@threshold": (_rate_at(threshold, 0), scores),
        }
    if fitted is not None:
        p = calibrations.p_fake(fitted, scores)
        balance = scaling.balance(labels)
        out |= {
            "accuracy@0.5": (metrics.accuracy_at(0.5), p),
            "balanced_accuracy@0.5": (metrics.balanced_accuracy_at(0.5), p),
            "f1@0.5": (metrics.f1_at(0.5), p),
            "log_loss": (metrics.log_loss(1e-7), p),
            "log_loss_1e-15": (metrics.log_loss(1e-15), p),
            "brier": (metrics.brier, p),
            "ece15": (metrics.calibration_error(15), p),
            "ace15": (metrics.calibration_error(15, adaptive=True), p),
            # p_fake takes as many real as fake videos for granted; these do so too.
            "log_loss_balanced": (metrics.weighted(metrics.log_loss(1e-7), balance), p),
            "ece15_balanced": (metrics.weighted(metrics.calibration_error(15), balance), p),
        }
    return out


def measure(
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    threshold: float | None,
    fitted: Calibration | None,
    resamples: int,
    only: Sequence[str] = (),
) -> Level:
    """Measure scores (N,) of labels (N,) by all metrics or `only` some, clustered by `groups` (N,).

    What needs a threshold or a calibration is left out without one; what needs a class that is
    missing is None. Intervals need two groups and both classes.
    """
    asked = _asked(scores, labels, threshold, fitted)
    asked = {name: asked[name] for name in (only or asked) if name in asked}
    ones = np.ones((1, len(labels)))
    values = {name: float(m.many(x, labels, ones)[0]) for name, (m, x) in asked.items()}
    intervals: dict[str, tuple[float, float]] = {}
    known = {name: pair for name, pair in asked.items() if not math.isnan(values[name])}
    fakes, distinct = int(labels.sum()), len(np.unique(groups))
    # One group, or one class, gives no second draw to compare with.
    if distinct > 1 and 0 < fakes < len(labels):
        intervals = metrics.bootstrap_intervals(known, labels, groups, resamples=resamples)
    for name in intervals.keys() - set(_LOSSES):
        intervals[name] = with_spread(intervals[name], labels, groups)
    measures = {
        name: Measure(values[name], *intervals.get(name, (None, None)))
        if name in known
        else Measure(None)
        for name in asked
    }
    return Level(len(labels), len(labels) - fakes, fakes, distinct, measures)
