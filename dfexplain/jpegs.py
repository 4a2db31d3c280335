"""The JPEGs that a report holds: written and read by this program only, never from outside."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["CROP", "PREVIEW", "decoded", "encoded"]

PREVIEW = (cv2.IMWRITE_JPEG_QUALITY, 88)
# Crops are scored again when somebody asks why: as little as possible may be lost.
CROP = (
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)


def encoded(rgb: NDArray[np.uint8], how: tuple[int, ...] = CROP) -> bytes:
    """A picture (H, W, 3) as JPEG, stored as CROP or PREVIEW says."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), how)
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG.")
    return data.tobytes()


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of such a JPEG. Raises ValueError for bytes that are none."""
    rgb = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if rgb is None:
        raise ValueError("jpeg must hold a picture that dfexplain wrote, but it cannot be decoded.")
    return np.asarray(rgb, np.uint8)
