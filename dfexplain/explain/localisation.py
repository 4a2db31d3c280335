"""How well maps say where a crop is forged, where that is known.

The pointing game (Zhang et al., "Excitation Backprop", IJCV 2018, sec. 4.1, without its tolerance
of 15 px), intersection over union, and the share of the heat that lies in the forged part. A map
that knows nothing of its crop is told by three rivals: random numbers, a Gaussian in the middle,
and the map itself held against what was forged in crops of other people.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dfexplain.explain.faithfulness import centre_map, resized
from dfexplain.explain.truth import KnownForgeries

__all__ = [
    "Localised",
    "best_iou",
    "centre_maps",
    "heat_inside",
    "localise",
    "pointing",
    "random_localised",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

SEED = 5
# A random map is drawn so many times for each crop, and the mean of its results taken.
DRAWS = 20


@dataclass(frozen=True)
class Localised:
    """What N maps reach: the share of `hit` (N,) and, on the masks of other people whose faces were
    forged as widely, `elsewhere` (N,); `iou` (N,) at each map's own best threshold; the share of
    heat `inside` (N,) the forged part and `on_face` (N,), nan for a map without heat. All in 0..1.
    """

    hit: Floats
    elsewhere: Floats
    iou: Floats
    inside: Floats
    on_face: Floats


def pointing(values: Array, masks: Masks) -> Floats:
    """Whether the highest places of maps (N, h, w) lie in each of the masks (M, G, G): (N, M).

    A place stands for the point in its middle. Where several are equally high it is the share of
    them that is hit, so a map that is the same everywhere hits as often as chance.
    """
    height, width = values.shape[1:]
    rows, columns = (
        ((np.arange(cells) + 0.5) / cells * masks.shape[1]).astype(int) for cells in (height, width)
    )
    forged = masks[:, rows][:, :, columns].reshape(len(masks), -1).astype(np.float64)
    flat = values.reshape(len(values), -1)
    peaks = (flat == flat.max(axis=1, keepdims=True)).astype(np.float64)
    return np.asarray(peaks / peaks.sum(axis=1, keepdims=True) @ forged.T)


def best_iou(values: Array, masks: Masks) -> Floats:
    """Intersection over union of each map (N, G, G), cut at its own best threshold, and its mask.

    The best of all thresholds is found, so even chance is far from 0: compare with the rivals.
    """
    out = np.empty(len(values))
    for n, (value, mask) in enumerate(zip(values.reshape(len(values), -1), masks, strict=True)):
        order = np.argsort(-value, kind="stable")
        hits = np.cumsum(mask.reshape(-1)[order], dtype=np.float64)
        union = np.arange(1, len(order) + 1) + mask.sum() - hits
        # Points that tie pass a threshold together.
        ends = np.flatnonzero(np.diff(value[order], append=-np.inf))
        out[n] = (hits[ends] / union[ends]).max()
    return out


def heat_inside(values: Array, masks: Masks) -> Floats:
    """The share of the heat (what is above 0) of maps (N, G, G) in the masks; nan without heat."""
    heat = np.maximum(values, 0.0).astype(np.float64)
    total = heat.sum(axis=(1, 2))
    out = np.full(len(heat), np.nan)
    np.divide((heat * masks).sum(axis=(1, 2)), total, out=out, where=total > 0)
    return out


def localise(values: Array, known: KnownForgeries) -> Localised:
    """Hold maps (N, h, w) against what was forged in N crops."""
    hits = pointing(values, known.masks)
    alike = (known.people[:, None] != known.people) & (
        known.off_centre[:, None] == known.off_centre
    )
    elsewhere = (hits * alike).sum(axis=1) / np.maximum(alike.sum(axis=1), 1)
    # As they are drawn.
    drawn = np.stack([resized(value, known.masks.shape[1]) for value in values])
    return Localised(
        np.diagonal(hits).copy(),
        elsewhere,
        best_iou(drawn, known.masks),
        heat_inside(drawn, known.masks),
        heat_inside(drawn, known.hulls),
    )


def random_localised(shape: tuple[int, int], known: KnownForgeries) -> Localised:
    """What maps of random numbers, `shape` (h, w) places large, reach: the mean of DRAWS."""
    rng = np.random.default_rng(SEED)
    size = (len(known), *shape)
    drawn = [localise(rng.random(size, np.float32), known) for _ in range(DRAWS)]
    means = (np.mean([getattr(d, item.name) for d in drawn], axis=0) for item in fields(Localised))
    return Localised(*means)


def centre_maps(count: int, side: int) -> Array:
    """The Gaussian in the middle of the crop, (count, side, side)."""
    return np.repeat(centre_map(side)[None], count, axis=0)
