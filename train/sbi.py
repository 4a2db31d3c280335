"""Forgeries made from real faces: self-blended images and aligned swaps.

Written from Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022 (sec.
3: source-target generator, mask generator, blending) and Li et al., "Face X-ray", CVPR 2020 (sec.
4.1: blending with another person's face after colour transfer). Two things differ from the papers,
because only MTCNN's five points are at hand: the face outline is a mean outline placed by a
similarity transform instead of 81 landmarks, and masks may cover
a part of the face only (mouth, eyes, a half),
as partial manipulations do.

Lengths are in units of the distance between the eyes unless the name says px.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.face_shape import OUTLINE, face_outline, similarity

__all__ = ["KINDS", "Forgery", "forge", "soft_mask"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

KINDS = ("hull", "inner", "lower", "mouth", "eyes", "half")
_KIND_SHARES = (0.5, 0.14, 0.12, 0.08, 0.08, 0.08)
# Centre and radii of the kinds that are ellipses. One "eye" is drawn for the benchmark of maps
# only: its place is farthest from the middle of a crop.
_ELLIPSES = {"mouth": ((0.0, 1.08), (0.68, 0.42)), "eyes": ((0.0, 0.0), (0.95, 0.36))}


@dataclass(frozen=True)
class Forgery:
    """A forged picture: `rgb` (H, W, 3), the share `mask` (H, W) in 0..1 of the forged face in each
    pixel, which part of the face it is and by which recipe (`forgeries.RECIPES`)."""

    rgb: Image
    mask: Array
    kind: str
    recipe: str


def _region(kind: str, rng: np.random.Generator) -> Array:
    if kind == "hull":
        return OUTLINE * rng.uniform(0.9, 1.08, 2).astype(np.float32)
    if kind == "inner":
        middle = np.array((0.0, 0.5), np.float32)
        return (OUTLINE - middle) * np.float32(rng.uniform(0.6, 0.82)) + middle
    if kind == "lower":
        cut = rng.uniform(0.25, 0.6)
        return np.array([(x, max(y, cut)) for x, y in OUTLINE], np.float32)
    if kind == "half":
        side = rng.choice((-1.0, 1.0))
        cut = rng.uniform(-0.15, 0.15)
        return np.array([(side * max(side * x, cut), y) for x, y in OUTLINE], np.float32)
    if kind == "eye":
        side = float(rng.choice((-1.0, 1.0)))
        centre, radii = (0.5 * side, 0.0), (0.55, 0.48)
    else:
        centre, radii = _ELLIPSES[kind]
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.asarray(radii)
    placed = ring * rng.uniform(0.85, 1.2, 2) + np.asarray(centre)
    return np.asarray(placed, np.float32)


def _elastic(mask: Array, eye_px: float, rng: np.random.Generator) -> Array:
    """Deform a mask by a smooth random field of up to about a tenth of the eyes' distance."""
    height, width = mask.shape
    coarse = rng.normal(0.0, 0.06 * eye_px, (2, 7, 7)).astype(np.float32)
    shift = [cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse]
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(
        cv2.remap(mask, grid_x + shift[0], grid_y + shift[1], cv2.INTER_LINEAR), np.float32
    )


def soft_mask(
    shape: tuple[int, int], landmarks: Array, kind: str, rng: np.random.Generator
) -> Array:
    """A soft mask (H, W): polygon, elastic deformation, erosion or dilation, feathering, ratio."""
    eye_px = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    polygon = _region(kind, rng)
    polygon = polygon + rng.normal(0.0, 0.04, polygon.shape).astype(np.float32)
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [np.int32(np.round(face_outline(landmarks, polygon) * 16))], 1.0, shift=4)
    mask = _elastic(mask, eye_px, rng)
    grow = rng.uniform(-0.12, 0.06) * eye_px
    if abs(grow) >= 1.0:
        kernel = cv2.getStructuringElement(
            cv2.MORPH_ELLIPSE, (2 * int(abs(grow)) + 1, 2 * int(abs(grow)) + 1)
        )
        mask = np.asarray((cv2.dilate if grow > 0 else cv2.erode)(mask, kernel), np.float32)
    sigma = max(0.4, float(rng.uniform(0.01, 0.16)) * eye_px)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)
    peak = float(mask.max())
    ratio = float(rng.choice((0.4, 0.6, 0.8, 1.0, 1.0, 1.0)))
    return np.asarray(np.clip(mask / max(peak, 1e-6), 0.0, 1.0) * ratio, np.float32)


def _restyle(rgb: Image, eye_px: float, rng: np.random.Generator) -> Image:
    """Shift colours or sharpness of a copy, as two recordings of one face would differ."""
    out = rgb.astype(np.float32)
    if rng.random() < 0.8:
        out += rng.uniform(-16, 16, 3).astype(np.float32)
        out = (out - 128.0) * np.float32(rng.uniform(0.88, 1.12)) + 128.0
        out += np.float32(rng.uniform(-14, 14))
    out = np.clip(out, 0, 255)
    if rng.random() < 0.6:
        hsv = cv2.cvtColor(out / 255.0, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-9, 9)) % 360.0
        hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.75, 1.3), 0, 1)
        out = np.clip(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255.0, 0, 255)
    draw = rng.random()
    if draw < 0.4:
        factor = rng.uniform(1.5, 4.0)
        size = (max(8, round(rgb.shape[1] / factor)), max(8, round(rgb.shape[0] / factor)))
        small = cv2.resize(out, size, interpolation=cv2.INTER_AREA)
        back = int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
        out = cv2.resize(small, rgb.shape[1::-1], interpolation=back)
    elif draw < 0.65:
        soft = cv2.GaussianBlur(out, (0, 0), max(0.6, 0.02 * eye_px))
        out = out + (out - soft) * np.float32(rng.uniform(0.4, 1.6))
    elif draw < 0.8:
        out = cv2.GaussianBlur(out, (0, 0), max(0.4, float(rng.uniform(0.008, 0.03)) * eye_px))
    return np.asarray(np.clip(np.round(out), 0, 255), np.uint8)


def _nudge(rgb: Image, landmarks: Array, rng: np.random.Generator) -> Image:
    """Move and scale a copy a little, so that blended edges do not line up (paper, sec. 3.2)."""
    eye_px = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    centre = landmarks.mean(axis=0)
    matrix = cv2.getRotationMatrix2D(
        (float(centre[0]), float(centre[1])), rng.uniform(-2.0, 2.0), rng.uniform(0.95, 1.05)
    )
    matrix[:, 2] += rng.uniform(-1, 1, 2) * (0.07 * eye_px, 0.045 * eye_px)
    return np.asarray(
        cv2.warpAffine(
            rgb, matrix, rgb.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


def _donated(target: Image, landmarks: Array, donor: tuple[Image, Array], mask: Array) -> Image:
    """Another person's face laid over the target by its landmarks, with the target's colours.

    Colour transfer: mean and deviation in CIELAB (Reinhard et al., CG&A 2001, eq. 10 and 11).
    """
    face, points = donor
    laid = cv2.warpAffine(
        face,
        similarity(points, landmarks),
        target.shape[1::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    inside = mask > 0.5 * max(float(mask.max()), 1e-6)
    lab = cv2.cvtColor(np.float32(laid) / 255.0, cv2.COLOR_RGB2LAB)
    goal = cv2.cvtColor(np.float32(target) / 255.0, cv2.COLOR_RGB2LAB)
    if inside.sum() >= 16:
        for c in range(3):
            spread = max(float(lab[..., c][inside].std()), 1e-3)
            gain = np.clip(float(goal[..., c][inside].std()) / spread, 0.5, 2.0)
            centre = lab[..., c][inside].mean()
            lab[..., c] = (lab[..., c] - centre) * gain + goal[..., c][inside].mean()
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(np.round(rgb * 255.0), 0, 255), np.uint8)


def forge(
    rgb: Image,
    landmarks_xy: Array,
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    donor: tuple[Image, Array] | None = None,
    keep_surroundings: bool = False,
) -> Forgery:
    """Blend a changed copy of the face (or `donor`'s face: picture, landmarks) into the picture.

    `rgb` (H, W, 3), `landmarks_xy` (5, 2) px. `kind` is one of KINDS or "eye"; drawn from KINDS if
    None. `keep_surroundings` leaves what is outside the mask as it is, as a clip that is forged for
    a span needs. Every random choice comes from `rng`, so a seed names the forgery.
    """
    kind = kind or str(rng.choice(KINDS, p=_KIND_SHARES))
    eye_px = float(np.linalg.norm(landmarks_xy[1] - landmarks_xy[0]))
    mask = soft_mask(rgb.shape[:2], landmarks_xy, kind, rng)
    if donor is not None:
        source, target = _donated(rgb, landmarks_xy, donor, mask), rgb
    elif rng.random() < 0.5 or keep_surroundings:
        source, target = _restyle(rgb, eye_px, rng), rgb
    else:
        source, target = rgb, _restyle(rgb, eye_px, rng)
    source = _nudge(source, landmarks_xy, rng)
    weight = mask[..., None]
    blended = source.astype(np.float32) * weight + target.astype(np.float32) * (1.0 - weight)
    return Forgery(
        np.asarray(np.round(blended), np.uint8), mask, kind, "swap" if donor else "blend"
    )
