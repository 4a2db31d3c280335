"""Training crops: each portrait gives a real and a forged one, worn alike, cut as the app cuts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from dfexplain.models import ModelConfig
from dfexplain.tracks import crop_face
from train.augment import draw_wear
from train.portraits import Portrait
from train.sbi import forge

__all__ = ["PairDataset", "Pose", "draw_pose", "make_pair", "place"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

# The auxiliary head learns one cell of the mask per position of a stride-32 network's last map.
STRIDE_PX = 32
# Side of the picture around the face, in face widths: room for any crop margin, turn and shift.
CANVAS_FACES = 2.4


@dataclass(frozen=True)
class Pose:
    """Where the face stands in the made frame: its width in px, turn, and the canvas side."""

    face_px: float
    turn_deg: float
    flip: bool
    canvas_px: int


def draw_pose(native_px: float, rng: np.random.Generator) -> Pose:
    """Draw a face width of 72 to 280 px (at most 1.15 times the portrait's own) and a turn."""
    largest = max(80.0, min(280.0, 1.15 * native_px))
    face_px = float(np.exp(rng.uniform(np.log(72.0), np.log(largest))))
    canvas = 2 * round(face_px * CANVAS_FACES / 2)
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
    donor: Portrait | None,
    config: ModelConfig,
    rng: np.random.Generator,
    *,
    moving: bool = True,
) -> tuple[Image, Image, Array]:
    """A real crop (S, S, 3), a forged crop (S, S, 3) and the forged share of each cell (G, G)."""
    forged = forge(
        portrait.rgb,
        portrait.landmarks_xy,
        rng,
        donor=None if donor is None else (donor.rgb, donor.landmarks_xy),
    )
    pose = draw_pose(face_width(portrait.box_xyxy), rng)
    real, fake = (
        np.asarray(place(p, portrait.box_xyxy, pose), np.uint8) for p in (portrait.rgb, forged.rgb)
    )
    # A faint blend is forged all the same: the target is where, not how much.
    where = forged.mask / max(float(forged.mask.max()), 1e-6)
    mask = np.asarray(place(where, portrait.box_xyxy, pose), np.float32)
    real, fake = draw_wear(rng, moving=moving).apply([real, fake], pose.face_px)
    # The detector's box shakes: so does the crop, alike for both.
    half = pose.face_px / 2.0 * rng.uniform(0.9, 1.12)
    middle = pose.canvas_px / 2.0 + rng.uniform(-0.05, 0.05, 2) * pose.face_px
    box = np.concatenate([middle - half, middle + half]).astype(np.float32)
    crops = [crop_face(p, box, config.crop_margin, config.crop_px) for p in (real, fake)]
    share = crop_face(
        np.asarray(np.repeat(np.round(mask * 255)[..., None], 3, axis=2), np.uint8),
        box,
        config.crop_margin,
        config.crop_px,
    )[..., 0]
    grid = max(1, config.crop_px // STRIDE_PX)
    cells = cv2.resize(share, (grid, grid), interpolation=cv2.INTER_AREA)
    return crops[0], crops[1], np.asarray(cells, np.float32) / 255.0


class PairDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of crops (2, 3, S, S) uint8 (real, fake) and the forged share of each cell (G, G).

    A pair is a function of (seed, epoch, index) alone: call `set_epoch` before each epoch, and a
    resumed run sees what an unbroken one would have seen.
    """

    def __init__(
        self,
        portraits: list[Portrait],
        config: ModelConfig,
        *,
        swap_share: float,
        seed: int,
        moving: bool = True,
    ) -> None:
        self.moving = moving
        self.portraits = portraits
        self.config = config
        self.swap_share = swap_share
        self.seed = seed
        # Shared memory: workers that live on through the epochs must see the change.
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random choices the next items use."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.portraits)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, int(self._epoch[0]), index))
        donor = None
        if rng.random() < self.swap_share:
            donor = self.portraits[int(rng.integers(len(self.portraits)))]
        real, fake, cells = make_pair(
            self.portraits[index], donor, self.config, rng, moving=self.moving
        )
        pair = np.stack([real, fake]).transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(pair)), torch.from_numpy(cells)
