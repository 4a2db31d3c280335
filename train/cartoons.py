"""Portraits drawn over as cartoons, and faces drawn from nothing: what a gate has to turn away.

Each style is a stand-in for a way of drawing. Lines grow with the face, as a drawn face's do.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["STYLES", "draw_over", "drawn_face"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]
Rng = np.random.Generator


def _bgr_grey(rgb: Image) -> Image:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _flat(rgb: Image, face_px: float, rng: Rng) -> Image:
    """Edge-preserving smoothing, again and again, at a size where the face is 160 px wide."""
    scale = min(1.0, 160.0 / face_px)
    small = np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    for _ in range(int(rng.integers(4, 8))):
        small = cv2.bilateralFilter(small, 9, float(rng.uniform(25, 45)), 7)
    return np.asarray(cv2.resize(small, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _quantised(rgb: Image, colours: int, rng: Rng) -> Image:
    """The picture in `colours` colours, chosen by k-means on a sample of its pixels."""
    pixels = rgb.reshape(-1, 3).astype(np.float32)
    sample = pixels[rng.integers(len(pixels), size=4000)]
    rule = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    _, _, palette = cv2.kmeans(sample, colours, np.empty(0), rule, 1, cv2.KMEANS_PP_CENTERS)
    # The nearest colour is looked up in a table of all colours in steps of 8.
    steps = np.stack(np.meshgrid(*[np.arange(4, 256, 8)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    table = np.argmin(((steps - palette[None]) ** 2).sum(axis=2), axis=1)
    cell = rgb.astype(np.int64) // 8 @ np.array([1024, 32, 1])
    return np.asarray(np.round(palette[table[cell]]), np.uint8)


def _vivid(rgb: Image, gain: float) -> Image:
    hsv = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), np.float32)
    hsv[..., 1] = np.clip(hsv[..., 1] * gain, 0, 255)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def _ink(rgb: Image, face_px: float, weight: float) -> Array:
    """Ink lines (H, W), 0 where there is ink and 1 on bare paper: a difference of two blurs,
    sharpened to a step (XDoG: Winnemoeller et al., Computers & Graphics 2012, eq. 7)."""
    grey = _bgr_grey(rgb).astype(np.float32) / 255.0
    fine = max(0.6, face_px / 160.0) * weight
    narrow, wide = (cv2.GaussianBlur(grey, (0, 0), s) for s in (fine, 1.6 * fine))
    edges = narrow - np.float32(0.98) * wide
    return np.asarray(np.where(edges > 0, 1.0, 1.0 + np.tanh(120.0 * edges)), np.float32)


def _inked(rgb: Image, lines: Array) -> Image:
    return np.asarray(np.round(rgb * lines[..., None]), np.uint8)


def _comic(rgb: Image, face_px: float, rng: Rng) -> Image:
    """Smoothing that keeps edges, few colours, ink lines."""
    flat = _quantised(_flat(rgb, face_px, rng), int(rng.integers(8, 17)), rng)
    lines = _ink(rgb, face_px, float(rng.uniform(1.0, 1.8)))
    return _inked(_vivid(flat, float(rng.uniform(1.1, 1.6))), lines)


def _poster(rgb: Image, face_px: float, rng: Rng) -> Image:
    """Flat shading: a few steps of brightness, no lines."""
    flat = _flat(rgb, face_px, rng)
    return _quantised(_vivid(flat, float(rng.uniform(1.2, 1.8))), int(rng.integers(5, 10)), rng)


def _line(rgb: Image, face_px: float, rng: Rng) -> Image:
    """Ink on paper of one colour."""
    lines = _ink(rgb, face_px, float(rng.uniform(1.0, 2.0)))
    paper = rng.uniform(205, 256, 3).astype(np.float32)
    return np.asarray(np.round(lines[..., None] * np.minimum(paper, 255.0)), np.uint8)


def _drawn(rgb: Image, face_px: float, rng: Rng) -> Image:
    """A drawn face where the portrait's was expected: see `drawn_face`."""
    return drawn_face(rgb.shape[1], rgb.shape[0], face_px, rng)


STYLES: dict[str, Callable[[Image, float, Rng], Image]] = {
    "comic": _comic,
    "poster": _poster,
    "line": _line,
    "drawn": _drawn,
}


def draw_over(rgb: Image, style: str, face_px: float, rng: Rng) -> Image:
    """A portrait (H, W, 3) whose face is `face_px` wide in one of `STYLES`, of the same size."""
    return STYLES[style](rgb, face_px, rng)


def drawn_face(width: int, height: int, face_px: float, rng: Rng) -> Image:
    """A face of ellipses (height, width, 3) in the middle of the picture, as a child draws it."""
    picture = np.full((height, width, 3), rng.integers(90, 256, 3), np.uint8)
    skin = np.array(rng.uniform((150, 100, 70), (255, 215, 190)))
    x, y, unit = width / 2.0, height / 2.0, face_px / 2.0
    ink = max(1, round(face_px / 60))

    def oval(dx: float, dy: float, rx: float, ry: float, colour: NDArray[np.float64]) -> None:
        centre = (round(x + dx * unit), round(y + dy * unit))
        size = (max(1, round(rx * unit)), max(1, round(ry * unit)))
        fill = tuple(float(c) for c in colour)
        cv2.ellipse(picture, centre, size, 0, 0, 360, fill, -1, cv2.LINE_AA)
        cv2.ellipse(picture, centre, size, 0, 0, 360, (20, 15, 15), ink, cv2.LINE_AA)

    hair = rng.uniform(10, 140, 3)
    oval(0, -0.25, 0.95, 1.05, hair)
    oval(0, 0.05, 0.78, 1.0, skin)
    for side in (-1, 1):
        oval(side * 0.32, -0.15, 0.16, float(rng.uniform(0.1, 0.2)), np.full(3, 250.0))
        oval(side * 0.32, -0.15, 0.07, 0.08, rng.uniform(0, 120, 3))
        inner, outer = ((round(x + side * d * unit), round(y - 0.38 * unit)) for d in (0.18, 0.46))
        cv2.line(picture, inner, outer, tuple(float(c) for c in hair), 2 * ink, cv2.LINE_AA)
    oval(0, 0.15, 0.08, 0.16, skin * 0.88)
    oval(0, 0.52, float(rng.uniform(0.2, 0.36)), 0.09, np.array((190.0, 70.0, 80.0)))
    return picture
