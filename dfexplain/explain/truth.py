"""Forged crops whose forged part is known: those in examples/localisation, cut as a model wants.

They are stored wider than any recipe of ours cuts them, so one set serves every crop margin.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.errors import SettingError
from dfexplain.face_shape import face_outline
from dfexplain.faces import face_square
from dfexplain.models import ModelConfig
from dfexplain.tracks import crop_face

__all__ = [
    "COLUMNS",
    "FOLDER",
    "GRID",
    "OFF_CENTRE",
    "STORED_MARGIN",
    "STORED_PX",
    "TABLE",
    "KnownForgeries",
    "read",
]

# In a clone; what is installed brings no pictures.
FOLDER = Path(__file__).resolve().parents[2] / "examples" / "localisation"
TABLE = "crops.csv"
# The stored crops: a margin of 0.15 is cut out of them at 192 px without any scaling.
STORED_PX, STORED_MARGIN = 236, 0.3
# Parts whose mask leaves the middle of the crop free; the others are "hull".
OFF_CENTRE = ("eye", "mouth", "half")
# Masks and maps are compared on GRID x GRID points of the crop.
GRID = 96
# A point counts as forged where the forged picture's share is at least this much of its peak.
FORGED_FROM = 0.5
# `change_inside` and `change_outside`: root mean square of what the forgery changed in grey levels,
# in the mask and where nothing was forged, after all wear.
COLUMNS = (
    "file", "mask", "person", "part", "recipe",
    "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4",
    "change_inside", "change_outside",
)  # fmt: skip


@dataclass(frozen=True)
class KnownForgeries:
    """N forged `crops` (N, S, S, 3) with their forged points `masks` and the points on the face
    `hulls`, (N, GRID, GRID) each; which `part` (N,) was forged by which `recipe` (N,), and the
    `people` (N,) shown, by numbers."""

    crops: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    hulls: NDArray[np.bool_]
    part: NDArray[np.str_]
    recipe: NDArray[np.str_]
    people: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def off_centre(self) -> NDArray[np.bool_]:
        """Which of them (N,) leave the middle of the crop untouched."""
        return np.isin(self.part, OFF_CENTRE)

    def only(self, rows: NDArray[np.generic]) -> KnownForgeries:
        """Some of them, by a mask (N,) or by their numbers."""
        return KnownForgeries(*(value[rows] for value in vars(self).values()))


def read(config: ModelConfig, folder: Path = FOLDER) -> KnownForgeries:
    """The forgeries in `folder`, cut for a model. Raises SettingError where they are not whole."""
    try:
        with (folder / TABLE).open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    except OSError as error:
        raise SettingError(
            f"known forgeries must lie in '{folder}', but it has no {TABLE}. Run this in a clone, "
            "or make them with scripts/make_localisation.py."
        ) from error
    if not rows or not set(COLUMNS) <= rows[0].keys():
        raise SettingError(f"{TABLE} must have the columns {', '.join(COLUMNS)}. Make it again.")
    middle, half = STORED_PX / 2.0, STORED_PX / (1.0 + 2.0 * STORED_MARGIN) / 2.0
    box = np.array([middle - half] * 2 + [middle + half] * 2, np.float32)
    crops, masks, hulls = [], [], []
    for row in rows:
        rgb = _picture(folder / row["file"])
        share = cv2.resize(_picture(folder / row["mask"]), (STORED_PX, STORED_PX))
        crops.append(crop_face(rgb, box, config.crop_margin, config.crop_px))
        cut = crop_face(np.asarray(share, np.uint8), box, config.crop_margin, GRID)
        masks.append(cut[..., 0] >= 255 * FORGED_FROM)
        hulls.append(_hull(row, box, config.crop_margin))
    names = [row["person"] for row in rows]
    return KnownForgeries(
        np.stack(crops),
        np.stack(masks),
        np.stack(hulls),
        np.array([row["part"] for row in rows]),
        np.array([row["recipe"] for row in rows]),
        np.unique(names, return_inverse=True)[1].astype(np.int64),
    )


def _picture(path: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise SettingError(f"known forgeries must be readable, but got '{path}'. Make them again.")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _hull(row: dict[str, str], box: NDArray[np.float32], margin: float) -> NDArray[np.bool_]:
    """The points of the crop that lie on the face, by the mean face's outline."""
    points = np.array([[float(row[f"{axis}{i}"]) for axis in "xy"] for i in range(5)], np.float32)
    left, top, side = face_square(box, margin)
    outline = face_outline((points - (left, top)) * np.float32(GRID / side))
    drawn = np.zeros((GRID, GRID), np.uint8)
    cv2.fillPoly(drawn, [np.int32(np.round(outline * 16))], 1, shift=4)
    return np.asarray(drawn, bool)
