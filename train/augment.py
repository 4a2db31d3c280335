"""From studio portraits to video: the wear that a face suffers on its way through a camera and a
codec.

A `Wear` is drawn once and can be applied to several pictures, so that a real crop and its forgery
are worn alike and quality alone tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from dfexplain.encode import h264_frame
from train.camera import Camera, draw_camera
from train.config import Augmentation

__all__ = ["Wear", "draw_wear", "geometry_and_colour"]

Image = NDArray[np.uint8]

# Wear that the usual chain seldom reaches: sigma for a 150 px face, constant rate factors.
HARD_BLUR_PX, HARD_CRF = (0.8, 3.0), (28, 40)


@dataclass(frozen=True)
class Wear:
    """One drawn chain of degradations. `blur_px`, `motion_px` and `scale` are for a 150 px face."""

    gains: tuple[float, float, float]
    gamma: float
    offset: float
    saturation: float
    # One-sided light: how much brighter (+) or darker one side is, and from where it comes.
    light: float
    light_deg: float
    # What a camera or an app does to the whole picture: edge-preserving smoothing (its range in
    # grey levels, 0 for none) and sharpening (its amount).
    smooth: float
    sharpen: float
    blur_px: float
    motion_px: int
    motion_deg: float
    scale: float
    upscale: int
    noise: float
    jpeg: int | None
    crfs: tuple[int, ...]
    # Where the picture stands in each frame of the clip that it is encoded with, in pixels of a
    # 150 px face; the frame at (0, 0) is the one that is kept.
    pans: tuple[tuple[float, float], ...]
    preset: str
    noise_seed: int
    camera: Camera | None = None

    def apply(self, frames: list[Image], face_px: float) -> list[Image]:
        """Wear pictures (H, W, 3) of one size in which the face is `face_px` wide."""
        unit = max(face_px, 40.0) / 150.0
        worn = [self._lens_and_sensor(f, unit) for f in frames]
        for crf in self.crfs:
            # Each picture goes through the codec alone: a pair shares its wear and nothing else.
            worn = [self._codec(f, crf, unit) for f in worn]
        return worn

    def _codec(self, rgb: Image, crf: int, unit: float) -> Image:
        """One frame of a short clip in which the picture moves: what prediction leaves of it."""
        clip = []
        for x, y in self.pans:
            matrix = np.array([[1, 0, x * unit], [0, 1, y * unit]], np.float32)
            moved = rgb
            if (x, y) != (0.0, 0.0):
                moved = np.asarray(
                    cv2.warpAffine(rgb, matrix, rgb.shape[1::-1], borderMode=cv2.BORDER_REPLICATE),
                    np.uint8,
                )
            clip.append(moved)
        return h264_frame(clip, crf, self.preset, self.pans.index((0.0, 0.0)))

    def _lens_and_sensor(self, rgb: Image, unit: float) -> Image:
        out = rgb.astype(np.float32)
        if self.smooth > 0:
            width = max(3, int(5 * unit) | 1)
            out = np.asarray(cv2.bilateralFilter(rgb, width, self.smooth, width), np.float32)
        if self.sharpen > 0:
            soft = cv2.GaussianBlur(out, (0, 0), max(0.5, 1.2 * unit))
            out = out + (out - soft) * np.float32(self.sharpen)
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
        if self.light:
            out = out * _slope(rgb.shape[:2], self.light, self.light_deg)[..., None]
        out = out * np.array(self.gains, np.float32) + np.float32(self.offset)
        grey = out @ np.array((0.2126, 0.7152, 0.0722), np.float32)
        out = grey[..., None] + (out - grey[..., None]) * np.float32(self.saturation)
        if self.scale < 1.0:
            size = (
                max(16, round(rgb.shape[1] * self.scale)),
                max(16, round(rgb.shape[0] * self.scale)),
            )
            small = cv2.resize(out, size, interpolation=cv2.INTER_AREA)
            out = cv2.resize(small, rgb.shape[1::-1], interpolation=self.upscale)
        if self.noise > 0:
            grain = np.random.default_rng(self.noise_seed).standard_normal(out.shape, np.float32)
            out += np.float32(self.noise) * grain
        if self.camera is not None:
            out = self.camera.apply(np.clip(out, 0, 255).astype(np.float32), unit)
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


def _slope(shape: tuple[int, int], strength: float, angle_deg: float) -> NDArray[np.float32]:
    """Factors (H, W) that rise across the picture from 1 - strength to 1 + strength."""
    y, x = (np.linspace(-1.0, 1.0, side, dtype=np.float32) for side in shape)
    turn = np.deg2rad(angle_deg)
    across = np.float32(np.cos(turn)) * x[None, :] + np.float32(np.sin(turn)) * y[:, None]
    return np.asarray(1.0 + np.float32(strength) * np.tanh(1.5 * across), np.float32)


def draw_wear(
    rng: np.random.Generator, *, moving: bool = True, hard: float = 0.0, camera: float = 0.0
) -> Wear:
    """Draw a chain: lens, exposure, scaling, noise, then none to two codecs (most often H.264).

    Its strength is drawn first, u squared for u uniform in 0..1: most pictures are worn a little
    and some a lot, or the traces that are to be learnt would be gone from nearly all of them.
    Smoothing, sharpening and one-sided light fall on the whole picture: what counts is not that a
    face is smooth or lit from one side, but that it differs from what is around it.
    `moving` encodes a picture as a frame of a moving clip, with CRF 18 to 38: deblocking and
    prediction smooth faces as blending does, and only what was seen worn so is told apart. Without
    it each picture is a clip of one frame, mostly at a low CRF: quicker, and easier to learn first.
    A share `hard` is worn hard besides, by HARD_BLUR_PX or by one codec of HARD_CRF, which the rest
    hardly ever is: or blur itself is taken for a forgery. A share `camera` is processed as video
    cameras do (`train.camera`): or all video is.
    """
    strength = float(rng.random()) ** 2

    def maybe(share: float, low: float, high: float, otherwise: float) -> float:
        value = low + (high - low) * strength * float(rng.random())
        return value if rng.random() < share else otherwise

    codec = rng.random()
    crfs: tuple[int, ...] = ()
    pans: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    if moving:
        pace = rng.normal(0.0, 1.5, 2)
        kept = int(rng.integers(3))
        pans = tuple((float(pace[0] * (i - kept)), float(pace[1] * (i - kept))) for i in range(3))
    if codec < 0.7:
        worst = 24 + round(14 * float(rng.random())) if moving else 20 + round(16 * strength)
        crfs = tuple(int(c) for c in rng.integers(18, worst + 1, size=2 if codec < 0.15 else 1))
    wear = Wear(
        gains=tuple(float(g) for g in rng.uniform(0.88, 1.12, 3)),  # type: ignore[arg-type]
        gamma=float(np.exp(rng.uniform(np.log(0.65), np.log(1.5)))),
        offset=float(rng.uniform(-18, 18)),
        saturation=0.0 if rng.random() < 0.05 else float(rng.uniform(0.6, 1.2)),
        light=float(rng.uniform(-0.45, 0.45)) if rng.random() < 0.35 else 0.0,
        light_deg=float(rng.uniform(0, 180)),
        smooth=float(rng.uniform(8, 35)) if rng.random() < 0.12 else 0.0,
        sharpen=float(rng.uniform(0.2, 1.5)) if rng.random() < 0.2 else 0.0,
        blur_px=maybe(0.4, 0.2, 1.6, 0.0),
        motion_px=int(maybe(0.15, 2, 9, 0)),
        motion_deg=float(rng.uniform(0, 180)),
        scale=1.0 - maybe(0.4, 0.0, 0.65, 0.0),
        upscale=int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC))),
        noise=maybe(0.4, 0.5, 9.0, 0.0),
        jpeg=round(95 - 55 * strength * float(rng.random())) if 0.55 < codec < 0.93 else None,
        crfs=crfs,
        pans=pans,
        preset="veryfast" if moving else "ultrafast",
        noise_seed=int(rng.integers(2**31)),
    )
    if camera and rng.random() < camera:
        wear = replace(wear, camera=draw_camera(rng))
    if not hard or rng.random() >= hard:
        return wear
    if rng.random() < 0.5:
        return replace(wear, blur_px=float(rng.uniform(*HARD_BLUR_PX)))
    return replace(wear, crfs=(int(rng.integers(*HARD_CRF, endpoint=True)),))


def geometry_and_colour(settings: Augmentation) -> Callable[[Tensor], Tensor]:
    """Flip, rotation, brightness, contrast and blur for clips (T, 3, S, S) uint8.

    Each is drawn once a call from torch's random numbers, so all frames of a clip change alike.
    """
    steps: list[v2.Transform] = [v2.Identity()]
    if settings.flip:
        steps.append(v2.RandomHorizontalFlip(settings.flip))
    if settings.rotation_deg:
        steps.append(v2.RandomRotation(settings.rotation_deg, InterpolationMode.BILINEAR))
    if settings.jitter:
        steps.append(v2.ColorJitter(settings.jitter, settings.jitter))
    if settings.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(5, (0.1, 2.0))], settings.blur))
    change: Callable[[Tensor], Tensor] = v2.Compose(steps)
    return change
