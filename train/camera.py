"""What a video camera makes of its picture before a codec sees it, unlike a photographer's.

Portraits come from still cameras and retouchers. A camcorder, a phone or a webcam takes weak detail
for noise and removes it, raises what is left, blurs colours and sets its own contrast: skin turns
smooth while edges stay sharp. A detector that never saw this takes genuine video for forged.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Camera", "Focus", "draw_camera", "draw_focus"]

# What a camera makes of detail in the bands of its picture, finest first: the sigma in px that ends
# each band of a 150 px face, and the most grey levels that are cored away in it as noise.
BAND_PX, CORED = (0.7, 1.4, 2.8, 5.6), (7.0, 5.0, 3.5, 2.0)
# Where a picture is in focus: the bands of detail that this changes, the finest ones; the natural
# logarithm of its gain within the face and around it; the face's half axes and the centre's
# deviation in face widths; how softly one passes into the other, as a share of the half axes.
FOCUSED_BANDS = 3
WITHIN, AROUND = (-0.9, 0.4), (-0.5, 0.6)
HALF_WIDTH, HALF_HEIGHT, OFF_CENTRE, SOFT = (0.28, 0.6), (0.4, 0.75), 0.06, (0.15, 0.6)


@dataclass(frozen=True)
class Focus:
    """How much detail a face has beside what is around it: depth of field, make-up, light and hair.

    Before a studio's blurred backdrop a face is the sharpest thing there is, and a detector learns
    that a face with less detail than its surroundings is forged; in most video it has less. Gains
    are natural logarithms, lengths in face widths, `soft` is a share of the half axes.
    """

    within: float
    around: float
    half_axes: tuple[float, float]
    centre: tuple[float, float]
    soft: float

    def gains(self, shape: tuple[int, int], unit: float) -> NDArray[np.float32]:
        """The gain of detail (H, W) in a picture with a face of `unit` times 150 px amid it."""
        y, x = (
            (np.arange(side, dtype=np.float32) - np.float32(side / 2.0)) / np.float32(150.0 * unit)
            for side in shape
        )
        across = (x[None, :] - np.float32(self.centre[0])) / np.float32(self.half_axes[0])
        along = (y[:, None] - np.float32(self.centre[1])) / np.float32(self.half_axes[1])
        beyond = (np.sqrt(across**2 + along**2) - 1.0) / np.float32(self.soft)
        share = 1.0 / (1.0 + np.exp(np.clip(4.0 * beyond, -30.0, 30.0)))
        gains = np.exp(np.float32(self.around) + share * np.float32(self.within - self.around))
        return np.asarray(gains, np.float32)


@dataclass(frozen=True)
class Camera:
    """What a video camera makes of the whole picture before its codec, unlike a photographer.

    Detail is split into bands (BAND_PX); in each of them what is weaker than its `cores` is taken
    for noise and removed, the rest is multiplied by its `gains` (coring and peaking). `median_px`
    is the width of a median filter and `chroma_px` the blur of the colour differences, for a
    150 px face. `contrast` is about the middle grey, `saturation` multiplies the colour
    differences, `focus` changes the finest bands by place.
    """

    gains: tuple[float, ...]
    cores: tuple[float, ...]
    median_px: float
    chroma_px: float
    contrast: float
    saturation: float
    focus: Focus | None = None

    def apply(self, rgb: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
        """Process a picture (H, W, 3) of 0..255; `unit` is the face's width over 150 px."""
        if self.median_px > 0:
            width = min(5, 2 * max(1, round(self.median_px * unit / 2.0)) + 1)
            rgb = np.asarray(cv2.medianBlur(rgb, width), np.float32)
        ycc = cv2.cvtColor(rgb / 255.0, cv2.COLOR_RGB2YCrCb)
        rest = np.ascontiguousarray(ycc[..., 0]) * 255.0
        detail = np.zeros_like(rest)
        places = None if self.focus is None else self.focus.gains(rest.shape, unit)
        for i, (sigma, gain, core) in enumerate(zip(BAND_PX, self.gains, self.cores, strict=True)):
            soft = cv2.GaussianBlur(rest, (0, 0), max(0.3, sigma * unit))
            band = rest - soft
            if places is not None and i < FOCUSED_BANDS:
                band = band * places
            kept = np.sign(band) * np.maximum(np.abs(band) - np.float32(core), 0.0)
            detail, rest = detail + kept * np.float32(gain), soft
        ycc[..., 0] = (rest + detail) / 255.0
        if self.chroma_px > 0:
            ycc[..., 1:] = cv2.GaussianBlur(ycc[..., 1:], (0, 0), max(0.3, self.chroma_px * unit))
        ycc[..., 1:] = (ycc[..., 1:] - 0.5) * np.float32(self.saturation) + 0.5
        out = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB) * 255.0
        return np.asarray((out - 128.0) * np.float32(self.contrast) + 128.0, np.float32)


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera; how much it cores is drawn first, for all bands alike."""
    strength = float(rng.random())
    return Camera(
        gains=tuple(float(g) for g in np.exp(rng.uniform(np.log(0.5), np.log(2.2), len(BAND_PX)))),
        cores=tuple(float(rng.uniform(0.0, strength * most)) for most in CORED),
        median_px=float(rng.uniform(1.5, 5.0)) if rng.random() < 0.3 else 0.0,
        chroma_px=float(rng.uniform(0.5, 5.0)) if rng.random() < 0.5 else 0.0,
        contrast=float(rng.uniform(0.8, 1.45)),
        saturation=float(rng.uniform(0.7, 1.7)),
        focus=draw_focus(rng) if rng.random() < 0.8 else None,
    )


def draw_focus(rng: np.random.Generator) -> Focus:
    """Draw how much detail there is within the face and around it."""
    return Focus(
        within=float(rng.uniform(*WITHIN)),
        around=float(rng.uniform(*AROUND)),
        half_axes=(float(rng.uniform(*HALF_WIDTH)), float(rng.uniform(*HALF_HEIGHT))),
        centre=(float(rng.normal(0.0, OFF_CENTRE)), float(rng.normal(0.0, OFF_CENTRE))),
        soft=float(rng.uniform(*SOFT)),
    )
