"""Numbers about scores and labels, with intervals. Label 1 is fake; higher scores are more fake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["auc", "bootstrap_interval", "expected_calibration_error", "wilson_interval"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def auc(scores: Floats, labels: Ints) -> float:
    """Area under the ROC curve: how often a fake outranks a real one, ties counted half.

    `scores` (N,), `labels` (N,) of 0 and 1, both classes present, else ValueError. Mann-Whitney U
    (Hanley and McNeil, Radiology 1982, eq. 1).
    """
    fake, real = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    if not len(fake) or not len(real):
        raise ValueError(
            f"labels must hold both classes, but got {len(real)} real and {len(fake)} fake."
        )
    below = np.searchsorted(real, fake, side="left")
    below_or_equal = np.searchsorted(real, fake, side="right")
    return float((below + below_or_equal).sum() / (2.0 * len(fake) * len(real)))


def bootstrap_interval(
    statistic: Callable[[Floats, Ints], float],
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    *,
    resamples: int = 1000,
    seed: int = 42,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `statistic(scores, labels)`, clustered by `groups`
    (N,).

    Whole groups (people, sources) are drawn with replacement, since videos of one source are not
    independent (Efron and Tibshirani 1993, ch. 8 and 13). Draws with one class only are repeated.
    """
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < resamples:
        drawn = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[i] for i in drawn])
        if 0 < labels[rows].sum() < len(rows):
            values.append(statistic(scores[rows], labels[rows]))
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def expected_calibration_error(p_fake: Floats, labels: Ints, bins: int = 15) -> float:
    """ECE in `bins` bins of equal width of p_fake (N,) in 0..1 (Guo et al., ICML 2017, eq. 3)."""
    place = np.clip((p_fake * bins).astype(np.int64), 0, bins - 1)
    error = 0.0
    for b in np.unique(place):
        inside = place == b
        gap = abs(float(labels[inside].mean()) - float(p_fake[inside].mean()))
        error += gap * float(inside.mean())
    return error


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share `hits / total` (Wilson, JASA 1927); (0, 1) where total is 0."""
    if total == 0:
        return 0.0, 1.0
    z = 1.959963984540054
    share = hits / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
