"""How the brightness of a picture varies at small scales: photographs of faces agree in it, and
drawings, noise, heavy blur and heavy compression do not.

The statistics are those of blind quality measures (Mittal, Soundararajan and Bovik, "Making a
completely blind image quality analyzer", SPL 2013): mean-subtracted contrast-normalised brightness
(eq. 1) on several scales, its products with neighbours (eq. 6), and beside it the local contrast.
They need no network and no opinion of people; where they lie for photographs is measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import jpegs

__all__ = ["NAMES", "SCALES", "decoded", "statistics"]

Image = NDArray[np.uint8]
Grey = NDArray[np.float32]

# A crop is looked at in its own size, in half and in a quarter of it.
SCALES = (1, 2, 4)
_WINDOW, _SIGMA = (7, 7), 7.0 / 6.0
# Kept in logarithms, which are taken from here on, in grey levels.
_FLOOR = 0.1

# What is measured on each scale, and in plain words what too little and too much of it is.
_MEASURES: dict[str, tuple[str, str]] = {
    "texture": ("smooth as a drawing", "grainy all over"),
    "skew": ("dark lines on light", "light lines on dark"),
    "neighbours": ("noise from pixel to pixel", "no fine detail"),
    "diagonals": ("noise from pixel to pixel", "no fine detail"),
    "contrast of flat parts": ("flat areas of one colour", "grainy all over"),
    "contrast": ("blurred", "grainy all over"),
    "contrast of edges": ("soft edges", "hard edges"),
    "detail": ("blurred", "noise or sharpening"),
    "mean detail": ("blurred", "noise or sharpening"),
}
NAMES: tuple[tuple[str, str], ...] = tuple(_MEASURES.values()) * len(SCALES)


def decoded(crops_jpeg: Sequence[bytes], limit: int) -> NDArray[np.uint8]:
    """At most `limit` of a track's crops (N, S, S, 3), spread evenly. They are our own JPEGs."""
    places = np.unique(np.linspace(0, len(crops_jpeg) - 1, limit).round().astype(int))
    try:
        return np.stack([jpegs.decoded(crops_jpeg[place]) for place in places])
    except ValueError as error:
        raise ValueError("crops_jpeg must hold JPEGs.") from error


def statistics(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The statistics (N, K) of crops (N, S, S, 3), scale by scale; `NAMES` tells their K words."""
    return np.array([_of_crop(crop) for crop in crops], np.float64).reshape(-1, len(NAMES))


def _of_crop(rgb: Image) -> list[float]:
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)
    out: list[float] = []
    for scale in SCALES:
        size = (max(8, grey.shape[1] // scale), max(8, grey.shape[0] // scale))
        out += _of_scale(np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA)))
    return out


def _of_scale(grey: Grey) -> list[float]:
    mean = cv2.GaussianBlur(grey, _WINDOW, _SIGMA)
    square = cv2.GaussianBlur(grey * grey, _WINDOW, _SIGMA)
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
    x = (grey - mean) / (spread + 1.0)
    power = max(float((x * x).mean()), 1e-9)
    beside = float((x[:, 1:] * x[:, :-1]).mean() + (x[1:] * x[:-1]).mean()) / 2.0
    diagonal = float((x[1:, 1:] * x[:-1, :-1]).mean())
    curvature = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    levels = [*np.quantile(spread, (0.1, 0.5, 0.95)), np.median(curvature), curvature.mean()]
    return [
        float(np.log(power)) / 2.0,
        float((x * x * x).mean()) / power**1.5,  # a power of arrays is 60 times slower
        beside / power,
        diagonal / power,
        *np.log(np.array(levels, np.float64) + _FLOOR).tolist(),
    ]
