"""Probabilities for videos without labels, as the table that the DFDC challenge asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfexplain import calibration as calibrations
from dfexplain.errors import SettingError
from dfexplain.structures import Calibration
from train.importers import files
from train.records import VideoRecord, write_table
from train.scores import ScoredVideo

__all__ = ["Predictions", "predict", "videos_below", "write"]

MISSING_COLUMNS = ("filename", "reason")


@dataclass(frozen=True)
class Predictions:
    """`rows` are (filename, p_fake); `missing` (filename, reason) for videos that have none.

    With `filled` the missing ones stand among the rows, too, at that number.
    """

    rows: list[tuple[str, float]]
    missing: list[tuple[str, str]]
    filled: float | None


def videos_below(folder: Path) -> list[VideoRecord]:
    """The videos of a folder and its sub-folders as records without labels, in order of paths."""
    if not folder.is_dir():
        raise SettingError(f"--input-dir must be a folder, but got '{folder}'. Check the path.")
    found = [path.relative_to(folder) for path in files.videos_below(folder)]
    if not found:
        raise SettingError(f"--input-dir must hold videos, but got '{folder}'. Check the path.")
    return [VideoRecord(p.as_posix(), None, folder.name) for p in found]


def predict(
    scored: Sequence[ScoredVideo], fitted: Calibration | None, fill: float | None = None
) -> Predictions:
    """The probability of each scored video, clipped to nothing and made up for none.

    `filename` is the file's own name, as in the challenge, and the path below the root where two
    files have one name. Raises SettingError without a calibration, for scores are no probabilities,
    and for a `fill` outside of 0..1.
    """
    if fitted is None:
        raise SettingError(
            "--weights must be calibrated to predict probabilities, but these are not. Use "
            "`python -m train export`; frames.csv of `evaluate` holds raw scores."
        )
    if fill is not None and not 0.0 <= fill <= 1.0:
        raise SettingError(f"--fill must lie in 0..1, but got {fill}. 0.5 says nothing.")
    names = Counter(Path(s.record.path).name for s in scored)
    rows, missing = [], []
    for item in scored:
        path = Path(item.record.path)
        name = path.name if names[path.name] == 1 else path.as_posix()
        if item.score is None:
            missing.append((name, str(item.reason)))
            if fill is not None:
                rows.append((name, fill))
        else:
            p = calibrations.p_fake(fitted, np.array([item.score]))
            rows.append((name, float(p[0])))
    return Predictions(rows, missing, fill)


def write(path: Path, predictions: Predictions) -> list[Path]:
    """Write filename,label to `path`, and beside it the list of videos that have no probability.

    Returns the files written: `<stem>_not_analysable.csv` is written where it has a row.
    """
    write_table(path, ("filename", "label"), [(name, f"{p:.6f}") for name, p in predictions.rows])
    beside = path.with_name(f"{path.stem}_not_analysable.csv")
    beside.unlink(missing_ok=True)
    if not predictions.missing:
        return [path]
    write_table(beside, MISSING_COLUMNS, predictions.missing)
    return [path, beside]
