"""People who do not exist: a portrait stretched, sheared and bent smoothly, as a whole.

A network learns a thousand portraits by heart within twenty epochs, and then tells a forgery by
what differs from the face it remembers. A face that is bent anew each time cannot be remembered.
What is made of it, real and forged, is bent alike, so bending tells nothing. Portraits smile into
the lens: a detector that never saw a face speak or frown takes those for warped, so it may be given
other expressions besides.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from train.portraits import Portrait

__all__ = ["reshape"]

Array = NDArray[np.float32]

# Largest stretch (natural logarithm) and shear; deviation of the field's nodes in face widths, and
# how many nodes it has across the picture.
STRETCH, SHEAR, BEND, NODES = 0.09, 0.08, 0.02, 6
# Expressions: deviation of how much the places around eyes, nose and mouth are stretched along the
# face and across it, and of how far they move, in face widths; how wide those places are.
OPENED, WIDENED, MOVED, PLACE = 0.22, 0.12, 0.015, 0.13
# The field is smooth and slight, so the fixed point below is reached quickly.
ROUNDS = 8


def reshape(portrait: Portrait, rng: np.random.Generator, *, expression: bool = False) -> Portrait:
    """The portrait with its picture (H, W, 3), box and landmarks bent by one draw from `rng`, its
    eyes, nose and mouth besides if it is to have another `expression`."""
    height, width = portrait.rgb.shape[:2]
    box = portrait.box_xyxy
    face_px = float(max(box[2] - box[0], box[3] - box[1]))
    centre = np.asarray((box[:2] + box[2:]) / 2.0, np.float64)
    stretch = np.exp(rng.uniform(-STRETCH, STRETCH, 2))
    shear = rng.uniform(-SHEAR, SHEAR)
    # Where a point of the new picture comes from: an affine map about the face, and a bend.
    affine = np.array([[stretch[0], shear], [0.0, stretch[1]]])
    nodes = rng.normal(0.0, BEND * face_px, (NODES, NODES, 2)).astype(np.float32)
    bend = cv2.resize(nodes, (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if expression:
        bend = bend + _expression(portrait.landmarks_xy, face_px, x, y, rng)
    source_x = affine[0, 0] * (x - centre[0]) + affine[0, 1] * (y - centre[1]) + centre[0]
    source_y = affine[1, 1] * (y - centre[1]) + centre[1]
    bent = cv2.remap(
        portrait.rgb,
        np.asarray(source_x + bend[..., 0], np.float32),
        np.asarray(source_y + bend[..., 1], np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )

    def moved(points: Array) -> Array:
        """Where points (P, 2) of the old picture lie in the new one."""
        wanted, found = points.astype(np.float64), points.astype(np.float64)
        for _ in range(ROUNDS):
            column = np.clip(np.round(found[:, 0]), 0, width - 1).astype(int)
            row = np.clip(np.round(found[:, 1]), 0, height - 1).astype(int)
            found = (wanted - bend[row, column] - centre) @ np.linalg.inv(affine).T + centre
        return np.asarray(found, np.float32)

    middle_x, middle_y = centre
    sides = np.array(
        [(box[0], middle_y), (middle_x, box[1]), (box[2], middle_y), (middle_x, box[3])], np.float32
    )
    left, top, right, bottom = moved(sides)
    return replace(
        portrait,
        rgb=np.asarray(bent, np.uint8),
        box_xyxy=np.array([left[0], top[1], right[0], bottom[1]], np.float32),
        landmarks_xy=moved(portrait.landmarks_xy),
    )


def _expression(
    landmarks_xy: Array, face_px: float, x: Array, y: Array, rng: np.random.Generator
) -> Array:
    """Displacements (H, W, 2) in px around the eyes, the nose and the mouth at grid x, y (H, W)."""
    left, right, nose, *corners = landmarks_xy
    mouth = (corners[0] + corners[1]) / 2.0
    out = np.zeros((*x.shape, 2), np.float32)
    for place, wide in ((left, 0.8), (right, 0.8), (nose, 1.0), (mouth, 1.2), (mouth, 0.7)):
        sigma = PLACE * wide * face_px
        across, along = x - place[0], y - place[1]
        near = np.exp(-(across**2 + along**2) / np.float32(2 * sigma**2))
        scale = np.clip(rng.normal(0.0, (WIDENED, OPENED)), -0.45, 0.45)
        shift = rng.normal(0.0, MOVED * face_px, 2)
        out[..., 0] += near * (across * np.float32(scale[0]) + np.float32(shift[0]))
        out[..., 1] += near * (along * np.float32(scale[1]) + np.float32(shift[1]))
    return out
