"""Is one set of scores better than another on the same videos? Paired, never by two intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain import metrics

__all__ = ["Comparison", "delong", "paired"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """A minus B: the difference of their metric, its 95 % interval, and how likely chance gives it.

    `p_value` is two-sided, for the hypothesis that both are equally good.
    """

    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    p_value: float


def paired(
    a: Floats,
    b: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    *,
    metric: metrics.Metric = metrics.auc,
    resamples: int = 2000,
    seed: int = 42,
) -> Comparison:
    """Compare scores `a` and `b` (N,) of the same videos by a bootstrap that draws whole groups.

    Both are measured on each resample, so what is easy for both cancels out (Efron and Tibshirani
    1993, ch. 16). The p value counts resamples on the far side of 0, one added to each count.
    """
    parts = [
        metric.many(a, labels, weights) - metric.many(b, labels, weights)
        for weights in metrics.resamples_of(labels, groups, resamples, seed)
    ]
    differences = np.concatenate(parts)
    low, high = np.percentile(differences, (2.5, 97.5))
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    value_a, value_b = metric(a, labels), metric(b, labels)
    return Comparison(
        value_a,
        value_b,
        value_a - value_b,
        (float(low), float(high)),
        min(1.0, 2.0 * (tail + 1) / (len(differences) + 1)),
    )


def _placements(scores: Floats, labels: Ints) -> tuple[Floats, Floats]:
    """Of each fake the share of reals below it, of each real the share of fakes above it."""
    fake, real = scores[labels == 1], scores[labels == 0]

    def below(x: Floats, others: Floats) -> Floats:
        ranked = np.sort(others)
        both = np.searchsorted(ranked, x, "left") + np.searchsorted(ranked, x, "right")
        return np.asarray(both / (2.0 * len(others)), np.float64)

    return below(fake, real), 1.0 - below(real, fake)


def delong(a: Floats, b: Floats, labels: Ints) -> Comparison:
    """Compare the AUC of `a` and `b` (N,) for videos that are independent of each other.

    DeLong, DeLong and Clarke-Pearson, Biometrics 1988, eq. 4 to 7, by ranks as in Sun and Xu, IEEE
    Signal Processing Letters 2014. Videos that share a person or a source are not independent: use
    `paired` for them. Needs two videos of each class, else ValueError.
    """
    fakes = int(np.sum(labels))
    if min(fakes, len(labels) - fakes) < 2:
        raise ValueError(
            f"labels must hold two of each class, but got {len(labels) - fakes} real and "
            f"{fakes} fake."
        )
    fake_a, real_a = _placements(a, labels)
    fake_b, real_b = _placements(b, labels)
    value_a, value_b = float(fake_a.mean()), float(fake_b.mean())
    variance = np.var(fake_a - fake_b, ddof=1) / fakes
    variance += np.var(real_a - real_b, ddof=1) / (len(labels) - fakes)
    deviation = float(np.sqrt(variance))
    difference = value_a - value_b
    half = 1.959963984540054 * deviation
    z = abs(difference) / deviation if deviation > 0 else (np.inf if difference else 0.0)
    return Comparison(
        value_a, value_b, difference, (difference - half, difference + half), _two_sided(float(z))
    )


def _two_sided(z: float) -> float:
    """The chance that a normal variable lies at least `z` deviations from its mean."""
    return math.erfc(z / math.sqrt(2.0))
