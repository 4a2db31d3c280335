"""Ways to forge a face beside blending: what a decoder, a warp or a restoration would leave.

- `blend` and `swap`: `sbi.forge`, with the face itself or with another person's.
- `reconstruct`: the aligned face through a linear autoencoder (eigenfaces: Turk and Pentland, JCN
  1991) at the size of a face swapper's output, its colours matched, blended back.
- `warp`: mouth, eyes or the whole face moved by a smooth field, as re-enactment moves it.
- `upsample`: the face through a small grid and back with an uneven kernel, which leaves the
  chequers of a transposed convolution (Odena et al., Distill 2016).
- `smooth`: edge-preserving smoothing with a sharpening after it, as face restoration leaves.

All but the first two are linear or local stand-ins for networks: no generator runs here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import face_shape
from train import sbi
from train.sbi import Forgery

__all__ = ["RECIPES", "Decoder", "Face", "Forger", "fit_decoder"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]
# A picture (H, W, 3) and the face's five landmarks (5, 2) in it.
Face = tuple[Image, Array]

RECIPES = ("blend", "swap", "reconstruct", "warp", "upsample", "smooth")
_SHARES = (0.34, 0.24, 0.18, 0.1, 0.07, 0.07)
# How many times as often a favoured recipe is drawn: a third of six with equal shares.
_FAVOUR = 2.5
# The aligned square of the decoder: eyes' middle at (48, 33), eyes 33 px apart.
SIDE = 96
_EYE_PX, _ORIGIN = 33.0, (48.0, 33.0)
# Eigenfaces that are kept, and the most faces that they are fitted to.
COMPONENTS, FITTED_TO = 128, 400


def _to_square(landmarks_xy: Array, side: int) -> Array:
    """The similarity (2, 3) from the picture to the aligned square of `side` px."""
    goal = face_shape.MEAN_POINTS * np.float32(_EYE_PX) + np.array(_ORIGIN, np.float32)
    return face_shape.similarity(landmarks_xy, goal * np.float32(side / SIDE))


def _aligned(face: Face, side: int = SIDE) -> Array:
    """The face in its aligned square (side, side, 3)."""
    rgb, points = face
    square = cv2.warpAffine(
        rgb, _to_square(points, side), (side, side), flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(square, np.float32)


def _laid_back(rgb: Image, square: Array, landmarks_xy: Array) -> Array:
    """An aligned face (S, S, 3) laid over the picture, which stays where it does not reach."""
    matrix, size = _to_square(landmarks_xy, len(square)), rgb.shape[1::-1]
    laid, there = (
        cv2.warpAffine(p, matrix, size, flags=how | cv2.WARP_INVERSE_MAP, borderMode=border)
        for p, how, border in (
            (square, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE),
            (np.ones(square.shape[:2], np.float32), cv2.INTER_LINEAR, cv2.BORDER_CONSTANT),
        )
    )
    share = there[..., None]
    return np.asarray(np.clip(laid * share + rgb * (1.0 - share), 0, 255), np.float32)


@dataclass(frozen=True)
class Decoder:
    """Eigenfaces of aligned faces SIDE x SIDE x 3 in 0..255: mean (D,), components (K, D)."""

    mean: Array
    components: Array

    def __call__(self, square: Array, kept: int) -> Array:
        """The face (SIDE, SIDE, 3) as the first `kept` components tell it."""
        basis = self.components[:kept]
        made = basis.T @ (basis @ (square.reshape(-1) - self.mean)) + self.mean
        return np.asarray(made.reshape(square.shape), np.float32)


def fit_decoder(faces: Sequence[Face]) -> Decoder:
    """Fit to evenly chosen faces, at most FITTED_TO; needs at least two."""
    chosen = np.unique(np.linspace(0, len(faces) - 1, min(FITTED_TO, len(faces))).astype(int))
    matrix = np.stack([_aligned(faces[i]).reshape(-1) for i in chosen])
    mean = matrix.mean(axis=0)
    matrix -= mean
    # The small Gram matrix (N, N) has the spectrum of the large covariance (D, D).
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    # Half of the rank at most: with all of it the decoder would repeat its own faces exactly.
    order = np.argsort(values)[::-1][: max(1, min(COMPONENTS, len(chosen) // 2))]
    components = (vectors[:, order].T @ matrix) / np.sqrt(np.maximum(values[order], 1e-6))[:, None]
    return Decoder(mean, np.asarray(components, np.float32))


def _reconstruct(face: Face, rng: np.random.Generator, decoder: Decoder) -> Array:
    rgb, points = face
    square = _aligned(face)
    most = len(decoder.components)
    made = decoder(square, int(rng.integers(max(1, most // 3), most + 1)))
    # How much of the fine detail a decoder keeps differs: some of the residual returns.
    made = made + np.float32(rng.uniform(0.0, 0.6)) * (square - made)
    made = (made - made.mean((0, 1))) * np.float32(rng.uniform(0.92, 1.08)) + square.mean((0, 1))
    made += rng.uniform(-6, 6, 3).astype(np.float32)
    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(made, (0, 0), 1.2)
        made = made + (made - soft) * np.float32(rng.uniform(0.3, 1.2))
    return _laid_back(rgb, made, points)


def _warp(face: Face, rng: np.random.Generator, kind: str) -> Array:
    rgb, points = face
    eye_px = float(np.linalg.norm(points[1] - points[0]))
    height, width = rgb.shape[:2]
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
    dx, dy = np.zeros((2, height, width), np.float32)
    near = {"mouth": points[3:], "lower": points[2:], "eyes": points[:2], "eye": points[:2]}
    centres = near.get(kind, points)
    for _ in range(int(rng.integers(2, 5))):
        at = centres[int(rng.integers(len(centres)))] + rng.normal(0, 0.15 * eye_px, 2)
        reach = float(rng.uniform(0.18, 0.45)) * eye_px
        bump = np.exp(-((x - at[0]) ** 2) / (2 * reach**2)) * np.exp(
            -((y - at[1]) ** 2) / (2 * reach**2)
        )
        push = rng.normal(0, 0.1 * eye_px, 2).astype(np.float32)
        dx += push[0] * bump.astype(np.float32)
        dy += push[1] * bump.astype(np.float32)
    out = cv2.remap(rgb, x + dx, y + dy, cv2.INTER_LINEAR).astype(np.float32)
    if rng.random() < 0.6:
        out = cv2.GaussianBlur(out, (0, 0), max(0.4, float(rng.uniform(0.006, 0.02)) * eye_px))
    return np.asarray(np.clip(out + rng.uniform(-5, 5, 3), 0, 255), np.float32)


def _upsample(face: Face, rng: np.random.Generator) -> Array:
    rgb, points = face
    square = _aligned(face, int(rng.choice((96, 128, 160))))
    side = len(square)
    step = int(rng.choice((2, 2, 4)))
    grid = np.zeros_like(square)
    grid[::step, ::step] = cv2.resize(square, (side // step,) * 2, interpolation=cv2.INTER_AREA)
    kernel = cv2.getGaussianKernel(2 * step + 1, 0.55 * step)
    kernel = kernel * (1 + rng.normal(0, 0.12, kernel.shape))
    lit = np.zeros(square.shape[:2], np.float32)
    lit[::step, ::step] = 1.0
    even = cv2.GaussianBlur(lit, (0, 0), 2.0 * step)
    made = cv2.sepFilter2D(grid, -1, kernel, kernel) / np.maximum(even, 1e-3)[..., None]
    made *= square.mean() / max(float(made.mean()), 1e-3)
    share = np.float32(rng.uniform(0.5, 1.0))
    return _laid_back(rgb, made * share + square * (1 - share), points)


def _smooth(face: Face, rng: np.random.Generator) -> Array:
    rgb, points = face
    eye_px = float(np.linalg.norm(points[1] - points[0]))
    size = min(15, max(5, int(rng.uniform(0.06, 0.14) * eye_px) | 1))
    out = cv2.bilateralFilter(rgb, size, float(rng.uniform(25, 70)), size).astype(np.float32)
    soft = cv2.GaussianBlur(out, (0, 0), max(0.6, 0.03 * eye_px))
    return np.asarray(np.clip(out + (out - soft) * rng.uniform(0.2, 1.0), 0, 255), np.float32)


def _coarse(face: Face, rng: np.random.Generator) -> Face:
    """The picture at the resolution of a face swapper: its face 48 to 160 px between the ears."""
    rgb, points = face
    eye_px = float(np.linalg.norm(points[1] - points[0]))
    scale = float(np.exp(rng.uniform(np.log(48), np.log(160)))) / (2.2 * eye_px)
    if scale >= 1.0:
        return face
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    back = int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
    return np.asarray(cv2.resize(small, rgb.shape[1::-1], interpolation=back), np.uint8), points


class Forger:
    """Draws forgeries; its decoder is fitted to `faces`, which must be people of one split.

    `left_out` is a recipe that is never drawn: what the detector then says of it is what it says of
    forgeries it has not seen. The others are drawn with equal shares if `even`,
    a `favoured` one 2.5 times as often. With `only` some no other is drawn at all.
    """

    def __init__(
        self,
        faces: Sequence[Face],
        left_out: str = "",
        *,
        even: bool = False,
        favoured: str = "",
        only: Sequence[str] = (),
    ) -> None:
        self.decoder = fit_decoder(faces)
        usual = np.ones(len(RECIPES)) if even else np.array(_SHARES)
        usual = usual * [_FAVOUR if recipe == favoured else 1.0 for recipe in RECIPES]
        shares = usual * [r != left_out and (not only or r in only) for r in RECIPES]
        self.shares = shares / shares.sum()

    def draw(
        self,
        face: Face,
        donor: Face,
        rng: np.random.Generator,
        *,
        recipe: str | None = None,
        kind: str | None = None,
        keep_surroundings: bool = False,
    ) -> Forgery:
        """Forge `face` by one of RECIPES, drawn if None; `donor` is the face that a swap lays over
        it. See `sbi.forge` for `kind` and `keep_surroundings`."""
        recipe = recipe or str(rng.choice(RECIPES, p=self.shares))
        rgb, points = face
        if recipe in ("blend", "swap"):
            lent = None
            if recipe == "swap":
                lent = _coarse(donor, rng) if rng.random() < 0.6 else donor
            return sbi.forge(
                rgb, points, rng, kind=kind, donor=lent, keep_surroundings=keep_surroundings
            )
        kinds, shares = ("hull", "inner", "lower", "mouth", "eyes"), (0.4, 0.25, 0.15, 0.12, 0.08)
        kind = kind or str(rng.choice(kinds, p=shares))
        mask = sbi.soft_mask(rgb.shape[:2], points, kind, rng)
        if recipe == "reconstruct":
            source = _reconstruct(face, rng, self.decoder)
        elif recipe == "warp":
            source = _warp(face, rng, kind)
        else:
            source = (_upsample if recipe == "upsample" else _smooth)(face, rng)
        weight = mask[..., None]
        out = source * weight + rgb * (1.0 - weight)
        return Forgery(np.asarray(np.clip(np.round(out), 0, 255), np.uint8), mask, kind, recipe)
