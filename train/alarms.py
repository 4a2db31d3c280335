"""False alarms: what a detector says of recordings that are known to be genuine.

A threshold is set on clips that were made of portraits. Whether it keeps its promise before one's
own cameras takes no forgeries to find out, only recordings that nobody forged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfexplain import evaluation as evaluations
from dfexplain.errors import SettingError
from dfexplain.structures import Calibration, Cell, Evaluation, EvaluationTable, Number
from train import evaluate
from train.importers import files
from train.records import VideoRecord
from train.scores import ScoredVideo
from train.suite.numbers import Sample, share

__all__ = ["below", "check", "genuine", "measure", "measured_on", "recorded"]

# Recordings of a set, or it has no row of its own.
TOLD_FROM = 5


def genuine(videos: Sequence[VideoRecord]) -> list[VideoRecord]:
    """Those that are real, or that nobody labelled, as real ones; fakes are left out."""
    return [replace(video, label=0) for video in videos if not video.label]


def below(folder: Path) -> list[VideoRecord]:
    """The videos of a folder as real ones; each first sub-folder is a data set of its own."""
    found = [path.relative_to(folder) for path in files.videos_below(folder)]
    own = folder.resolve().name
    return [VideoRecord(p.as_posix(), 0, p.parts[0] if len(p.parts) > 1 else own) for p in found]


def check(fitted: Calibration | None, target: float) -> Calibration:
    """The calibration. Raises SettingError without one, and for a target that is no share."""
    if fitted is None:
        raise SettingError(
            "--weights must be calibrated to have a threshold, but these are not. Use "
            "`python -m train calibrate`."
        )
    if not 0.0 < target < 1.0:
        raise SettingError(f"--target-fpr must lie in 0..1, but got {target:g}. 0.05 is usual.")
    return fitted


def _threshold_for(scores: NDArray[np.float64], rate: float) -> float:
    """The smallest threshold with at most `rate` of the scores (N,) at or above it."""
    falling = np.sort(scores)[::-1]
    return float(np.nextafter(falling[int(rate * len(scores))], np.inf))


def measure(
    scored: Sequence[ScoredVideo],
    fitted: Calibration | None,
    *,
    target: float = 0.05,
    resamples: int = 1000,
) -> EvaluationTable:
    """How many of the genuine recordings are flagged, and the threshold at which at most `target`
    of them would be, with what it would find of the forged videos of the calibration.

    Intervals draw whole groups: recordings that share a person or a source. Raises SettingError
    where no recording has a score, and as `check` does.
    """
    fitted = check(fitted, target)
    sample = Sample.of(scored, fitted, resamples)
    if not len(sample.scores):
        raise SettingError(
            f"genuine recordings must show faces, but none of {len(scored)} has a score "
            f"({scored[0].reason if scored else 'there is none'}). Take others."
        )
    groups = evaluate.groups_of(scored)
    has_score = np.array([s.score is not None for s in scored])
    flagged = sample.scores >= fitted.threshold
    needed = _threshold_for(sample.scores, target)
    forged = fitted.scores[fitted.labels == 1]
    shown = ~sample.withdrawn

    def of(hits: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Number:
        return share(hits[inside], sample.groups[inside], resamples)

    rows: list[tuple[Cell, ...]] = [
        ("at or above the threshold (false alarms)", share(flagged, sample.groups, resamples)),
        (evaluations.ALARMS, of(flagged, shown)),
        ("whose probability is withdrawn", share(sample.withdrawn, sample.groups, resamples)),
        ("in the band of no answer", sample.undecided()),
        ("with a score (coverage)", share(has_score, groups, resamples)),
    ]
    sets = np.array([s.record.dataset for s in scored if s.score is not None])
    names = sorted(set(sets))
    if len(names) > 1:
        rows += [
            (
                f"false alarms in {name if name.isprintable() else ascii(name)}",
                of(flagged, sets == name),
            )
            for name in names
            if (sets == name).sum() >= TOLD_FROM
        ]
    rows += [
        ("the threshold, a score", Number(fitted.threshold, None, None, 0, None)),
        (
            f"threshold with at most {target:g} of these at or above it",
            Number(needed, None, None, len(sample.scores), None),
        ),
        (
            "forged videos of the calibration at or above that",
            Number(float((forged >= needed).mean()), None, None, len(forged), None),
        ),
    ]
    promised = fitted.false_positive_rate
    return EvaluationTable(
        evaluations.GENUINE,
        "Genuine recordings",
        f"{measured_on(scored)} Of the real videos that the threshold was set on, {promised:.3f} "
        "are at or above it; more than that here means that these recordings are unlike those.",
        ("measure", "value"),
        tuple(rows),
    )


def measured_on(scored: Sequence[ScoredVideo]) -> str:
    """What the recordings are, in one sentence."""
    groups = len(np.unique(evaluate.groups_of(scored)))
    return f"{len(scored)} genuine recordings of {groups} people or sources, none of them forged."


def recorded(evaluation: Evaluation, table: EvaluationTable) -> Evaluation:
    """The evaluation with this table in the place of an older one, or at its end."""
    others = tuple(other for other in evaluation.tables if other.key != evaluations.GENUINE)
    return replace(evaluation, tables=(*others, table))
