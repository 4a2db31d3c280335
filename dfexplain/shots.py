"""Shot cuts between consecutive sampled frames, whether they lie 0.3 s or minutes apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["CutDetector"]


class CutDetector:
    """Told of the frames in time order, says of each whether a new shot begins with it."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def is_cut(self, rgb: NDArray[np.uint8]) -> bool:
        """True where `rgb` (H, W, 3) shows another scene than the frame told before it."""
        small = cv2.resize(rgb, (64, 36), interpolation=cv2.INTER_AREA)
        histogram = cv2.calcHist([small], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3)
        now = np.asarray(histogram / small[..., 0].size, np.float32)
        last, self._last = self._last, now
        return last is not None and float(np.abs(now - last).sum()) > 1.2
