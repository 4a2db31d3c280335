"""From a video's raw score to a probability that was measured, and the band in which we abstain."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfexplain import metrics
from dfexplain.errors import SettingError
from dfexplain.structures import Calibration, ReliabilityTable

__all__ = ["TARGET_RATE", "fit", "from_dict", "p_fake", "reliability_table", "to_dict"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The false-positive rate at which the threshold is set, and the miss rate of the band's lower edge.
TARGET_RATE = 0.05
BINS = 15
FOLDS = 5


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float64)


def p_fake(calibration: Calibration, scores: Floats) -> Floats:
    """Calibrated probability in 0..1 of each score (N,), given as many real as fake videos."""
    return _sigmoid(calibration.slope * np.asarray(scores, np.float64) + calibration.intercept)


def _platt(scores: Floats, labels: Ints) -> tuple[float, float]:
    """Slope and intercept by maximum likelihood on smoothed targets, classes weighted alike.

    Platt 1999, sec. 2.2 (targets (N+ + 1) / (N+ + 2) and 1 / (N- + 2)), minimised by Newton's
    method as in Lin, Lin and Weng, Machine Learning 2007, sec. 3.
    """
    fakes, reals = int(labels.sum()), int((1 - labels).sum())
    target = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(labels == 1, 0.5 / fakes, 0.5 / reals)
    centre, spread = float(scores.mean()), max(float(scores.std()), 1e-9)
    x = np.stack([(scores - centre) / spread, np.ones_like(scores)], axis=1)
    beta = np.zeros(2)

    def loss(b: Floats) -> float:
        z = x @ b
        return float((weight * (np.logaddexp(0.0, z) - target * z)).sum())

    for _ in range(100):
        p = _sigmoid(x @ beta)
        gradient = x.T @ (weight * (p - target))
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-8:
            size *= 0.5
        beta = beta - size * step
        if float(np.abs(step).max()) < 1e-10:
            break
    slope = float(beta[0]) / spread
    return slope, float(beta[1]) - slope * centre


def _cross_validated(scores: Floats, labels: Ints, groups: NDArray[np.generic]) -> Floats:
    """p_fake of each video from a fit on the other folds; a group is never on both sides."""
    names = np.unique(groups)
    fold_of = {
        name: i % FOLDS for i, name in enumerate(np.random.default_rng(42).permutation(names))
    }
    folds = np.array([fold_of[g] for g in groups])
    out = np.zeros(len(scores))
    for k in range(FOLDS):
        inside = folds == k
        if not inside.any():
            continue
        slope, intercept = _platt(scores[~inside], labels[~inside])
        out[inside] = _sigmoid(slope * scores[inside] + intercept)
    return out


def reliability_table(probabilities: Floats, labels: Ints, bins: int = 10) -> ReliabilityTable:
    """Observed share of fakes by bin of p_fake, with 95 % Wilson intervals; empty bins hold nan."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    hits = np.bincount(place, weights=labels, minlength=bins)
    total = np.bincount(place, weights=probabilities, minlength=bins)
    filled = np.maximum(count, 1)
    intervals = [metrics.wilson_interval(int(h), int(n)) for h, n in zip(hits, count, strict=True)]
    return ReliabilityTable(
        edges=edges,
        mean_p=np.where(count > 0, total / filled, np.nan),
        share_fake=np.where(count > 0, hits / filled, np.nan),
        low=np.array([low for low, _ in intervals]),
        high=np.array([high for _, high in intervals]),
        count=np.asarray(count, np.int64),
    )


def fit(
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    *,
    measured_on: str,
    weights_sha256: str,
    min_face_px: float,
    max_distance: float | None,
) -> Calibration:
    """Calibrate on the scores (N,) of validation videos with labels (N,) and people `groups` (N,).

    ECE and the reliability table are cross-validated by person. The threshold is the smallest
    observed-score cut with at most TARGET_RATE of the real videos at or above it; the band's lower
    edge has at most TARGET_RATE of the fakes at or below it. Where the classes separate so well
    that the edges cross, they swap, and both rates stay at most TARGET_RATE.
    """
    scores = np.asarray(scores, np.float64)
    slope, intercept = _platt(scores, labels)
    if slope <= 0:
        raise SettingError(
            "scores must rise with the label on validation videos, but they fall. "
            "The weights do not detect these fakes: train them further."
        )
    real, fake = np.sort(scores[labels == 0]), np.sort(scores[labels == 1])
    above = np.nextafter(real[len(real) - 1 - int(TARGET_RATE * len(real))], np.inf)
    below = np.nextafter(fake[int(TARGET_RATE * len(fake))], -np.inf)
    threshold, band_low = float(max(above, below)), float(min(above, below))
    probabilities = _cross_validated(scores, labels, groups)
    false_positives = int((real >= threshold).sum())
    misses = int((fake <= band_low).sum())
    return Calibration(
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        band_low=band_low,
        false_positive_rate=false_positives / len(real),
        false_positive_interval=metrics.wilson_interval(false_positives, len(real)),
        miss_rate=misses / len(fake),
        miss_interval=metrics.wilson_interval(misses, len(fake)),
        ece=metrics.expected_calibration_error(probabilities, labels, BINS),
        ece_interval=metrics.bootstrap_interval(
            metrics.expected_calibration_error, probabilities, labels, groups
        ),
        auc=metrics.auc(scores, labels),
        auc_interval=metrics.bootstrap_interval(metrics.auc, scores, labels, groups),
        reliability=reliability_table(probabilities, labels),
        scores=scores,
        labels=np.asarray(labels, np.int64),
        people=len(np.unique(groups)),
        measured_on=measured_on,
        min_face_px=min_face_px,
        max_distance=max_distance,
        weights_sha256=weights_sha256,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, ReliabilityTable):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return [None if v != v else v for v in value.tolist()]
    return list(value) if isinstance(value, tuple) else value


def to_dict(calibration: Calibration) -> dict[str, Any]:
    """The calibration as JSON can hold it; nan becomes null."""
    return {f.name: _plain(getattr(calibration, f.name)) for f in fields(calibration)}


def _number(data: dict[str, Any], key: str, low: float, high: float) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SettingError(
            f"calibration {key} must be a number in {low:g}..{high:g}, but got {value!r:.60}."
        )
    return float(value)


def _pair(data: dict[str, Any], key: str) -> tuple[float, float]:
    value = data.get(key)
    if not isinstance(value, list) or len(value) != 2:
        raise SettingError(f"calibration {key} must be two numbers, but got {value!r:.60}.")
    low, high = (_number({key: v}, key, 0.0, 1.0) for v in value)
    return low, high


def _array(data: dict[str, Any], key: str, limit: float, empty: bool = False) -> Floats:
    value = data.get(key)
    if not isinstance(value, list) or not 1 <= len(value) <= 100_000:
        raise SettingError(f"calibration {key} must be a list of numbers, but got {value!r:.60}.")
    return np.array(
        [np.nan if empty and v is None else _number({key: v}, key, -limit, limit) for v in value]
    )


def from_dict(data: dict[str, Any]) -> Calibration:
    """Read what `to_dict` wrote. Raises SettingError naming the key that is wrong."""
    expected = {f.name for f in fields(Calibration)}
    if not isinstance(data, dict) or set(data) != expected:
        odd = sorted(expected ^ set(data)) if isinstance(data, dict) else ["object"]
        raise SettingError(f"calibration must hold exactly its keys, but differs in {odd[:5]}.")
    table = data["reliability"]
    if not isinstance(table, dict) or set(table) != {f.name for f in fields(ReliabilityTable)}:
        raise SettingError("calibration reliability must hold the columns of a reliability table.")
    columns = {
        key: _array(table, key, 1e9 if key == "count" else 1.0, empty=key != "count")
        for key in table
    }
    rows = len(columns["count"])
    if any(len(v) != rows + (k == "edges") for k, v in columns.items()):
        raise SettingError("calibration reliability must have columns of one length.")
    scores, labels = _array(data, "scores", 1e6), _array(data, "labels", 1.0)
    if len(scores) != len(labels) or not np.isin(labels, (0, 1)).all():
        raise SettingError("calibration scores and labels must match, and labels be 0 or 1.")
    for key in ("measured_on", "weights_sha256"):
        if not isinstance(data[key], str) or len(data[key]) > 1000:
            raise SettingError(f"calibration {key} must be a short text.")
    threshold = _number(data, "threshold", -1e6, 1e6)
    return Calibration(
        slope=_number(data, "slope", 1e-9, 1e6),
        intercept=_number(data, "intercept", -1e6, 1e6),
        threshold=threshold,
        band_low=_number(data, "band_low", -1e6, threshold),
        false_positive_rate=_number(data, "false_positive_rate", 0.0, 1.0),
        false_positive_interval=_pair(data, "false_positive_interval"),
        miss_rate=_number(data, "miss_rate", 0.0, 1.0),
        miss_interval=_pair(data, "miss_interval"),
        ece=_number(data, "ece", 0.0, 1.0),
        ece_interval=_pair(data, "ece_interval"),
        auc=_number(data, "auc", 0.0, 1.0),
        auc_interval=_pair(data, "auc_interval"),
        reliability=ReliabilityTable(
            **{k: v for k, v in columns.items() if k != "count"},
            count=columns["count"].astype(np.int64),
        ),
        scores=scores,
        labels=labels.astype(np.int64),
        people=int(_number(data, "people", 1, 1e9)),
        measured_on=data["measured_on"],
        min_face_px=_number(data, "min_face_px", 0.0, 1e4),
        max_distance=(
            None if data["max_distance"] is None else _number(data, "max_distance", 0.0, 1e9)
        ),
        weights_sha256=data["weights_sha256"],
    )
