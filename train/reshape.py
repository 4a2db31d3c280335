"""People who do not exist: a portrait stretched, sheared and bent smoothly, as a whole.

A network learns a thousand portraits by heart within twenty epochs, and then tells a forgery by
what differs from the face it remembers. A face that is bent anew each time cannot be remembered.
What is made of it, real and forged, is bent alike, so bending tells nothing.
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
# The field is smooth and slight, so the fixed point below is reached quickly.
ROUNDS = 8


def reshape(portrait: Portrait, rng: np.random.Generator) -> Portrait:
    """The portrait with its picture (H, W, 3), box and landmarks bent by one draw from `rng`."""
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
