"""Numbers about scores and labels, with intervals. Label 1 is fake; higher scores are more fake.

A `Metric` is called with scores (N,) and labels (N,) of 0 and 1. Its `many` does the same for R
rows of weights at once, which is what makes a bootstrap quick: a resample is a row that says how
often each video was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Metric",
    "Operating",
    "accuracy_at",
    "auc",
    "average_precision",
    "balanced_accuracy_at",
    "bootstrap_interval",
    "bootstrap_intervals",
    "brier",
    "calibration_error",
    "eer",
    "expected_calibration_error",
    "f1_at",
    "log_loss",
    "operating",
    "resamples_of",
    "tpr_at",
    "weighted",
    "wilson_interval",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows of weights that are worked on at once hold at most so many numbers: 32 MB.
_CHUNK = 4_000_000


def _share(part: Floats, whole: Floats) -> Floats:
    """part / whole, nan where the whole is nothing."""
    whole = np.broadcast_to(np.asarray(whole, np.float64), np.shape(part))
    out = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


@dataclass(frozen=True)
class Metric:
    """A number about scores (N,) and labels (N,). `many` takes weights (R, N) too and gives (R,).

    Where a class that it needs is missing, `many` gives nan and the call raises ValueError.
    """

    many: Callable[[Floats, Ints, Floats], Floats]

    def __call__(self, scores: Floats, labels: Ints) -> float:
        value = float(self.many(scores, labels, np.ones((1, len(scores))))[0])
        if np.isnan(value):
            fakes = int(np.sum(labels))
            raise ValueError(
                f"labels must hold both classes, but got {len(labels) - fakes} real and "
                f"{fakes} fake."
            )
        return value


def weighted(metric: Metric, weights: Floats) -> Metric:
    """The same metric with videos that count unlike: `weights` (N,), in the order of the scores."""
    return Metric(lambda scores, labels, drawn: metric.many(scores, labels, drawn * weights))


@dataclass(frozen=True)
class Operating:
    """Weight of the reals and fakes at or above each distinct score, from the highest down.

    `threshold` (K,); `false_positives` and `hits` (R, K); `reals` and `fakes` (R, 1) are all there
    are (Fawcett, Pattern Recognition Letters 2006, algorithm 1). Equal scores are one threshold.
    """

    threshold: Floats
    false_positives: Floats
    hits: Floats
    reals: Floats
    fakes: Floats

    def rates(self) -> tuple[Floats, Floats]:
        """False and true positive rates (R, K + 1), each from 0 to 1; nan without the class."""
        start = np.zeros((len(self.hits), 1))
        false = _share(np.concatenate([start, self.false_positives], axis=1), self.reals)
        return false, _share(np.concatenate([start, self.hits], axis=1), self.fakes)


def operating(scores: Floats, labels: Ints, weights: Floats | None = None) -> Operating:
    """Every operating point of scores (N,), for each row of weights (R, N) (one row of ones)."""
    weights = np.ones((1, len(scores))) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    ranked, drawn = scores[order], weights[:, order]
    last = np.flatnonzero(np.diff(ranked, append=-np.inf) != 0)
    hits = np.cumsum(drawn * (labels[order] == 1), axis=1)[:, last]
    false = np.cumsum(drawn, axis=1)[:, last] - hits
    return Operating(ranked[last], false, hits, false[:, -1:], hits[:, -1:])


@Metric
def auc(scores: Floats, labels: Ints, weights: Floats) -> Floats:
    """Area under the ROC curve: how often a fake outranks a real one, ties counted half.

    Mann-Whitney U (Hanley and McNeil, Radiology 1982, eq. 1).
    """
    at = operating(scores, labels, weights)
    steps = np.diff(at.false_positives, axis=1, prepend=0.0)
    before = np.concatenate([np.zeros((len(weights), 1)), at.hits[:, :-1]], axis=1)
    area = (steps * (at.hits + before)).sum(axis=1)
    return _share(area, 2.0 * (at.reals * at.fakes)[:, 0])


@Metric
def average_precision(scores: Floats, labels: Ints, weights: Floats) -> Floats:
    """Mean precision over the fakes, without interpolation; chance is the share of fakes."""
    at = operating(scores, labels, weights)
    precision = np.nan_to_num(_share(at.hits, at.hits + at.false_positives))
    gained = np.diff(at.hits, axis=1, prepend=0.0)
    return _share((gained * precision).sum(axis=1), np.where(at.reals > 0, at.fakes, 0.0)[:, 0])


@Metric
def eer(scores: Floats, labels: Ints, weights: Floats) -> Floats:
    """Equal error rate: where the ROC curve, joined by straight lines, has FPR = 1 - TPR."""
    false, true = operating(scores, labels, weights).rates()
    gap = (1.0 - true) - false
    after = np.argmax(gap <= 0.0, axis=1)[:, None]
    before = np.maximum(after - 1, 0)
    pairs = [[np.take_along_axis(x, i, 1)[:, 0] for i in (before, after)] for x in (gap, false)]
    (gap_before, gap_after), (low, high) = pairs
    return np.asarray(low + (high - low) * _share(gap_before, gap_before - gap_after))


def tpr_at(rate: float) -> Metric:
    """The highest true positive rate of any threshold with a false positive rate of at most `rate`.

    No interpolation: with fewer than 1 / rate reals it is the rate without any false positive.
    """

    def many(scores: Floats, labels: Ints, weights: Floats) -> Floats:
        false, true = operating(scores, labels, weights).rates()
        known = ~np.isnan(false[:, -1])
        # Sums of weights are whole numbers, their quotients are not: allow for the last digit.
        best = np.where(false <= rate + 1e-12, true, 0.0).max(axis=1)
        return np.where(known, best, np.nan)

    return Metric(many)


def _decided(
    scores: Floats, labels: Ints, weights: Floats, threshold: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Weight of the hits, false positives, fakes and reals, (R,) each; at the threshold is fake."""
    above, fake = scores >= threshold, labels == 1
    hits, false = weights @ (above & fake), weights @ (above & ~fake)
    return hits, false, weights @ fake, weights @ ~fake


def accuracy_at(threshold: float) -> Metric:
    """Share of right answers where `threshold` and above is called fake."""

    def many(scores: Floats, labels: Ints, weights: Floats) -> Floats:
        hits, false, fakes, reals = _decided(scores, labels, weights, threshold)
        return _share(hits + reals - false, fakes + reals)

    return Metric(many)


def balanced_accuracy_at(threshold: float) -> Metric:
    """Mean of the true positive and the true negative rate; 0.5 is chance for any set."""

    def many(scores: Floats, labels: Ints, weights: Floats) -> Floats:
        hits, false, fakes, reals = _decided(scores, labels, weights, threshold)
        return (_share(hits, fakes) + _share(reals - false, reals)) / 2.0

    return Metric(many)


def f1_at(threshold: float) -> Metric:
    """Harmonic mean of precision and recall of the fakes; 0 where nothing is called fake."""

    def many(scores: Floats, labels: Ints, weights: Floats) -> Floats:
        hits, false, fakes, _ = _decided(scores, labels, weights, threshold)
        return _share(2.0 * hits, np.where(fakes > 0, fakes + hits + false, 0.0))

    return Metric(many)


def log_loss(clip: float = 1e-7) -> Metric:
    """Mean -log of the probability given to the truth, p_fake kept within clip..1 - clip.

    In float64 a p of 1 with clip 1e-15 costs 34.5, with 1e-7 it costs 16.1.
    """

    def many(p_fake: Floats, labels: Ints, weights: Floats) -> Floats:
        p = np.clip(p_fake, clip, 1.0 - clip)
        return _share(weights @ -np.log(np.where(labels == 1, p, 1.0 - p)), weights.sum(axis=1))

    return Metric(many)


@Metric
def brier(p_fake: Floats, labels: Ints, weights: Floats) -> Floats:
    """Mean squared distance of p_fake from the truth (Brier 1950, halved as is usual)."""
    return _share(weights @ (p_fake - labels) ** 2, weights.sum(axis=1))


def calibration_error(bins: int = 15, *, adaptive: bool = False) -> Metric:
    """Mean gap between p_fake and the share of fakes, over `bins` bins weighted by what they hold.

    Bins of equal width give ECE (Guo et al., ICML 2017, eq. 3). `adaptive` bins hold equally many
    videos each and give ACE (Nixon et al., CVPR workshops 2019, eq. 4, for two classes); equal
    probabilities are never parted between bins, or the order of the rows would count.
    """

    def equal_width(p_fake: Floats, labels: Ints, weights: Floats) -> Floats:
        place = np.clip((p_fake * bins).astype(np.int64), 0, bins - 1)
        gap = np.eye(bins)[place] * (labels - p_fake)[:, None]
        return _share(np.abs(weights @ gap).sum(axis=1), weights.sum(axis=1))

    def equal_mass(p_fake: Floats, labels: Ints, weights: Floats) -> Floats:
        at = operating(p_fake, labels, weights)
        up_to = at.hits + at.false_positives
        mass = np.diff(up_to, axis=1, prepend=0.0)
        gap = np.diff(at.hits, axis=1, prepend=0.0) - mass * at.threshold
        total = up_to[:, -1:]
        middle = _share((up_to - mass / 2.0) * bins, total)
        place = np.clip(np.nan_to_num(middle).astype(np.int64), 0, bins - 1)
        cell = (place + np.arange(len(weights))[:, None] * bins).ravel()
        sums = np.bincount(cell, weights=gap.ravel(), minlength=len(weights) * bins)
        return _share(np.abs(sums.reshape(-1, bins)).sum(axis=1), total[:, 0])

    return Metric(equal_mass if adaptive else equal_width)


expected_calibration_error = calibration_error()


def resamples_of(
    labels: Ints, groups: NDArray[np.generic], resamples: int, seed: int
) -> Iterator[Floats]:
    """Rows of weights (R, N), a few at a time, `resamples` in all: how often each video was drawn.

    Whole groups (people, sources) are drawn with replacement, since videos of one source are not
    independent (Efron and Tibshirani 1993, ch. 8 and 13). Draws with one class only are repeated.
    Raises ValueError where no draw can hold both classes.
    """
    names, group = np.unique(groups, return_inverse=True)
    fake = labels == 1
    if fake.all() or not fake.any():
        raise ValueError(f"labels must hold both classes, but got {int(fake.sum())} fake only.")
    rng = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // max(len(labels), 1))
    left = resamples
    while left > 0:
        rows = min(left, at_once)
        drawn = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=rows)
        weights = drawn[:, group].astype(np.float64)
        both = (weights[:, fake].sum(axis=1) > 0) & (weights[:, ~fake].sum(axis=1) > 0)
        left -= int(both.sum())
        yield weights[both]


def bootstrap_intervals(
    metrics: Mapping[str, tuple[Metric, Floats]],
    labels: Ints,
    groups: NDArray[np.generic],
    *,
    resamples: int = 1000,
    seed: int = 42,
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals of several metrics on the same resamples.

    `metrics` gives each name its metric and what it is measured on (N,): scores or p_fake.
    """
    values: dict[str, list[Floats]] = {name: [] for name in metrics}
    for weights in resamples_of(labels, groups, resamples, seed):
        for name, (metric, scores) in metrics.items():
            values[name].append(metric.many(scores, labels, weights))
    out = {}
    for name, parts in values.items():
        low, high = np.nanpercentile(np.concatenate(parts), (2.5, 97.5))
        out[name] = (float(low), float(high))
    return out


def bootstrap_interval(
    metric: Metric,
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    *,
    resamples: int = 1000,
    seed: int = 42,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of one metric, clustered by `groups` (N,)."""
    one = {"": (metric, np.asarray(scores, np.float64))}
    return bootstrap_intervals(one, labels, groups, resamples=resamples, seed=seed)[""]


def wilson_interval(hits: float, total: float) -> tuple[float, float]:
    """95 % interval of a share `hits / total` (Wilson, JASA 1927); (0, 1) where total is 0."""
    if total == 0:
        return 0.0, 1.0
    z = 1.959963984540054
    share = hits / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
