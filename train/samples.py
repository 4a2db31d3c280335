"""Training crops: each portrait gives a real and a forged one, worn alike, cut as the app cuts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from dfexplain.models import ModelConfig
from dfexplain.tracks import crop_face
from train.augment import draw_wear
from train.config import Data
from train.flicker import flickering
from train.forgeries import Face, Forger
from train.portraits import Portrait
from train.reshape import reshape

__all__ = ["Pair", "PairDataset", "Pose", "draw_pose", "face_width", "make_pair", "place"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

# The detector's box shakes: by how much it grows and moves, in face widths.
BOX_SCALE, BOX_SHIFT = (0.9, 1.12), 0.05
# A forgery that changes its part of the worn crop by less than this (root mean square, grey levels)
# is drawn again, at most TRIES times: nobody could see it, and to call it fake would teach noise.
VISIBLE, TRIES = 5.0, 4
# The settings of whoever gives none.
USUAL = Data()


@dataclass(frozen=True)
class Pose:
    """Where the face stands in the made frame: its width in px, turn, and the canvas side."""

    face_px: float
    turn_deg: float
    flip: bool
    canvas_px: int


@dataclass(frozen=True)
class Pair:
    """Crops (S, S, 3) of a real face and of its forgery, the forged share of each cell (G, G), the
    recipe (`forgeries.RECIPES`), and both crops as a teacher sees them, if it sees others."""

    real: Image
    fake: Image
    cells: Array
    recipe: str
    taught: tuple[Image, Image] | None = None


def draw_pose(native_px: float, margin: float, rng: np.random.Generator) -> Pose:
    """Draw a face width of 88 to 280 px (at most 1.15 times the portrait's own) and a turn.

    The canvas has room for a crop with `margin` wherever the box shakes to.
    """
    largest = max(96.0, min(280.0, 1.15 * native_px))
    face_px = float(np.exp(rng.uniform(np.log(88.0), np.log(largest))))
    canvas = 2 * round(face_px * ((0.5 + margin) * BOX_SCALE[1] + BOX_SHIFT + 0.03))
    return Pose(face_px, float(rng.uniform(-12, 12)), bool(rng.random() < 0.5), canvas)


def face_width(box_xyxy: Array) -> float:
    """The longer side of a face box in pixels: what crop_face builds its square on."""
    return float(max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]))


def place(picture: NDArray[np.generic], box_xyxy: Array, pose: Pose) -> NDArray[np.generic]:
    """Scale, turn and flip `picture` so that its face has `pose`, centred on a square canvas.

    Shrinking is done by areas first, so that no detail folds into noise.
    """
    scale = pose.face_px / face_width(box_xyxy)
    centre = (box_xyxy[:2] + box_xyxy[2:]) / 2.0
    if scale < 1.0:
        size = (max(2, round(picture.shape[1] * scale)), max(2, round(picture.shape[0] * scale)))
        ratio = np.array(size, np.float32) / picture.shape[1::-1]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        centre, scale = centre * ratio, 1.0
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), pose.turn_deg, scale)
    matrix[:, 2] += pose.canvas_px / 2.0 - centre
    out = cv2.warpAffine(
        picture,
        matrix,
        (pose.canvas_px, pose.canvas_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.ascontiguousarray(out[:, ::-1]) if pose.flip else np.asarray(out)


def make_pair(
    portrait: Portrait,
    donor: Portrait,
    forger: Forger,
    config: ModelConfig,
    rng: np.random.Generator,
    *,
    recipe: str | None = None,
    data: Data = USUAL,
    before: Portrait | None = None,
) -> Pair:
    """A real and a forged crop of one face, worn alike and cut alike, as `data` asks.

    `before` is the portrait without its expression, which a teacher sees as the real one if it is
    to see no cameras either (`data.before_camera`).
    """
    for _ in range(TRIES):
        forged = forger.draw(_face(portrait), _face(donor), rng, recipe=recipe)
        pose = draw_pose(face_width(portrait.box_xyxy), config.crop_margin, rng)
        pictures = [
            np.asarray(place(p, portrait.box_xyxy, pose), np.uint8)
            for p in (portrait.rgb, forged.rgb)
        ]
        # A faint blend is forged all the same: the target is where, not how much.
        where = forged.mask / max(float(forged.mask.max()), 1e-6)
        mask = np.asarray(place(np.round(where * 255), portrait.box_xyxy, pose), np.uint8)
        if data.flicker and rng.random() < data.flicker:
            real, fake = pictures
            pictures[1] = next(flickering(real, fake, mask / 255.0, pose.face_px, rng))
        wear = draw_wear(rng, moving=data.moving, hard=data.hard_wear, camera=data.camera)
        shown: list[Image] = []
        if data.before_camera:
            shown = list(pictures)
            if before is not None:
                shown[0] = np.asarray(place(before.rgb, before.box_xyxy, pose), np.uint8)
            shown = replace(wear, camera=None).apply(shown, pose.face_px)
        pictures = wear.apply(pictures, pose.face_px)
        half = pose.face_px / 2.0 * rng.uniform(*BOX_SCALE)
        middle = pose.canvas_px / 2.0 + rng.uniform(-BOX_SHIFT, BOX_SHIFT, 2) * pose.face_px
        box = np.concatenate([middle - half, middle + half]).astype(np.float32)
        real, fake, share, *taught = (
            crop_face(p, box, config.crop_margin, config.crop_px)
            for p in (*pictures, np.repeat(mask[..., None], 3, axis=2), *shown)
        )
        change = (real.astype(np.float32) - fake)[share[..., 0] > 127]
        if change.size and float(np.sqrt((change**2).mean())) >= VISIBLE:
            break
    # The mask has one cell for each place of the last feature map.
    grid = max(1, config.crop_px // config.stride_px)
    cells = cv2.resize(share[..., 0], (grid, grid), interpolation=cv2.INTER_AREA)
    cells = np.asarray(cells, np.float32) / 255.0
    return Pair(real, fake, cells, forged.recipe, (taught[0], taught[1]) if taught else None)


def _face(portrait: Portrait) -> Face:
    return portrait.rgb, portrait.landmarks_xy


class PairDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Pairs of crops (2, 3, S, S) uint8 (real, fake), the forged share of each cell (G, G), and the
    pair as a teacher sees it, or none (0,) where it sees the same.

    A pair is a function of (seed, epoch, index) alone: call `set_epoch` before each epoch, and a
    resumed run sees what an unbroken one would have seen.
    """

    def __init__(
        self,
        portraits: list[Portrait],
        config: ModelConfig,
        *,
        seed: int,
        data: Data = USUAL,
    ) -> None:
        self.data = data
        self.portraits = portraits
        self.config = config
        faces = [_face(p) for p in portraits]
        self.forger = Forger(
            faces,
            data.left_out,
            even=data.even,
            favoured=data.favoured,
            only=data.only.split(),
        )
        self.seed = seed
        # Shared memory: workers that live on through the epochs must see the change.
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random choices the next items use."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.portraits)

    def pair(self, index: int, recipe: str | None = None) -> Pair:
        """The pair of a portrait in this epoch, by a recipe if one is given."""
        rng = np.random.default_rng((self.seed, int(self._epoch[0]), index))
        donor = self.portraits[int(rng.integers(len(self.portraits)))]
        portrait = self.portraits[index]
        if self.data.reshaped:
            portrait = reshape(portrait, rng)
        before = portrait
        if self.data.expressions and rng.random() < self.data.expressions:
            portrait = reshape(portrait, rng, expression=True)
        return make_pair(
            portrait,
            donor,
            self.forger,
            self.config,
            rng,
            recipe=recipe,
            data=self.data,
            before=before,
        )

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        made = self.pair(index)
        pairs = [(made.real, made.fake), *([made.taught] if made.taught else [])]
        crops, *taught = (
            torch.from_numpy(np.stack(pair).transpose(0, 3, 1, 2).copy()) for pair in pairs
        )
        cells = torch.from_numpy(made.cells)
        return crops, cells, taught[0] if taught else crops.new_zeros(0)
