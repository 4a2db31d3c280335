"""Clips that must get no probability: what is in them, and what becomes of them."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import hub
from dfexplain.detector import Detector
from tests.train.faces import portraits
from train import cartoons, gate_material
from train.gate_material import GateTask


def task(kind: str, way: str) -> GateTask:
    """The first clip of a way."""
    people = [portraits()[0]] * 6
    return next(t for t in gate_material.tasks(people, kinds=(kind,)) if t.way == way)


def colours(rgb: NDArray[np.uint8]) -> int:
    return len(np.unique(rgb.reshape(-1, 3), axis=0))


def test_each_kind_has_one_clip_a_person_and_the_same_every_time() -> None:
    made = gate_material.tasks(portraits())
    assert Counter(t.kind for t in made) == dict.fromkeys(gate_material.KINDS, len(portraits()))
    assert len({t.record.key for t in made}) == len(made)
    for clip in made[:: len(portraits())]:
        first, again = next(clip.frames()), next(clip.frames())
        np.testing.assert_array_equal(first, again)
    assert len(list(made[0].frames())) == gate_material.FRAMES
    other = gate_material.tasks(portraits(), seed=1)
    assert not np.array_equal(next(other[0].frames()), next(made[0].frames()))


@pytest.mark.parametrize("style", cartoons.STYLES)
def test_a_cartoon_has_fewer_colours_than_its_portrait(style: str) -> None:
    rgb = portraits()[0].rgb
    drawn = cartoons.draw_over(rgb, style, 100.0, np.random.default_rng(0))
    assert drawn.shape == rgb.shape
    assert colours(drawn) < colours(rgb) / 10
    assert float(drawn.std()) > 10


def test_an_upside_down_clip_shows_the_face_upside_down() -> None:
    clip = task("inverted", "180 degrees")
    portrait = clip.portrait
    frame = next(clip.frames())
    left, top, right, bottom = portrait.box_xyxy.round().astype(int)
    face = cv2.resize(portrait.rgb[top:bottom, left:right], None, fx=0.25, fy=0.25)
    found = []
    for view in (frame, np.ascontiguousarray(frame[::-1, ::-1])):
        scale = clip.recipe.face_px / max(right - left, bottom - top) * 4
        size = (round(face.shape[1] * scale), round(face.shape[0] * scale))
        match = cv2.matchTemplate(view, cv2.resize(face, size), cv2.TM_CCOEFF_NORMED)
        found.append(float(match.max()))
    assert found[1] > found[0] + 0.1


def test_a_small_face_stands_in_a_larger_frame() -> None:
    frame = next(task("small", "20 px").frames())
    assert frame.shape == (240, 320, 3)
    middle, corner = frame[92:148, 136:184], frame[:56, :48]
    assert int(np.ptp(middle, axis=1).max()) > 50 > int(np.ptp(corner, axis=1).max())


def test_a_clip_without_a_face_counts_as_withdrawn(detector: Detector) -> None:
    result = task("noise", "white")(detector)
    assert (result.withdrawn, result.reason, result.score) == (True, "no_face", None)


def test_a_tiny_face_has_no_probability(detector: Detector) -> None:
    assert task("small", "20 px")(detector).withdrawn


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(hub.load("default"))
