"""Made clips: a portrait that moves before a still camera, untouched or forged for a known span.

They stand in for video where labelled video may not be used: the calibration is measured on clips
of validation people, and the examples that ship are clips of test people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from train.augment import Wear, draw_wear
from train.portraits import Portrait
from train.samples import face_width
from train.sbi import Forgery, forge

__all__ = ["ClipRecipe", "MovingPortrait", "draw_recipe", "render"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]


class MovingPortrait:
    """A portrait that sways, nods and leans in and out on smooth paths, drawn from `rng`.

    `face_px` is the mean width of its face in the frame (width, height), `centre` where the face
    stands, in shares of the frame; `amplitude` scales all movement.
    """

    def __init__(
        self,
        portrait: Portrait,
        *,
        size: tuple[int, int],
        face_px: float,
        rng: np.random.Generator,
        centre: tuple[float, float] = (0.5, 0.46),
        amplitude: float = 1.0,
    ) -> None:
        self.size = size
        scale = face_px / face_width(portrait.box_xyxy)
        # Shrink by areas once; the small turns and zooms of each frame are then interpolated.
        self._shrink = min(1.0, scale)
        self._zoom = scale / self._shrink
        middle = (portrait.box_xyxy[:2] + portrait.box_xyxy[2:]) / 2.0
        self._middle = middle.astype(np.float64) * self._shrink
        self._target = np.array(centre) * size
        self._periods = rng.uniform(2.5, 7.0, 4)
        self._phases = rng.uniform(0, 2 * np.pi, 4)
        self._swing = amplitude * np.array(
            [0.07 * face_px, 0.04 * face_px, rng.uniform(1.5, 4.5), rng.uniform(0.01, 0.05)]
        )

    def prepare(self, picture: NDArray[np.generic]) -> NDArray[np.generic]:
        """Shrink a picture of the portrait's size (its mask, its forgery) for `frame`."""
        if self._shrink == 1.0:
            return picture
        size = (round(picture.shape[1] * self._shrink), round(picture.shape[0] * self._shrink))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

    def frame(
        self, prepared: NDArray[np.generic], time_s: float, border: int
    ) -> NDArray[np.generic]:
        """The picture at a time; `border` is OpenCV's border mode for what lies outside of it."""
        wave = np.sin(2 * np.pi * time_s / self._periods + self._phases) * self._swing
        matrix = cv2.getRotationMatrix2D(
            (float(self._middle[0]), float(self._middle[1])),
            float(wave[2]),
            self._zoom * (1.0 + float(wave[3])),
        )
        matrix[:, 2] += self._target - self._middle + wave[:2]
        return np.asarray(
            cv2.warpAffine(prepared, matrix, self.size, flags=cv2.INTER_LINEAR, borderMode=border)
        )


@dataclass(frozen=True)
class ClipRecipe:
    """How a clip is made: frame size, rate, length, the forged span (None: untouched), wear."""

    size: tuple[int, int]
    fps: float
    frames: int
    face_px: float
    forged_s: tuple[float, float] | None
    wear: Wear
    crf: int


def draw_recipe(portrait: Portrait, forged: bool, rng: np.random.Generator) -> ClipRecipe:
    """Draw a recipe for a validation clip of 32 frames in 4 s, at H.264 CRF 18 to 36.

    Half of the forged clips are forged throughout, half for a span of 25 to 70 %.
    """
    fps, frames = 8.0, 32
    largest = max(75.0, min(260.0, 1.15 * face_width(portrait.box_xyxy)))
    face_px = float(np.exp(rng.uniform(np.log(70.0), np.log(largest))))
    span = None
    if forged:
        length = frames / fps
        share = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.25, 0.7))
        start = float(rng.uniform(0.0, 1.0 - share)) * length
        span = (start, start + share * length)
    width, height = 2 * round(face_px * 1.1), 2 * round(face_px * 1.2)
    wear = replace(draw_wear(rng), jpeg=None, crfs=())
    return ClipRecipe((width, height), fps, frames, face_px, span, wear, int(rng.integers(18, 37)))


def render(
    portrait: Portrait,
    recipe: ClipRecipe,
    rng: np.random.Generator,
    donor: Portrait | None = None,
) -> Iterator[Image]:
    """The frames (H, W, 3) of a clip before its codec; the forgery is the same in all of them."""
    mover = MovingPortrait(portrait, size=recipe.size, face_px=recipe.face_px, rng=rng)
    real = mover.prepare(portrait.rgb)
    forged: Forgery | None = None
    fake = real
    if recipe.forged_s is not None:
        forged = forge(
            portrait.rgb,
            portrait.landmarks_xy,
            rng,
            donor=None if donor is None else (donor.rgb, donor.landmarks_xy),
            keep_surroundings=True,
        )
        fake = mover.prepare(forged.rgb)
    for number in range(recipe.frames):
        time_s = number / recipe.fps
        inside = recipe.forged_s is not None and (recipe.forged_s[0] <= time_s < recipe.forged_s[1])
        picture = mover.frame(fake if inside else real, time_s, cv2.BORDER_REFLECT_101)
        wear = replace(recipe.wear, noise_seed=recipe.wear.noise_seed + number)
        yield wear.apply([np.asarray(picture, np.uint8)], recipe.face_px)[0]
