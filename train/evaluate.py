"""What weights are worth on labelled clips: AUC with its interval beside the chance line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dfexplain import metrics
from dfexplain.detector import Detector
from dfexplain.errors import SettingError
from dfexplain.structures import VideoReport
from dfexplain.weights_folder import Weights

__all__ = ["evaluate"]


def evaluate(weights: Weights, root: Path, say: Callable[[str], None] = print) -> float:
    """Score the clips of `root`/clips.csv (file, label, original) and print one line each, then the
    AUC.

    Clips that are not analysable count as not covered, never as 0.5. Clips that share an original
    are resampled together. Returns the AUC.
    """
    table = root / "clips.csv"
    if not table.is_file():
        raise SettingError(f"the data folder must hold clips.csv, but got '{root}'. Set --data.")
    with table.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    detector = Detector(weights)
    scores, labels, sources = [], [], []
    for row in rows:
        *_, report = detector.analyze(root / "clips" / row["file"])
        assert isinstance(report, VideoReport)
        verdict = report.verdict
        shown = "none" if verdict.score is None else f"{verdict.score:+.3f}"
        reason = f" ({verdict.reason})" if verdict.reason else ""
        say(f"{row['file']:16} label {row['label']}  score {shown:>7}  {verdict.outcome}{reason}")
        if verdict.score is not None:
            scores.append(verdict.score)
            labels.append(int(row["label"]))
            sources.append(row["original"] or row["file"])
    s, y = np.array(scores), np.array(labels, np.int64)
    value = metrics.auc(s, y)
    low, high = metrics.bootstrap_interval(metrics.auc, s, y, np.array(sources))
    say(
        f"AUC {value:.3f}, 95 % interval {low:.3f} to {high:.3f}, chance 0.5, on {len(s)} of "
        f"{len(rows)} clips ({int((y == 0).sum())} real, {int(y.sum())} fake)"
    )
    return value
