"""False alarms: what a detector says of recordings that are known to be genuine, and of deepfakes.

A threshold is set on clips that were made of portraits. Whether it keeps its promise before one's
own cameras takes no forgeries to find out, only recordings that nobody forged; what it then finds
takes deepfakes of the same world.
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
from train.suite import labelled
from train.suite.numbers import Sample, share

__all__ = ["below", "check", "measure", "measured_on", "recorded", "unforged"]

# Videos of a set or of a method, or it has no row of its own.
TOLD_FROM = 5


def unforged(videos: Sequence[VideoRecord]) -> list[VideoRecord]:
    """The videos, those that nobody labelled as real ones."""
    return [video if video.label else replace(video, label=0) for video in videos]


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
) -> tuple[EvaluationTable, ...]:
    """How many of the genuine recordings are flagged, and the threshold at which at most `target`
    of them would be, with what it would find of the forged videos of the calibration.

    Where there are deepfakes among the videos, a second table says how they are told from the
    recordings. Intervals draw whole groups: videos that share a person or a source. Raises
    SettingError where no recording has a score, and as `check` does.
    """
    fitted = check(fitted, target)
    recordings = [s for s in scored if s.record.label == 0]
    sample = Sample.of(recordings, fitted, resamples)
    if not len(sample.scores):
        reason = recordings[0].reason if recordings else "there is none"
        raise SettingError(
            f"genuine recordings must show faces, but none of {len(recordings)} has a score "
            f"({reason}). Take others."
        )
    needed = _threshold_for(sample.scores, target)
    tables = [_of_recordings(recordings, sample, needed, target)]
    if len(recordings) < len(scored):
        tables.append(_of_deepfakes(scored, fitted, needed, resamples))
    return tuple(tables)


def _of_recordings(
    recordings: Sequence[ScoredVideo], sample: Sample, needed: float, target: float
) -> EvaluationTable:
    """False alarms; `needed` is the threshold with at most `target` of them."""
    fitted, resamples = sample.fitted, sample.resamples
    assert fitted is not None
    has_score = np.array([s.score is not None for s in recordings])
    flagged = sample.scores >= fitted.threshold
    forged = fitted.scores[fitted.labels == 1]
    shown = ~sample.withdrawn

    def of(hits: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Number:
        return share(hits[inside], sample.groups[inside], resamples)

    rows: list[tuple[Cell, ...]] = [
        ("at or above the threshold (false alarms)", share(flagged, sample.groups, resamples)),
        (evaluations.ALARMS, of(flagged, shown)),
        ("whose probability is withdrawn", share(sample.withdrawn, sample.groups, resamples)),
        ("in the band of no answer", sample.undecided()),
        ("with a score (coverage)", share(has_score, evaluate.groups_of(recordings), resamples)),
    ]
    sets = np.array([s.record.dataset for s in recordings if s.score is not None])
    rows += [
        (f"false alarms in {name}", of(flagged, sets == value))
        for name, value in _told_apart(sets.tolist())
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
    return EvaluationTable(
        evaluations.GENUINE,
        "Genuine recordings",
        f"{measured_on(recordings)} Of the real videos that the threshold was set on, "
        f"{fitted.false_positive_rate:.3f} are at or above it; more than that here means that "
        "these recordings are unlike those.",
        ("measure", "value"),
        tuple(rows),
    )


def _of_deepfakes(
    scored: Sequence[ScoredVideo], fitted: Calibration, needed: float, resamples: int
) -> EvaluationTable:
    """How deepfakes are told from the recordings; `needed` is the threshold that these need."""
    sample = Sample.of(scored, fitted, resamples)
    shown = sample.only(~sample.withdrawn)
    fakes = sample.labels == 1
    rows: list[tuple[Cell, ...]] = [
        ("AUC", sample.number("auc")),
        ("AUC of those that show a probability", shown.number("auc")),
    ]
    methods = np.array([s.record.method for s in scored if s.score is not None])
    rows += [
        (
            f"AUC, {name or 'method not known'}",
            sample.only(~fakes | (methods == value)).number("auc"),
        )
        for name, value in _told_apart(methods[fakes].tolist())
    ]
    rows += [
        ("deepfakes at or above the threshold", sample.called_fake(1)),
        (evaluations.ALARMS, shown.called_fake(1)),
        ("deepfakes at or below the band (misses)", sample.misses()),
        ("deepfakes above their own original", labelled.pairs(scored, resamples)),
        (
            "deepfakes at or above the threshold that the recordings need",
            share(sample.scores[fakes] >= needed, sample.groups[fakes], resamples),
        ),
    ]
    forged = [s for s in scored if s.record.label == 1]
    return EvaluationTable(
        evaluations.FORGED,
        "Deepfakes beside genuine recordings",
        f"{len(forged)} deepfakes of {_people(forged)} people or sources that others made, beside "
        f"{len(scored) - len(forged)} genuine recordings. Chance is an AUC of 0.5 and half of the "
        "pairs.",
        ("measure", "value"),
        tuple(rows),
    )


def _told_apart(names: Sequence[str]) -> list[tuple[str, str]]:
    """Those of several names that occur often enough for a row, as they can be printed and as they
    are."""
    often = sorted(name for name in set(names) if names.count(name) >= TOLD_FROM)
    several = len(set(names)) > 1
    return [(n if n.isprintable() else ascii(n), n) for n in often] if several else []


def _people(scored: Sequence[ScoredVideo]) -> int:
    return len(np.unique(evaluate.groups_of(scored)))


def measured_on(scored: Sequence[ScoredVideo]) -> str:
    """What the recordings among the videos are, in one sentence."""
    recordings = [s for s in scored if s.record.label == 0]
    return (
        f"{len(recordings)} genuine recordings of {_people(recordings)} people or sources, none of "
        "them forged."
    )


def recorded(evaluation: Evaluation, tables: Sequence[EvaluationTable]) -> Evaluation:
    """The evaluation with these tables in the place of older ones, or at its end."""
    ours = (evaluations.GENUINE, evaluations.FORGED)
    others = (other for other in evaluation.tables if other.key not in ours)
    return replace(evaluation, tables=(*others, *tables))
