"""What a score is worth to a reader with a prior of their own: rates at a threshold, predictive
values, operating points, and what abstaining buys.

Everything follows from the validation scores that a calibration carries, and stands beside its
sample size. Those videos hold as many fakes as real ones, or are weighted as if they did; how many
fakes there are among the videos that a reader gets, only the reader knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain.metrics import wilson_interval
from dfexplain.structures import Calibration, Number

__all__ = [
    "BASE_RATE",
    "PRIORS",
    "TARGETS",
    "Of",
    "OperatingPoint",
    "RiskCoverage",
    "at_threshold",
    "of_hundred",
    "on_others",
    "operating_points",
    "predictive_value",
    "risk_coverage",
    "shifted",
]

Floats = NDArray[np.float64]

# The share of fakes that a calibrated p takes for granted: both classes count alike when it is
# fitted (`scaling.balance`).
BASE_RATE = 0.5
# Steps of a reader's own prior, about even on a logarithmic scale.
PRIORS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
# False positive rates at which an operating point is asked for.
TARGETS = (0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it costs: at or above it a video is flagged.

    `target` is the false positive rate that was asked for, None for the calibration's own
    threshold. Where there are too few real videos to see such a rate (n < 1 / target), no threshold
    is given: even none flagged of n leaves a rate of up to `false_positives.high`. `found` is the
    share of the fakes at or above it.
    """

    target: float | None
    threshold: float | None
    false_positives: Number
    found: Number | None


@dataclass(frozen=True)
class Of:
    """Natural frequencies (Gigerenzer and Hoffrage, Psychological Review 1995): of `total` videos
    with `fakes` among them, `flagged` are flagged, `right` of those are fakes. Expected numbers."""

    total: int
    fakes: float
    flagged: float
    right: float


@dataclass(frozen=True)
class RiskCoverage:
    """What abstaining buys, from no band to the widest, a row each way to draw the band (K,).

    `half_width` in logits about the middle of the calibration's band; `coverage` is the share of
    videos that get an answer and `risk` the share of wrong ones among these, with its 95 %
    interval `low` to `high` (nan where none is left); `answered` counts them. `shipped` is the row
    of the calibration's own band. All shares hold at a base rate of `prior`.
    """

    prior: float
    half_width: Floats
    coverage: Floats
    risk: Floats
    low: Floats
    high: Floats
    answered: NDArray[np.int64]
    shipped: int


def _share(hits: int, total: int) -> Number:
    if total == 0:
        return Number(None, None, None, n=0, chance=None)
    low, high = wilson_interval(hits, total)
    return Number(hits / total, low, high, n=total, chance=None)


def at_threshold(
    calibration: Calibration, threshold: float, target: float | None = None
) -> OperatingPoint:
    """What a threshold (a logit of a video) costs and finds, with Wilson's intervals."""
    above = calibration.scores >= threshold
    counts = [(int(above[mine].sum()), int(mine.sum())) for mine in _classes(calibration)]
    return OperatingPoint(target, threshold, _share(*counts[0]), _share(*counts[1]))


def _classes(calibration: Calibration) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return calibration.labels == 0, calibration.labels == 1


def operating_points(
    calibration: Calibration, targets: Sequence[float] = TARGETS
) -> tuple[OperatingPoint, ...]:
    """The calibration's own threshold, and the lowest one with at most each of the `targets` of the
    real validation videos at or above it."""
    real = np.sort(calibration.scores[calibration.labels == 0])
    out = [at_threshold(calibration, calibration.threshold)]
    for target in targets:
        # 0.1 * 30 is 3.0000000000000004 or 2.9999999999999996: allow for the last digit.
        allowed = int(target * len(real) + 1e-9)
        if allowed == 0:
            out.append(OperatingPoint(target, None, _share(0, len(real)), None))
            continue
        above = float(np.nextafter(real[len(real) - 1 - allowed], np.inf))
        out.append(at_threshold(calibration, above, target))
    return tuple(out)


def on_others(
    calibration: Calibration, genuine: Number | None, found: Number | None
) -> OperatingPoint | None:
    """The calibration's own threshold with the rates of videos that it was not made of.

    `genuine` is the share of recordings that nobody forged which are flagged, `found` that of
    deepfakes which others made (`structures.WeightsInfo`). None unless both were measured.
    """
    if genuine is None or genuine.value is None or found is None or found.value is None:
        return None
    return OperatingPoint(None, calibration.threshold, genuine, found)


def _ratio_interval(
    found: tuple[float, float, float], false: tuple[float, float, float]
) -> tuple[float, float]:
    """95 % interval of found / false, each (value, low, high), from the limits of both.

    MOVER, the method of variance estimates recovery (Donner and Zou, Stat. Methods Med. Res. 2012,
    sec. 3, for ratios), in a form that divides by nothing that may vanish. It needs no counts above
    zero, unlike the delta method on logits (Mercaldo, Lau and Zhou, Stat. Med. 2007).
    """
    (a, a_low, a_high), (b, b_low, b_high) = found, false
    least = a_low * (2 * a - a_low)
    root = max(0.0, (a * b) ** 2 - least * b_high * (2 * b - b_high))
    low = least / (a * b + root**0.5) if least > 0 else 0.0
    below = b_low * (2 * b - b_low)
    if below <= 0:
        return low, float("inf")
    root = max(0.0, (a * b) ** 2 - a_high * (2 * a - a_high) * below)
    return low, (a * b + root**0.5) / below


def predictive_value(point: OperatingPoint, prior: float) -> Number | None:
    """How many of the flagged videos are fakes where `prior` (0..1) of all are: Bayes' rule.

    odds = prior odds * found / false positives, and the interval likewise, `prior` being taken as
    known. None where the point has no threshold or nothing was flagged in the validation videos. n
    is the number of validation videos.
    """
    found, false = point.found, point.false_positives
    if found is None or found.value is None or false.value is None:
        return None
    if found.value == false.value == 0:
        return None
    ends = [(x.value or 0.0, x.low or 0.0, x.high or 0.0) for x in (found, false)]
    low, high = _ratio_interval(ends[0], ends[1])
    value = found.value / false.value if false.value else float("inf")
    middle, least, most = (_of_odds(x, prior) for x in (value, low, high))
    return Number(middle, least, most, n=found.n + false.n, chance=prior)


def _of_odds(ratio: float, prior: float) -> float:
    """The probability after evidence with this likelihood ratio."""
    return 1.0 if ratio == float("inf") else prior * ratio / (prior * ratio + 1.0 - prior)


def of_hundred(point: OperatingPoint, prior: float) -> Of | None:
    """The same in whole videos: of 100, or of as many as hold one fake. None as above."""
    found, false = point.found, point.false_positives
    if found is None or found.value is None or false.value is None:
        return None
    total = 100
    while total * prior < 1 - 1e-9:
        total *= 10
    fakes = total * prior
    right = fakes * found.value
    return Of(total, fakes, right + (total - fakes) * false.value, right)


def shifted(p: float, prior: float, base: float = BASE_RATE) -> float:
    """What a calibrated p becomes where `prior` of the videos are fakes instead of `base`.

    odds * (prior odds / base odds), which holds where fakes, and real videos, score as they did
    when it was calibrated (Saerens, Latinne and Decaestecker, Neural Computation 2002, eq. 4).
    """
    if p >= 1.0:
        return 1.0
    return _of_odds(p / (1.0 - p) * (1.0 - base) / base, prior)


def risk_coverage(calibration: Calibration, prior: float = BASE_RATE) -> RiskCoverage:
    """The selective risk at every width of the band (El-Yaniv and Wiener, JMLR 2010): from its
    middle it is drawn wider and narrower, and passes through the calibration's own.

    Videos count such that `prior` of them are fakes; the intervals are Wilson's on the effective
    number (Kish 1965).
    """
    scores, fake = calibration.scores, calibration.labels == 1
    middle = (calibration.band_low + calibration.threshold) / 2
    half = (calibration.threshold - calibration.band_low) / 2
    far = np.abs(scores - middle)
    # Rounding of the middle must not move a video over the edge of the band that ships.
    answered = (scores >= calibration.threshold) | (scores <= calibration.band_low)
    far = np.where(answered, np.maximum(far, half), np.minimum(far, np.nextafter(half, -np.inf)))
    widths = np.unique(np.concatenate([[0.0, half], far]))
    weight = np.where(fake, prior / max(fake.sum(), 1), (1 - prior) / max((~fake).sum(), 1))
    wrong = (scores >= middle) != fake
    order = np.argsort(far, kind="stable")
    # All videos at least so far from the middle: sums from the far end.
    first = np.searchsorted(far[order], widths, side="left")
    sums = [
        np.append(np.cumsum((values * weight**power)[order][::-1])[::-1], 0.0)[first]
        for values, power in ((np.ones(len(far)), 1), (wrong, 1), (np.ones(len(far)), 2))
    ]
    coverage, bad, squares = sums
    count = len(far) - first
    kept = count > 0
    risk = np.where(kept, np.clip(bad / np.where(kept, coverage, 1.0), 0.0, 1.0), np.nan)
    effective = coverage**2 / np.where(kept, squares, 1.0)
    ends = [
        wilson_interval(float(r * n), float(n)) if k else (np.nan, np.nan)
        for r, n, k in zip(risk, effective, kept, strict=True)
    ]
    low, high = np.array(ends).T
    shipped = int(np.searchsorted(widths, half))
    return RiskCoverage(prior, widths, np.minimum(coverage, 1.0), risk, low, high, count, shipped)
