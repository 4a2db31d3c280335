"""Intervals of means and of the AUC, drawn by whole groups: a group is a person or a source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfexplain import metrics
from dfexplain.metrics import wilson_interval

__all__ = ["auc_interval", "mean_interval", "with_spread"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def auc_interval(
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    *,
    resamples: int = 1000,
) -> tuple[float, float]:
    """95 % interval of the AUC of scores (N,), whole `groups` (N,) drawn."""
    drawn = metrics.bootstrap_interval(metrics.auc, scores, labels, groups, resamples=resamples)
    return with_spread(drawn, labels, groups)


def with_spread(
    drawn: tuple[float, float], labels: Ints, groups: NDArray[np.generic]
) -> tuple[float, float]:
    """`drawn`, the bootstrap interval of a measure in 0..1. Where no draw differs because all is
    right, or all wrong: what so many groups allow as the rarer class has (Wilson's)."""
    low, high = drawn
    if low == high and low in (0.0, 1.0):
        count = min(len(np.unique(groups[labels == label])) for label in (0, 1))
        return wilson_interval(low * count, count)
    return drawn


def mean_interval(
    values: Floats,
    groups: NDArray[np.generic],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    resamples: int = 1000,
    seed: int = 42,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `values` (N,), whole `groups` (N,) drawn.

    Where no draw can differ, because all values are one or there is one group, the interval is
    Wilson's over the groups, within the `bounds` of what a value can be. N is at least 1.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) > 1 and float(np.ptp(values)) > 0.0:
        drawn = np.random.default_rng(seed).multinomial(
            len(names), np.full(len(names), 1.0 / len(names)), size=resamples
        )
        count, total = np.bincount(group), np.bincount(group, weights=values)
        low, high = np.percentile(drawn @ total / (drawn @ count), (2.5, 97.5))
        return float(low), float(high)
    floor, span = bounds[0], bounds[1] - bounds[0]
    share = (float(values.mean()) - floor) / span
    low, high = wilson_interval(share * len(names), len(names))
    return floor + span * low, floor + span * high
