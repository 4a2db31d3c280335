"""Pictures of crops on the disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["read_crop"]


def read_crop(path: Path, side: int) -> NDArray[np.uint8] | None:
    """A crop as RGB (S, S, 3); None where there is no readable picture."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if bgr is None:
        return None
    if bgr.shape[:2] != (side, side):
        how = cv2.INTER_AREA if min(bgr.shape[:2]) > side else cv2.INTER_LINEAR
        bgr = cv2.resize(bgr, (side, side), interpolation=how)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
