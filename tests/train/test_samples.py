"""samples.py, augment.py and clips.py: pairs and clips that are functions of their seeds alone."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dfexplain.models import ModelConfig
from tests.train.faces import portraits
from train.augment import HARD_BLUR_PX, HARD_CRF, draw_wear
from train.clips import draw_recipe, render
from train.config import Data, FitConfig
from train.datasets import PortraitSamples
from train.flicker import flickering
from train.forgeries import RECIPES
from train.samples import VISIBLE, PairDataset, draw_pose, face_width, place
from train.sbi import forge

CONFIG = ModelConfig(crop_px=96, crop_margin=0.05)


def dataset() -> PairDataset:
    return PairDataset(list(portraits()), CONFIG, seed=3)


def test_a_pair_is_a_function_of_seed_epoch_and_index() -> None:
    one, again = dataset(), dataset()
    crops, cells, _ = one[1]
    np.testing.assert_array_equal(crops, again[1][0])
    assert crops.shape == (2, 3, 96, 96)
    assert cells.shape == (3, 3)
    assert float(cells.max()) > 0.1
    again.set_epoch(1)
    assert (crops != again[1][0]).any()


def test_reshaped_people_are_new_and_bent_alike_in_both_crops() -> None:
    bent = PairDataset(list(portraits()), CONFIG, seed=3, data=Data(reshaped=True))
    assert (bent[0][0] != dataset()[0][0]).any()
    pair = bent.pair(0)
    apart = np.abs(pair.real.astype(np.float32) - pair.fake).mean(axis=2)
    by_cell = cv2.resize(apart, pair.cells.shape, interpolation=cv2.INTER_AREA)
    assert by_cell.flat[pair.cells.argmin()] < 0.7 * by_cell.flat[pair.cells.argmax()]


def test_what_is_called_forged_can_be_seen() -> None:
    for index in range(len(portraits())):
        pair = dataset().pair(index)
        changed = np.abs(pair.real.astype(float) - pair.fake) > VISIBLE / 2
        assert changed.mean() > 0.01
        assert pair.cells.max() > 0.1


def test_each_recipe_can_be_asked_for() -> None:
    for recipe in RECIPES:
        assert dataset().pair(0, recipe).recipe == recipe


def test_flicker_moves_what_was_forged_and_nothing_else() -> None:
    face = portraits()[0]
    made = forge(face.rgb, face.landmarks_xy, np.random.default_rng(2), keep_surroundings=True)
    frames = flickering(face.rgb, made.rgb, made.mask, 150.0, np.random.default_rng(3))
    one, other = next(frames), next(frames)
    changed = np.abs(one.astype(float) - other).mean(axis=2)
    assert changed[made.mask > 0.3].mean() > 0.5
    far = cv2.dilate(made.mask, np.ones((15, 15), np.uint8)) == 0.0
    assert far.any()
    assert changed[far].max() == 0.0


def test_a_share_of_the_forgeries_flickers() -> None:
    steady = dataset().pair(0)
    shaken = PairDataset(list(portraits()), CONFIG, seed=3, data=Data(flicker=1.0)).pair(0)
    assert shaken.recipe == steady.recipe
    assert (shaken.fake != steady.fake).any()


def test_hard_wear_blurs_or_encodes_hard_and_leaves_the_rest_of_the_draw() -> None:
    kinds = set()
    for seed in range(40):
        usual, hard = (draw_wear(np.random.default_rng(seed), hard=h) for h in (0.0, 1.0))
        blurred, encoded = usual.blur_px != hard.blur_px, usual.crfs != hard.crfs
        kinds.add((blurred, encoded))
        assert replace(hard, blur_px=usual.blur_px, crfs=usual.crfs) == usual
        if blurred:
            assert HARD_BLUR_PX[0] <= hard.blur_px <= HARD_BLUR_PX[1]
        else:
            assert HARD_CRF[0] <= hard.crfs[0] <= HARD_CRF[1]
    assert kinds == {(True, False), (False, True)}


def test_validation_pairs_are_made_once_and_worn_as_usual() -> None:
    config = FitConfig(model=CONFIG, data=Data(hard_wear=1.0, reshaped=True))
    kept = PortraitSamples(list(portraits()), config, seed=3, draws=2)
    assert kept.kept
    first = kept[0]
    assert kept[0] is first
    crops, cells, taught = dataset()[0]
    assert not taught.numel()
    np.testing.assert_array_equal(first.clips[:, 0], crops)
    np.testing.assert_array_equal(first.cells[1], cells)
    assert not first.cells[0].any()
    again = dataset()
    again.set_epoch(1)
    np.testing.assert_array_equal(kept[len(portraits()) + 1].clips[:, 0], again[1][0])


def test_light_falls_from_one_side() -> None:
    grey = np.full((40, 60, 3), 100, np.uint8)
    plain = replace(
        draw_wear(np.random.default_rng(0)),
        gains=(1, 1, 1), gamma=1, offset=0, saturation=1, smooth=0, sharpen=0, blur_px=0,
        motion_px=0, scale=1, noise=0, jpeg=None, crfs=(), light=0.3, light_deg=0.0,
    )  # fmt: skip
    (lit,) = plain.apply([grey], 150.0)
    assert lit[20, 0, 0] < 80 < 120 < lit[20, -1, 0]
    assert np.ptp(lit[:, 30, 0].astype(int)) == 0


def test_real_and_forged_are_alike_where_nothing_was_forged() -> None:
    # Quality must tell nothing: outside of the mask a pair differs by style, not by wear.
    for index in range(len(portraits())):
        crops, cells, _ = dataset()[index]
        assert float(cells.min()) < 0.5
        sharpness = [cv2.Laplacian(c.numpy().transpose(1, 2, 0), cv2.CV_32F).std() for c in crops]
        assert 0.5 < sharpness[0] / sharpness[1] < 2.0


def test_wear_is_the_same_for_the_same_draw_and_keeps_the_size() -> None:
    face = portraits()[0]
    for seed in range(8):
        wear = draw_wear(np.random.default_rng(seed))
        first, second = wear.apply([face.rgb, face.rgb], 150.0)
        np.testing.assert_array_equal(first, second)
        assert first.shape == face.rgb.shape
        assert first.dtype == np.uint8


def test_stronger_codecs_wear_more() -> None:
    face = portraits()[0].rgb
    wear = replace(
        draw_wear(np.random.default_rng(0)),
        gains=(1, 1, 1),
        gamma=1,
        offset=0,
        saturation=1,
        light=0,
        smooth=0,
        sharpen=0,
        blur_px=0,
        motion_px=0,
        scale=1,
        noise=0,
        jpeg=None,
    )
    errors = [
        float(np.abs(replace(wear, crfs=crfs).apply([face], 150.0)[0].astype(int) - face).mean())
        for crfs in ((), (20,), (36,), (36, 36))
    ]
    assert errors[0] == 0.0
    assert errors[0] < errors[1] < errors[2] <= errors[3]


def test_place_puts_the_face_in_the_middle_at_its_size() -> None:
    face = portraits()[0]
    pose = replace(
        draw_pose(face_width(face.box_xyxy), 0.8, np.random.default_rng(0)), turn_deg=0.0
    )
    x0, y0, x1, y1 = (round(float(v)) for v in face.box_xyxy)
    marked = np.zeros(face.rgb.shape[:2], np.float32)
    marked[max(0, y0) : y1, max(0, x0) : x1] = 1.0
    placed = place(marked, face.box_xyxy, pose)
    rows, columns = np.nonzero(np.asarray(placed) > 0.5)
    assert np.ptp(rows) == pytest.approx(
        pose.face_px * (y1 - y0) / face_width(face.box_xyxy), abs=3
    )
    assert rows.mean() == pytest.approx(pose.canvas_px / 2, abs=2)
    assert columns.mean() == pytest.approx(pose.canvas_px / 2, abs=2)


def test_a_forged_clip_differs_from_its_original_in_its_span_only() -> None:
    face = portraits()[2]
    recipe = draw_recipe(face, True, np.random.default_rng(4))
    recipe = replace(recipe, forged_s=(0.25, 1.0), flicker=False)
    made = forge(face.rgb, face.landmarks_xy, np.random.default_rng(2), keep_surroundings=True)
    forged = list(render(face, recipe, np.random.default_rng(9), made))
    real = list(render(face, replace(recipe, forged_s=None), np.random.default_rng(9)))
    assert len(forged) == recipe.frames == len(real)
    differs = [bool((a != b).any()) for a, b in zip(forged, real, strict=True)]
    assert [i for i, d in enumerate(differs) if d] == list(range(2, 8))
    assert (real[0] != real[8]).any()
    # A forgery that flickers differs from itself, and from its original in its span only.
    shaken = list(render(face, replace(recipe, flicker=True), np.random.default_rng(9), made))
    differs = [bool((a != b).any()) for a, b in zip(shaken, real, strict=True)]
    assert [i for i, d in enumerate(differs) if d] == list(range(2, 8))
    assert all((shaken[i] != forged[i]).any() for i in range(2, 8))
