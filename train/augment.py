"""From studio portraits to video: the wear that a face suffers on its way through a camera and a codec.

A `Wear` is drawn once and can be applied to several pictures, so that a real crop and its forgery are
worn alike and quality alone tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.encode import h264_roundtrip

__all__ = ["Wear", "draw_wear"]

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Wear:
    """One drawn chain of degradations. `blur_px`, `motion_px` and `scale` are for a 150 px face."""

    gains: tuple[float, float, float]
    gamma: float
    offset: float
    saturation: float
    blur_px: float
    motion_px: int
    motion_deg: float
    scale: float
    upscale: int
    noise: float
    jpeg: int | None
    crfs: tuple[int, ...]
    noise_seed: int

    def apply(self, frames: list[Image], face_px: float) -> list[Image]:
        """Wear pictures (H, W, 3) of one size in which the face is `face_px` wide."""
        unit = max(face_px, 40.0) / 150.0
        worn = [self._lens_and_sensor(f, unit) for f in frames]
        for crf in self.crfs:
            # Each picture goes through the codec alone: a pair shares its wear and nothing else.
            worn = [h264_roundtrip([f], crf)[0] for f in worn]
        return worn

    def _lens_and_sensor(self, rgb: Image, unit: float) -> Image:
        out = rgb.astype(np.float32)
        if self.blur_px > 0:
            out = cv2.GaussianBlur(out, (0, 0), max(0.2, self.blur_px * unit))
        if self.motion_px > 1:
            length = max(2, round(self.motion_px * unit))
            kernel = np.zeros((length, length), np.float32)
            kernel[length // 2] = 1.0
            turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), self.motion_deg, 1)
            kernel = cv2.warpAffine(kernel, turn, (length, length))
            out = cv2.filter2D(out, -1, kernel / max(float(kernel.sum()), 1e-6))
        out = 255.0 * (np.clip(out / 255.0, 0, 1) ** np.float32(self.gamma))
        out = out * np.float32(self.gains) + np.float32(self.offset)
        grey = out @ np.float32((0.2126, 0.7152, 0.0722))
        out = grey[..., None] + (out - grey[..., None]) * np.float32(self.saturation)
        if self.scale < 1.0:
            size = (
                max(16, round(rgb.shape[1] * self.scale)),
                max(16, round(rgb.shape[0] * self.scale)),
            )
            small = cv2.resize(out, size, interpolation=cv2.INTER_AREA)
            out = cv2.resize(small, rgb.shape[1::-1], interpolation=self.upscale)
        if self.noise > 0:
            out += np.random.default_rng(self.noise_seed).normal(0, self.noise, out.shape)
        worn = np.asarray(np.clip(np.round(out), 0, 255), np.uint8)
        if self.jpeg is not None:
            done, data = cv2.imencode(
                ".jpg", cv2.cvtColor(worn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, self.jpeg]
            )
            assert done
            worn = np.asarray(
                cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8
            )
        return worn


def draw_wear(rng: np.random.Generator) -> Wear:
    """Draw a chain: lens, exposure, scaling, noise, then none to two codecs (most often H.264)."""

    def maybe(share: float, low: float, high: float, otherwise: float) -> float:
        value = float(rng.uniform(low, high))
        return value if rng.random() < share else otherwise

    codec = rng.random()
    crfs: tuple[int, ...] = ()
    if codec < 0.7:
        crfs = tuple(int(c) for c in rng.integers(18, 37, size=2 if codec < 0.15 else 1))
    return Wear(
        gains=tuple(float(g) for g in rng.uniform(0.9, 1.1, 3)),  # type: ignore[arg-type]
        gamma=float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
        offset=float(rng.uniform(-20, 20)),
        saturation=0.0 if rng.random() < 0.06 else float(rng.uniform(0.5, 1.25)),
        blur_px=maybe(0.4, 0.3, 1.4, 0.0),
        motion_px=int(maybe(0.15, 3, 8, 0)),
        motion_deg=float(rng.uniform(0, 180)),
        scale=maybe(0.35, 0.4, 1.0, 1.0),
        upscale=int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC))),
        noise=maybe(0.35, 0.5, 8.0, 0.0),
        jpeg=int(rng.integers(40, 96)) if codec > 0.55 and codec < 0.93 else None,
        crfs=crfs,
        noise_seed=int(rng.integers(2**31)),
    )
