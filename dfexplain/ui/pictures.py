"""Pictures of a report, inlined in the page's HTML."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["inline", "png"]


def inline(rgb: NDArray[np.uint8], height_px: int) -> str:
    """A picture (H, W, 3) at the given height as a JPEG in a data URI."""
    high, wide = rgb.shape[:2]
    size = (max(1, round(wide * height_px / high)), height_px)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def png(rgb: NDArray[np.uint8]) -> str:
    """A picture (H, W, 3), as it is, as a data URI."""
    _, data = cv2.imencode(".png", rgb[:, :, ::-1])
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()
