"""sbi.py: forgeries stay inside their mask, a seed names them, and masks lie on the face (D11)."""

from __future__ import annotations

import numpy as np
import pytest

from dfexplain import face_shape
from tests.train.faces import portraits
from train import sbi


def test_similarity_recovers_a_known_one() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 2)).astype(np.float32)
    turn = np.deg2rad(25)
    matrix = 2.5 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (points @ matrix.T + (7, -3)).astype(np.float32)
    np.testing.assert_allclose(
        face_shape.similarity(points, moved), np.hstack([matrix, [[7], [-3]]]), atol=1e-4
    )


def test_similarity_never_mirrors() -> None:
    points = face_shape.MEAN_POINTS
    mirrored = points * np.array((-1, 1), np.float32)
    assert np.linalg.det(face_shape.similarity(points, mirrored)[:, :2]) > 0


@pytest.mark.parametrize("kind", sbi.KINDS)
def test_pixels_outside_the_mask_are_untouched(kind: str) -> None:
    face = portraits()[0]
    made = sbi.forge(
        face.rgb, face.landmarks_xy, np.random.default_rng(1), kind=kind, keep_surroundings=True
    )
    assert made.rgb.shape == face.rgb.shape
    assert made.mask.shape == face.rgb.shape[:2]
    assert 0.39 < float(made.mask.max()) <= 1.0
    changed = np.abs(made.rgb.astype(int) - face.rgb).max(axis=2)
    assert int(changed[made.mask < 1e-4].max()) == 0
    assert float((changed[made.mask > 0.3] > 0).mean()) > 0.3


def test_the_hull_covers_the_landmarks_and_the_mouth_mask_the_mouth_only() -> None:
    face = portraits()[1]
    points = np.round(face.landmarks_xy).astype(int)
    outline = face_shape.face_outline(face.landmarks_xy)
    assert outline[:, 1].max() > points[:, 1].max()
    for seed in range(5):
        made = sbi.forge(
            face.rgb, face.landmarks_xy, np.random.default_rng(seed), kind="mouth"
        ).mask
        at = made[points[:, 1], points[:, 0]] / made.max()
        assert at[3:].mean() > 0.2
        assert at[:2].max() < 0.05


def test_a_seed_names_the_forgery_and_another_seed_another() -> None:
    face = portraits()[0]
    one, same, other = (
        sbi.forge(face.rgb, face.landmarks_xy, np.random.default_rng(s)).rgb for s in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_donor_brings_another_face_in_the_colours_of_the_target() -> None:
    target, donor = portraits()[0], portraits()[1]
    made = sbi.forge(
        target.rgb,
        target.landmarks_xy,
        np.random.default_rng(2),
        kind="hull",
        donor=(donor.rgb, donor.landmarks_xy),
    )
    assert made.recipe == "swap"
    inside = made.mask > 0.5 * made.mask.max()
    before, after = target.rgb[inside].astype(float), made.rgb[inside].astype(float)
    assert np.abs(before - after).mean() > 4
    np.testing.assert_allclose(before.mean(axis=0), after.mean(axis=0), atol=18)
