"""Made calibrations, evaluations and weights' facts for tests."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from dfexplain.structures import (
    Calibration,
    Evaluation,
    EvaluationTable,
    Number,
    ReliabilityTable,
    WeightsInfo,
)

__all__ = ["CROP_PX", "MARGIN", "make_calibration", "make_evaluation", "make_weights"]

CROP_PX, MARGIN = 224, 0.3


def _wilson(k: int, n: int) -> tuple[float, float]:
    """95 % interval of a share k/n (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    z, share = 1.959964, k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def make_calibration(weights_sha256: str, people: int = 60) -> Calibration:
    """A calibration of 2 videos a person whose every number follows from its scores and labels."""
    rng = np.random.default_rng(7)
    labels = np.tile(np.array([0, 1], dtype=np.int64), people)
    scores = rng.normal(np.where(labels == 1, 1.5, -1.3), 1.6)
    slope, intercept = 1.05, -0.1
    p_fake = 1 / (1 + np.exp(-(slope * scores + intercept)))
    real, fake = scores[labels == 0], scores[labels == 1]
    threshold, band_low = float(np.quantile(real, 0.95)), float(np.quantile(fake, 0.05))
    band_low = min(band_low, threshold)
    edges = np.linspace(0, 1, 11)
    rows = np.clip(np.digitize(p_fake, edges) - 1, 0, 9)
    count = np.bincount(rows, minlength=10).astype(np.int64)
    hits = np.bincount(rows, weights=labels, minlength=10).astype(int)
    filled = np.maximum(count, 1)
    mean_p = np.where(
        count > 0,
        np.bincount(rows, weights=p_fake, minlength=10) / filled,
        (edges[:-1] + edges[1:]) / 2,
    )
    share = np.where(count > 0, hits / filled, np.nan)
    bounds = np.array([_wilson(int(k), int(n)) for k, n in zip(hits, count, strict=True)])
    ece = float(np.sum(count * np.abs(np.nan_to_num(share) - mean_p) * (count > 0)) / count.sum())
    false_positives, misses = int((real >= threshold).sum()), int((fake <= band_low).sum())
    wins = (fake[:, None] > real[None, :]).mean()
    return Calibration(
        method="platt",
        slope=slope,
        intercept=intercept,
        knots=None,
        log_loss={},
        threshold=threshold,
        band_low=band_low,
        false_positive_rate=false_positives / len(real),
        false_positive_interval=_wilson(false_positives, len(real)),
        miss_rate=misses / len(fake),
        miss_interval=_wilson(misses, len(fake)),
        ece=ece,
        ece_interval=(ece * 0.6, ece * 1.7),
        auc=float(wins),
        auc_interval=(float(wins) - 0.03, min(1.0, float(wins) + 0.02)),
        reliability=ReliabilityTable(edges, mean_p, share, bounds[:, 0], bounds[:, 1], count),
        scores=scores,
        labels=labels,
        people=people,
        measured_on=f"{2 * people} made clips of {people} validation people",
        min_face_px=48.0,
        max_distance=12.5,
        weights_sha256=weights_sha256,
    )


def make_evaluation(weights_sha256: str = "") -> Evaluation:
    """Two tables of made-up numbers: with and without interval, chance and a value at all."""
    rows = (
        ("blend", Number(0.97123, 0.96, 0.98, 400, 0.5), Number(0.04, 0.02, 0.06, 200, None)),
        ("a | b <i>", Number(None, None, None, 3, 0.5), None),
    )
    note = "Made-up crops, 400 of 200 people; chance is an AUC of 0.5."
    columns = ("recipe", "AUC", "false positives")
    tables = (
        EvaluationTable("recipes", "Made fakes by recipe", note, columns, rows),
        EvaluationTable(
            "size", "Size", "Of the file.", ("what", "MB"),
            (("model", Number(13.66, None, None, 0, None)),),
        ),
    )  # fmt: skip
    return Evaluation(weights_sha256, "made-up numbers", tables)


def make_weights(calibrated: bool = True) -> WeightsInfo:
    """The weights that the drawn reports name."""
    sha256 = hashlib.sha256(b"drawn weights").hexdigest()
    return WeightsInfo("default", "local", sha256, calibrated, "frame", CROP_PX, MARGIN)
