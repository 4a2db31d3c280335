"""Flicker: what a program leaves that forges each frame for itself."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["flickering"]

Image = NDArray[np.uint8]

# What changes from frame to frame: place (in faces), strength, colour (in grey levels).
PLACE, STRENGTH, COLOUR = 0.006, 0.12, 2.5


def flickering(
    real: NDArray[np.generic],
    fake: NDArray[np.generic],
    mask: NDArray[np.generic],
    face_px: float,
    rng: np.random.Generator,
) -> Iterator[Image]:
    """The forged picture (H, W, 3) again and again, what it changes moved, scaled and tinted by
    chance; `mask` (H, W) in 0..1 is the forged share of each pixel."""
    change = np.asarray(fake, np.float32) - np.asarray(real, np.float32)
    share = np.asarray(mask, np.float32)[..., None]
    while True:
        tint = rng.normal(0.0, COLOUR, 3).astype(np.float32)
        shown = change * np.float32(rng.normal(1.0, STRENGTH)) + tint * share
        matrix = np.eye(2, 3, dtype=np.float32)
        matrix[:, 2] = rng.normal(0.0, PLACE * face_px, 2)
        shown = cv2.warpAffine(shown, matrix, real.shape[1::-1])
        yield np.asarray(np.clip(np.round(real + shown), 0, 255), np.uint8)
