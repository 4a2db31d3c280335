"""Apparent skin tone from pixels: the individual typology angle of the cheeks.

ITA = atan2(L* - 50, b*) in degrees, and its six classes: Chardon, Cretois and Hourseau, "Skin
colour typology and suntanning pathways", International Journal of Cosmetic Science 13 (1991). It is
what a camera saw in some light, and no label of a person.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from train.portraits import Portrait

__all__ = ["TONES", "ita_deg", "tone"]

# Lower edges of the classes in degrees.
TONES = (
    (55.0, "very light"),
    (41.0, "light"),
    (28.0, "intermediate"),
    (10.0, "tan"),
    (-30.0, "brown"),
    (-math.inf, "dark"),
)
# Cheeks lie halfway from eye to mouth corner, a little outwards, and reach so far (in eye widths).
OUTWARDS, REACH = 0.08, 0.15


def ita_deg(portrait: Portrait) -> float:
    """The angle of the median colour of both cheeks; CIELAB of sRGB at D65."""
    points = portrait.landmarks_xy
    across = points[1] - points[0]
    radius = max(1, round(REACH * float(np.linalg.norm(across))))
    mask = np.zeros(portrait.rgb.shape[:2], np.uint8)
    for eye, mouth, side in ((0, 3, -1.0), (1, 4, 1.0)):
        x, y = (points[eye] + points[mouth]) / 2.0 + side * OUTWARDS * across
        cv2.circle(mask, (round(float(x)), round(float(y))), radius, 1, -1)
    lab = cv2.cvtColor(portrait.rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    lightness, _, yellow = np.median(lab[mask == 1], axis=0)
    return math.degrees(math.atan2(float(lightness) - 50.0, float(yellow)))


def tone(angle_deg: float) -> str:
    """The class of an angle."""
    return next(name for low, name in TONES if angle_deg > low)
