"""Scored clips as arrays, and numbers of them with intervals that draw whole people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain import calibration as calibrations
from dfexplain import metrics
from dfexplain.intervals import mean_interval
from dfexplain.structures import Calibration, Number
from train import evaluate
from train.measures import chance, measure
from train.scores import ScoredVideo

__all__ = ["UNMEASURED", "Sample", "share"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

UNMEASURED = Number(None, None, None, 0, None)
SEED = 42


def share(hits: Bools, groups: NDArray[np.generic], resamples: int) -> Number:
    """The share of `hits` (N,), with a 95 % interval that draws whole `groups` (N,).

    Where no draw can differ, because all or none are hit, the interval is Wilson's over the groups.
    """
    if not len(hits):
        return UNMEASURED
    low, high = mean_interval(hits.astype(np.float64), groups, resamples=resamples, seed=SEED)
    return Number(float(hits.mean()), low, high, len(hits), None)


@dataclass(frozen=True)
class Sample:
    """N scored videos: `scores` (N,) in logits, `labels` (N,), `groups` (N,) of people, and whether
    the probability was `withdrawn` (N,). `fitted` is the calibration of the weights."""

    scores: Floats
    labels: Ints
    groups: NDArray[np.str_]
    withdrawn: Bools
    fitted: Calibration | None
    resamples: int

    @staticmethod
    def of(scored: Sequence[ScoredVideo], fitted: Calibration | None, resamples: int) -> Sample:
        """Those of the videos that have a score."""
        kept = [s for s in scored if s.score is not None]
        return Sample(
            scores=np.array([s.score for s in kept], np.float64),
            labels=np.array([s.record.label for s in kept], np.int64),
            groups=evaluate.groups_of(kept),
            withdrawn=np.array([s.withdrawn for s in kept], bool),
            fitted=fitted,
            resamples=resamples,
        )

    def only(self, inside: Bools) -> Sample:
        """The videos that are `inside` (N,)."""
        return Sample(
            self.scores[inside],
            self.labels[inside],
            self.groups[inside],
            self.withdrawn[inside],
            self.fitted,
            self.resamples,
        )

    def number(self, name: str) -> Number:
        """A measure of `train.measures` by its name; not measured where a class is missing."""
        fakes = int(self.labels.sum())
        if not 0 < fakes < len(self.labels):
            return UNMEASURED
        level = measure(
            self.scores, self.labels, self.groups, None, self.fitted, self.resamples, (name,)
        )
        if name not in level.measures:
            return UNMEASURED
        found = level.measures[name]
        return Number(found.value, found.low, found.high, level.n, chance(name, level.prevalence))

    def ece_if_true(self) -> Number:
        """The ECE in 15 bins that as many clips would show if each probability were true.

        Labels are drawn from the probabilities, `resamples` times (consistency resampling: Bröcker
        and Smith, Weather and Forecasting 2007): their mean, and what 95 % of them lie between. No
        calibration can be told from a perfect one within it. Clips count as independent, which
        several of one person are not, so the true range is wider.
        """
        if self.fitted is None or not len(self.scores):
            return UNMEASURED
        p = calibrations.p_fake(self.fitted, self.scores)
        draws = np.random.default_rng(SEED).random((self.resamples, len(p))) < p
        shown = [metrics.expected_calibration_error(p, labels.astype(np.int64)) for labels in draws]
        low, high = np.percentile(shown, (2.5, 97.5))
        return Number(float(np.mean(shown)), float(low), float(high), len(p), None)

    def called_fake(self, label: int) -> Number:
        """The share of the real (0) or fake (1) videos at or above the shipped threshold."""
        if self.fitted is None:
            return UNMEASURED
        own = self.labels == label
        above = self.scores[own] >= self.fitted.threshold
        return share(above, self.groups[own], self.resamples)

    def misses(self) -> Number:
        """The share of the fakes at or below the band's lower edge, where the answer is "real"."""
        if self.fitted is None:
            return UNMEASURED
        own = self.labels == 1
        return share(self.scores[own] <= self.fitted.band_low, self.groups[own], self.resamples)

    def undecided(self) -> Number:
        """The share of the videos within the band in which the tool abstains."""
        if self.fitted is None:
            return UNMEASURED
        inside = (self.scores > self.fitted.band_low) & (self.scores < self.fitted.threshold)
        return share(inside, self.groups, self.resamples)
