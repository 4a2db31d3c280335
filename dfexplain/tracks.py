"""Shot cuts, tracks of faces that never cross a cut, and the crops that models see."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["crop_face"]


def crop_face(
    rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32], margin: float, size_px: int
) -> NDArray[np.uint8]:
    """Cut the square around a face box out of `rgb` (H, W, 3) and scale it to (S, S, 3).

    The square is centred on the box; its side is the box's longer side times 1 + 2 * margin. Where it
    leaves the frame the border is replicated.
    """
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = max(2, round(max(x1 - x0, y1 - y0) * (1.0 + 2.0 * margin)))
    left = round((x0 + x1 - side) / 2.0)
    top = round((y0 + y1 - side) / 2.0)
    height, width = rgb.shape[:2]
    inner = rgb[max(0, top) : max(0, min(height, top + side)), max(0, left) : max(0, left + side)]
    if inner.size == 0:
        raise ValueError(f"box_xyxy must touch the frame, but got {box_xyxy.tolist()}.")
    if inner.shape[:2] != (side, side):
        inner = cv2.copyMakeBorder(
            inner,
            max(0, -top),
            max(0, top + side - height),
            max(0, -left),
            max(0, left + side - width),
            cv2.BORDER_REPLICATE,
        )
    shrink = side > size_px
    return np.asarray(
        cv2.resize(
            inner,
            (size_px, size_px),
            interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR,
        ),
        np.uint8,
    )
