"""The mean face, laid over a face by its five landmarks.

Lengths are in units of the distance between the eyes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["MEAN_POINTS", "OUTLINE", "face_outline", "similarity"]

Array = NDArray[np.float32]

# Mean positions of left eye, right eye, nose, mouth corners over the training portraits, eyes'
# middle at the origin (measured with MTCNN; see docs/data.md).
MEAN_POINTS = np.array(
    [(-0.5, 0.0), (0.5, 0.0), (0.0, 0.6), (-0.48, 1.01), (0.48, 1.01)], np.float32
)
# Outline of brows, cheeks and chin in the same frame, right half; the left half mirrors it.
_RIGHT_OUTLINE = (
    (0.0, -0.62),
    (0.55, -0.62),
    (0.98, -0.38),
    (1.08, 0.25),
    (0.98, 0.85),
    (0.74, 1.38),
    (0.38, 1.75),
    (0.0, 1.86),
)
OUTLINE = np.array([*_RIGHT_OUTLINE, *[(-x, y) for x, y in _RIGHT_OUTLINE[-2:0:-1]]], np.float32)


def similarity(source: Array, target: Array) -> Array:
    """Least-squares similarity (2, 3) that maps points (P, 2) `source` onto `target`.

    Umeyama, PAMI 1991, eq. 40 to 43, for two dimensions.
    """
    a, b = source.astype(np.float64), target.astype(np.float64)
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = a - mean_a, b - mean_b
    u, d, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ flip @ vt
    scale = (d * np.diag(flip)).sum() / (a**2).sum()
    return np.hstack([scale * rotation, (mean_b - scale * rotation @ mean_a)[:, None]]).astype(
        np.float32
    )


def face_outline(landmarks_xy: Array, points: Array = OUTLINE) -> Array:
    """Place a polygon (P, 2) of the mean face on a face given by its five landmarks (5, 2)."""
    placed = cv2.transform(points[None], similarity(MEAN_POINTS, landmarks_xy))[0]
    return np.asarray(placed, np.float32)
