"""Pictures of a report, made ready for the page: decoded, shrunk, or inlined in HTML."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["decode", "inline"]


def decode(jpeg: bytes) -> NDArray[np.uint8]:
    """A JPEG of a report (written by dfexplain itself) as RGB (H, W, 3)."""
    rgb = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if rgb is None:
        raise ValueError("jpeg must hold a picture that dfexplain wrote, but it cannot be decoded.")
    return np.asarray(rgb, np.uint8)


def inline(jpeg: bytes, height_px: int) -> str:
    """The picture at the given height as a data URI."""
    rgb = decode(jpeg)
    high, wide = rgb.shape[:2]
    size = (max(1, round(wide * height_px / high)), height_px)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
