"""From a video's raw score to a probability that was measured, and the band in which we abstain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfexplain import metrics, scaling
from dfexplain.errors import SettingError
from dfexplain.intervals import auc_interval
from dfexplain.structures import Calibration, ReliabilityTable, Scaling

__all__ = ["TARGET_RATE", "fit", "from_dict", "p_fake", "reliability_table", "to_dict"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The false-positive rate at which the threshold is set, and the miss rate of the band's lower edge.
TARGET_RATE = 0.05
LATER_LIMITS = ("max_picture_distance", "max_drawn", "min_confidence")


def p_fake(calibration: Scaling, scores: Floats) -> Floats:
    """Calibrated probability in 0..1 of each score (N,), given as many real as fake videos."""
    return scaling.apply(calibration, scores)


def reliability_table(
    probabilities: Floats, labels: Ints, bins: int = 10, weights: Floats | None = None
) -> ReliabilityTable:
    """Observed share of fakes by bin of p_fake, with 95 % Wilson intervals; empty bins hold nan.

    `weights` (N,) let videos count unlike; the intervals then rest on the effective number of
    videos, (sum w)^2 / sum w^2 (Kish 1965).
    """
    w = np.ones(len(labels)) if weights is None else weights
    place = np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    mass = np.maximum(np.bincount(place, weights=w, minlength=bins), 1e-300)
    share = np.bincount(place, weights=w * labels, minlength=bins) / mass
    mean_p = np.bincount(place, weights=w * probabilities, minlength=bins) / mass
    effective = mass**2 / np.maximum(np.bincount(place, weights=w**2, minlength=bins), 1e-300)
    intervals = [
        metrics.wilson_interval(float(s * n), float(n) if c else 0)
        for s, n, c in zip(share, effective, count, strict=True)
    ]
    return ReliabilityTable(
        edges=np.linspace(0.0, 1.0, bins + 1),
        mean_p=np.where(count > 0, mean_p, np.nan),
        share_fake=np.where(count > 0, share, np.nan),
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
    methods: Sequence[str] = scaling.METHODS,
    target_rate: float = TARGET_RATE,
    kinds: NDArray[np.generic] | None = None,
) -> Calibration:
    """Calibrate on the scores (N,) of validation videos with labels (N,) and people `groups` (N,).

    The method is the simplest of `methods` with about the lowest log loss on held-out people
    (`scaling.choose`; `log_loss` keeps all of them); ECE and the reliability table are
    cross-validated in the same way. With `kinds` (N,), the recipe of each fake, people and recipes
    are both held out. Both classes count alike, however many videos they have. The
    threshold is the smallest observed-score cut with at most `target_rate` of the real videos at or
    above it; the band's lower edge has at most `target_rate` of the fakes at or below it. Where the
    classes separate so well that the edges cross, they swap, and both rates stay at most
    `target_rate`.

    Raises SettingError for a missing class, fewer than two groups of one, fewer than two `kinds`,
    and scores that fall.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.int64)
    fakes = int((labels == 1).sum())
    if not 0 < fakes < len(labels):
        raise SettingError(
            f"videos to calibrate on must be real and fake ones, but got {len(labels) - fakes} "
            f"real and {fakes} fake. Take another split."
        )
    if (scaling.fit("platt", scores, labels).slope or 0.0) <= 0:
        raise SettingError(
            "scores must rise with the label on validation videos, but they fall. "
            "The weights do not detect these fakes: train them further."
        )
    chosen, losses, probabilities = scaling.choose(scores, labels, groups, methods, kinds=kinds)
    real, fake = np.sort(scores[labels == 0]), np.sort(scores[labels == 1])
    above = np.nextafter(real[len(real) - 1 - int(target_rate * len(real))], np.inf)
    below = np.nextafter(fake[int(target_rate * len(fake))], -np.inf)
    threshold, band_low = float(max(above, below)), float(min(above, below))
    false_positives = int((real >= threshold).sum())
    misses = int((fake <= band_low).sum())
    balanced = scaling.balance(labels)
    ece = metrics.weighted(metrics.expected_calibration_error, balanced)
    return Calibration(
        **vars(chosen),
        log_loss=losses,
        threshold=threshold,
        band_low=band_low,
        false_positive_rate=false_positives / len(real),
        false_positive_interval=metrics.wilson_interval(false_positives, len(real)),
        miss_rate=misses / len(fake),
        miss_interval=metrics.wilson_interval(misses, len(fake)),
        ece=ece(probabilities, labels),
        ece_interval=metrics.bootstrap_interval(ece, probabilities, labels, groups),
        auc=metrics.auc(scores, labels),
        auc_interval=auc_interval(scores, labels, groups),
        reliability=reliability_table(probabilities, labels, weights=balanced),
        scores=scores,
        labels=labels,
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


def _limit(data: dict[str, Any], key: str, low: float, high: float) -> float | None:
    return None if data[key] is None else _number(data, key, low, high)


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


def _scaling(data: dict[str, Any]) -> Scaling:
    method = data["method"]
    if method not in scaling.METHODS:
        raise SettingError(
            f"calibration method must be one of {', '.join(scaling.METHODS)}, but got "
            f"{method!r:.60}."
        )
    unused = ("slope", "intercept") if method == "isotonic" else ("knots",)
    for key in unused:
        if data[key] is not None:
            raise SettingError(
                f"calibration {key} must be null for {method}, but got {data[key]!r:.60}."
            )
    if method != "isotonic":
        limit = 0.0 if method == "temperature" else 1e6
        return Scaling(
            method,
            _number(data, "slope", 1e-9, 1e6),
            _number(data, "intercept", -limit, limit),
            None,
        )
    rows = data["knots"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= 100_000:
        raise SettingError(f"calibration knots must be a list of pairs, but got {rows!r:.60}.")
    for row in rows:
        if not isinstance(row, list) or len(row) != 2:
            raise SettingError(f"calibration knots must be (score, p) pairs, but got {row!r:.60}.")
    knots = np.array(
        [
            [_number({"knots": x}, "knots", -1e6, 1e6), _number({"knots": p}, "knots", 1e-9, 1.0)]
            for x, p in rows
        ]
    )
    if np.any(np.diff(knots[:, 0]) <= 0) or np.any(np.diff(knots[:, 1]) < 0) or knots[-1, 1] >= 1:
        raise SettingError("calibration knots must rise in score and not fall in p, within 0..1.")
    return Scaling("isotonic", None, None, knots)


def _losses(data: dict[str, Any]) -> dict[str, float]:
    losses = data["log_loss"]
    if not isinstance(losses, dict) or not set(losses) <= set(scaling.METHODS):
        raise SettingError(
            f"calibration log_loss must hold a number a method, but got {losses!r:.60}."
        )
    return {m: _number({"log_loss": v}, "log_loss", 0.0, 1e3) for m, v in losses.items()}


def from_dict(data: dict[str, Any]) -> Calibration:
    """Read what `to_dict` wrote. Raises SettingError naming the key that is wrong."""
    expected = {f.name for f in fields(Calibration)}
    # Weights that were written before these limits have none.
    if isinstance(data, dict):
        data = dict.fromkeys(LATER_LIMITS) | data
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
        **vars(_scaling(data)),
        log_loss=_losses(data),
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
        max_distance=_limit(data, "max_distance", 0.0, 1e9),
        weights_sha256=data["weights_sha256"],
        max_picture_distance=_limit(data, "max_picture_distance", 0.0, 1e9),
        max_drawn=_limit(data, "max_drawn", -1e9, 1e9),
        min_confidence=_limit(data, "min_confidence", 0.0, 1.0),
    )
