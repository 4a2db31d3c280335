"""The pictures that a report holds: JPEGs that only this program writes and reads, never any from
outside, and pixels as they are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["CROP", "PREVIEW", "Jpeg", "Pixels", "decoded", "encoded"]

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


@dataclass(frozen=True)
class Jpeg:
    """A picture kept as JPEG: a tenth of the memory, and read anew by each who looks."""

    jpeg: bytes

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The pixels (H, W, 3). Raises ValueError for bytes that are no JPEG."""
        return decoded(self.jpeg)


@dataclass(frozen=True, eq=False)
class Pixels:
    """A picture kept as it is (H, W, 3), for who draws on it and needs no file of it."""

    rgb: NDArray[np.uint8]
