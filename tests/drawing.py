"""Drawn people in drawn rooms: the pictures of the test reports, without anybody's likeness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HEIGHT_PX",
    "WIDTH_PX",
    "Person",
    "box_at",
    "draw_face",
    "evidence",
    "jpeg",
    "room",
    "within",
]

WIDTH_PX, HEIGHT_PX = 1920, 1080
MAP = 7
BIAS = -0.4


@dataclass(frozen=True)
class Person:
    """A face of the drawn video. `forged` and `absent` are spans in seconds; `x`, `y` in 0..1."""

    x: float
    y: float = 0.48
    side: float = 0.26
    skin: tuple[int, int, int] = (214, 172, 142)
    forged: tuple[tuple[float, float], ...] = ()
    absent: tuple[tuple[float, float], ...] = ()
    calm: float = -2.4
    peak: float = 3.1


def within(time_s: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(start <= time_s <= end for start, end in spans)


def draw_face(
    picture: NDArray[np.uint8],
    box: Sequence[float],
    skin: tuple[int, int, int],
    forged: bool,
    time_s: float,
) -> None:
    """Draw a face into `box` of the picture, the mouth moving and, if forged, of another colour."""
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    centre = (round((x0 + x1) / 2), round((y0 + y1) / 2))

    def at(u: float, v: float) -> tuple[int, int]:
        return round(x0 + u * wide), round(y0 + v * high)

    def oval(where: tuple[int, int], u: float, v: float, colour: tuple[int, int, int]) -> None:
        axes = (max(1, round(u * wide)), max(1, round(v * high)))
        cv2.ellipse(picture, where, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval((centre[0], round(centre[1] - 0.06 * high)), 0.54, 0.58, (62, 46, 38))
    oval(centre, 0.46, 0.52, skin)
    for u in (0.32, 0.68):
        oval(at(u, 0.42), 0.075, 0.045, (250, 250, 250))
        oval(at(u, 0.42), 0.03, 0.035, (52, 40, 30))
    oval(at(0.5, 0.58), 0.04, 0.07, tuple(round(0.86 * c) for c in skin))  # type: ignore[arg-type]
    mouth = (170, 70, 90) if not forged else (190, 40, 120)
    oval(at(0.5, 0.77), 0.17, 0.03 + 0.02 * (1 + math.sin(6 * time_s)), mouth)


def jpeg(rgb: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    return data.tobytes()


def room(wide: int, high: int, shot: int) -> NDArray[np.uint8]:
    """A wall and a floor; each shot has its own colours."""
    wall = ((96, 118, 138), (138, 116, 96), (104, 128, 104), (122, 108, 140))[shot % 4]
    shade = np.linspace(1.1, 0.7, high)[:, None, None] * np.array(wall)[None, None, :]
    picture = np.repeat(shade, wide, axis=1).clip(0, 255).astype(np.uint8)
    cv2.rectangle(picture, (0, round(0.86 * high)), (wide, high), (70, 62, 58), -1)
    return picture


def box_at(person: Person, time_s: float) -> list[float]:
    side = person.side * HEIGHT_PX
    x = (person.x + 0.02 * math.sin(0.7 * time_s)) * WIDTH_PX
    y = (person.y + 0.015 * math.sin(1.1 * time_s)) * HEIGHT_PX
    return [x - side * 0.4, y - side / 2, x + side * 0.4, y + side / 2]


def evidence(logit: float, forged: bool, rng: np.random.Generator) -> NDArray[np.float32]:
    """A map whose mean plus the bias is the logit, hot at the mouth where the frame is forged."""
    rows, cols = np.mgrid[0:MAP, 0:MAP]
    hill = np.exp(-((rows - 4.6) ** 2 + (cols - 3.0) ** 2) / 2.2)
    values = rng.normal(0, 0.25, (MAP, MAP)) + (14.0 if forged else -0.6) * hill
    return (values - values.mean() + logit - BIAS).astype(np.float32)
