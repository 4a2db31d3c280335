"""forgeries.py: each recipe changes the face, leaves the rest, and follows from its seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.train.faces import portraits
from train.forgeries import RECIPES, SIDE, Forger, fit_decoder

FACES = [(p.rgb, p.landmarks_xy) for p in portraits()]


@pytest.fixture(scope="module")
def forger() -> Forger:
    return Forger(FACES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_changes_the_face_and_follows_from_its_seed(forger: Forger, recipe: str) -> None:
    face, donor = FACES[0], FACES[1]
    for seed in range(3):
        one, again = (
            forger.draw(
                face, donor, np.random.default_rng(seed), recipe=recipe, keep_surroundings=True
            )
            for _ in range(2)
        )
        np.testing.assert_array_equal(one.rgb, again.rgb)
        assert one.recipe == recipe
        assert one.rgb.shape == face[0].shape
        assert one.rgb.dtype == np.uint8
        change = np.abs(one.rgb.astype(float) - face[0]).mean(axis=2)
        assert change[one.mask > 0.3].mean() > 0.5
        assert change[one.mask == 0.0].max() == 0.0


def test_a_recipe_that_is_left_out_is_never_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(Forger(FACES, "warp").draw(FACES[0], FACES[1], rng).recipe for _ in range(60))
    assert "warp" not in drawn
    assert len(drawn) >= 4


def test_recipes_are_drawn_alike_if_asked_or_blends_and_swaps_most_often() -> None:
    even, usual = Forger(FACES, even=True), Forger(FACES)
    np.testing.assert_allclose(even.shares, 1 / len(RECIPES))
    assert usual.shares[:2].sum() > 0.5
    np.testing.assert_allclose(
        Forger(FACES, "warp", even=True).shares, [0.2, 0.2, 0.2, 0.0, 0.2, 0.2]
    )
    favoured = Forger(FACES, even=True, favoured="smooth").shares
    np.testing.assert_allclose(favoured, [2 / 15] * 5 + [1 / 3])
    assert Forger(FACES, "smooth", even=True, favoured="smooth").shares[5] == 0.0
    np.testing.assert_array_equal(Forger(FACES, only=["smooth"]).shares, [0, 0, 0, 0, 0, 1])
    both = Forger(FACES, even=True, only=["smooth", "reconstruct"])
    np.testing.assert_array_equal(both.shares, [0, 0, 0.5, 0, 0, 0.5])


def test_the_decoder_loses_detail_and_more_so_with_fewer_components() -> None:
    # Faces that vary in four ways: four components tell them whole, fewer do not.
    rng = np.random.default_rng(1)
    smooth = rng.normal(size=(4, 6, 6, 3))
    basis = np.repeat(np.repeat(smooth, 50, axis=1), 50, axis=2)
    landmarks = portraits()[0].landmarks_xy
    faces = [
        (
            np.uint8(np.clip(128 + 12 * np.tensordot(rng.normal(size=4), basis, 1), 0, 255)),
            landmarks,
        )
        for _ in range(24)
    ]
    decoder = fit_decoder(faces)
    assert decoder.components.shape == (12, SIDE * SIDE * 3)
    np.testing.assert_allclose(decoder.components @ decoder.components.T, np.eye(12), atol=2e-2)
    from train.forgeries import _aligned

    square = _aligned(faces[3])
    errors = [float(np.abs(decoder(square, kept) - square).mean()) for kept in (1, 2, 4, 12)]
    assert errors[0] > errors[1] > errors[2] >= errors[3]
    assert errors[2] < 0.3 * errors[0]
