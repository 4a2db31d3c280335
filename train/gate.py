"""The out-of-distribution gate, fitted: where training crops lie, which way drawings lie, and the
limits on validation videos beyond which no probability is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import jpegs, naturalness
from dfexplain.engine import Engine
from dfexplain.reference import OutOfDistribution, Pictures
from dfexplain.structures import Calibration
from train import cartoons
from train.augment import draw_wear
from train.material import Material
from train.scores import ScoredVideo

__all__ = ["DRAWN_STYLES", "GATE_SHARE", "limited", "reference"]

Crops = NDArray[np.uint8]
Floats = NDArray[np.float64]

# Dimensions kept of the feature space: about as many as stand above the noise of 2,000 crops.
SUBSPACE = 48
CROPS_A_DIMENSION = 10
# Training crops that are looked at, those among them that are drawn over, and unworn ones beside.
REFERENCE_CROPS, DRAWN_CROPS, UNWORN_CROPS = 1200, 300, 600
DRAWN_SEED = 8_004
# The other styles are left for measuring: `gate_material`.
DRAWN_STYLES = ("comic", "poster", "line")
# Faces of the drawn crops, in pixels before they are scaled to the crop.
DRAWN_PX = (64.0, 200.0)
# Of a crop's side, about how much the face takes.
FACE_SHARE = 0.75
# The variance added to standardised statistics before inverting: they are not quite independent.
RIDGE = 0.01
# The share of validation videos from which all limits together may withdraw the probability.
GATE_SHARE = 0.02
# Quantiles that are tried.
STEPS = 61


def reference(engine: Engine, material: Material) -> OutOfDistribution:
    """Where crops of training people lie, real and forged, in features and as pictures."""
    outputs, pictures = [], []
    for crops, _ in material.crops("train", engine.config, REFERENCE_CROPS):
        outputs.append(engine.run(crops).features)
        pictures.append(crops)
    every = np.concatenate(pictures)
    chosen = np.unique(np.linspace(0, len(every) - 1, DRAWN_CROPS).astype(int))
    # Wear hides fine detail: without unworn crops a sharp video would look odd.
    unworn = material.unworn(engine.config, UNWORN_CROPS)
    good, drawn = (
        naturalness.statistics(_kept(crops))
        for crops in (np.concatenate([every, unworn]), np.stack(_drawn(every[chosen])))
    )
    return replace(_features(np.concatenate(outputs)), pictures=_pictures(good, drawn))


def _features(features: NDArray[np.float32]) -> OutOfDistribution:
    unit = features.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    mean = unit.mean(axis=0)
    _, singular, components = np.linalg.svd(unit - mean, full_matrices=False)
    # Of few crops the smaller variances are noise, and 0 in the end.
    kept = min(SUBSPACE, max(1, len(unit) // CROPS_A_DIMENSION))
    components = components[:kept]
    rest = (unit - mean) - (unit - mean) @ components.T @ components
    return OutOfDistribution(
        mean=mean.astype(np.float32),
        components=components.astype(np.float32),
        variances=np.maximum(singular[:kept] ** 2 / max(1, len(unit) - 1), 1e-9).astype(np.float32),
        residual=max(float(np.median(np.linalg.norm(rest, axis=1))), 1e-6),
    )


def _pictures(good: Floats, drawn: Floats) -> Pictures:
    """Fit to the statistics (N, K) of training crops and (M, K) of drawn ones."""
    mean, scale = good.mean(axis=0), np.maximum(good.std(axis=0), 1e-3)
    z, away = (good - mean) / scale, (drawn - mean) / scale
    size = z.shape[1]
    within = np.cov(z.T) + RIDGE * np.eye(size)
    values, vectors = np.linalg.eigh(within)
    whitening = vectors / np.sqrt(values) @ vectors.T
    whitening /= np.sqrt(np.mean(((z @ whitening) ** 2).sum(axis=1)))
    both = (within * len(z) + np.cov(away.T) * len(away)) / (len(z) + len(away))
    toward = np.linalg.solve(both + RIDGE * np.eye(size), away.mean(axis=0))
    toward /= max(float((z @ toward).std()), 1e-9)
    values_of = (mean, scale, whitening, toward)
    return Pictures(*(np.asarray(v, np.float32) for v in values_of))


def _kept(crops: Crops) -> Crops:
    """The crops as a track keeps them."""
    return np.stack([jpegs.decoded(jpegs.encoded(crop)) for crop in crops])


def _drawn(crops: Crops) -> list[NDArray[np.uint8]]:
    """The crops (N, S, S, 3) drawn over, then worn as video is."""
    rng = np.random.default_rng(DRAWN_SEED)
    side = crops.shape[1]
    out = []
    for number, crop in enumerate(crops):
        style = DRAWN_STYLES[number % len(DRAWN_STYLES)]
        drawn = cartoons.draw_over(crop, style, FACE_SHARE * side, rng)
        face_px = float(np.exp(rng.uniform(*np.log(DRAWN_PX))))
        shown = _scaled(drawn, 2 * max(16, round(face_px / FACE_SHARE / 2)))
        out.append(_scaled(draw_wear(rng).apply([shown], face_px)[0], side))
    return out


def _scaled(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    how = cv2.INTER_AREA if side < rgb.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=how), np.uint8)


def limited(fitted: Calibration, scored: Sequence[ScoredVideo]) -> Calibration:
    """The calibration with the gate's limits, each at the same quantile of the videos `scored`.

    The quantile is the widest at which no more than GATE_SHARE of the videos lie beyond any limit.
    What is not known of the videos gets no limit; face size gets 0.
    """
    ways: dict[str, tuple[list[float | None], int]] = {
        "min_face_px": ([s.face_px for s in scored], -1),
        "min_confidence": ([s.confidence for s in scored], -1),
        "max_distance": ([s.departure and s.departure.features for s in scored], 1),
        "max_picture_distance": ([s.departure and s.departure.picture for s in scored], 1),
        "max_drawn": ([s.departure and s.departure.drawn for s in scored], 1),
    }
    far = {
        key: sign * np.array([np.nan if v is None else v for v in values], np.float64)
        for key, (values, sign) in ways.items()
        if any(v is not None for v in values)
    }
    limits: dict[str, float] = {}
    for share in GATE_SHARE * np.linspace(1.0, 0.0, STEPS):
        limits = {key: float(np.nanquantile(value, 1.0 - share)) for key, value in far.items()}
        beyond = np.zeros(len(scored), bool)
        for key, value in far.items():
            beyond |= value > limits[key]
        if beyond.mean() <= GATE_SHARE:
            break
    signed = {key: ways[key][1] * limit for key, limit in limits.items()}
    return replace(fitted, **signed)  # type: ignore[arg-type]
