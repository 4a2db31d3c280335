"""reshape.py: the picture, its landmarks and its box are bent together."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.train.faces import portraits
from train.reshape import reshape
from train.samples import face_width


@pytest.mark.parametrize("expression", [False, True])
def test_landmarks_move_with_the_picture(expression: bool) -> None:
    face = portraits()[0]
    marked = np.zeros_like(face.rgb)
    for x, y in face.landmarks_xy:
        cv2.circle(marked, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        bent = reshape(replace(face, rgb=marked), rng, expression=expression)
        assert bent.rgb.shape == face.rgb.shape
        for x, y in bent.landmarks_xy:
            row, column = round(float(y)), round(float(x))
            assert bent.rgb[row - 1 : row + 2, column - 1 : column + 2].max() > 127
        assert 0.75 < face_width(bent.box_xyxy) / face_width(face.box_xyxy) < 1.35
        assert (np.abs(bent.landmarks_xy - face.landmarks_xy) > 0.5).any()


def test_it_follows_from_its_seed() -> None:
    face = portraits()[1]
    one, again, other = (reshape(face, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.rgb, again.rgb)
    assert (one.rgb != other.rgb).any()


def test_an_expression_moves_eyes_and_mouth_and_leaves_the_rest() -> None:
    face = portraits()[0]
    plain, acting = (
        reshape(face, np.random.default_rng(5), expression=asked) for asked in (False, True)
    )
    changed = np.abs(plain.rgb.astype(float) - acting.rgb).mean(axis=2)
    left, right, _, *corners = face.landmarks_xy
    mouth = (corners[0] + corners[1]) / 2.0
    reach = round(0.1 * face_width(face.box_xyxy))
    for x, y in (left, right, mouth):
        row, column = round(float(y)), round(float(x))
        assert changed[row - reach : row + reach, column - reach : column + reach].mean() > 1.0
    # Beyond three times the widest place nothing moves: the corners of the picture.
    assert changed[:8, :8].max() == 0.0
    assert (acting.landmarks_xy != plain.landmarks_xy).any()
