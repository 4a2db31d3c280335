"""Made scenes: licensed portraits that move before painted backdrops."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
FOLDER = Path(__file__).parent / "data" / "portraits"
NAMES = ("B001278", "B001306", "B001313")
# Where the head is in a portrait, in shares of its width and height.
HEAD_CENTRE = (0.5, 0.39)
HEAD_AXES = (0.36, 0.36)


@lru_cache
def portrait(which: int) -> Image:
    """One of the three portraits, RGB (410, 335, 3)."""
    bgr = cv2.imread(str(FOLDER / f"{NAMES[which]}.jpg"))
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


@lru_cache
def backdrop(seed: int, width: int = 1280, height: int = 720) -> Image:
    """A painted room: patches of colour and panels, without a face."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(30, 220, (4, 7, 3)).astype(np.uint8)
    room = np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    for _ in range(9):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = rng.integers(width // 12, width // 4), rng.integers(height // 10, height // 3)
        colour = tuple(int(v) for v in rng.integers(20, 235, 3))
        cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
    return np.asarray(cv2.GaussianBlur(room, (0, 0), 1.5), np.uint8)


def paste(scene: Image, which: int, centre: tuple[float, float], width_px: float) -> Image:
    """The scene with a head `width_px` wide, cut out softly, at `centre` (px); may leave it."""
    source = portrait(which)
    height, width = source.shape[:2]
    mask = np.zeros((height, width), np.float32)
    middle = (round(HEAD_CENTRE[0] * width), round(HEAD_CENTRE[1] * height))
    axes = (round(HEAD_AXES[0] * width), round(HEAD_AXES[1] * height))
    cv2.ellipse(mask, middle, axes, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 6)
    scale = width_px / (2 * axes[0])
    # Antialiased: shrink first, then move by fractions of a pixel.
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    head = cv2.resize(source, size, interpolation=how).astype(np.float32)
    soft = cv2.resize(mask, size, interpolation=how)
    shift = np.array(
        [
            [1, 0, centre[0] - HEAD_CENTRE[0] * size[0]],
            [0, 1, centre[1] - HEAD_CENTRE[1] * size[1]],
        ],
        np.float32,
    )
    canvas = scene.shape[1::-1]
    moved = cv2.warpAffine(head, shift, canvas, flags=cv2.INTER_LINEAR)
    alpha = cv2.warpAffine(soft, shift, canvas, flags=cv2.INTER_LINEAR)[..., None]
    return np.asarray(np.round(scene * (1 - alpha) + moved * alpha), np.uint8)
