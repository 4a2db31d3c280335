"""Maps held against a known truth: the material that ships, and the numbers (N20)."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain.errors import SettingError
from dfexplain.explain import localisation, truth
from dfexplain.explain.localisation import best_iou, centre_maps, heat_inside, localise, pointing
from dfexplain.models import ModelConfig
from train.forgeries import RECIPES
from train.portraits import split_of


@pytest.fixture(scope="module")
def known() -> truth.KnownForgeries:
    return truth.read(ModelConfig(crop_px=64, crop_margin=0.15))


def test_the_material_has_enough_crops_of_each_kind(known: truth.KnownForgeries) -> None:
    assert known.off_centre.sum() >= 208
    assert (~known.off_centre).sum() >= 60
    assert set(known.part) == {"eye", "mouth", "half", "hull"}
    assert known.crops.shape == (len(known), 64, 64, 3)
    assert known.masks.shape == known.hulls.shape == (len(known), truth.GRID, truth.GRID)
    files = [p for p in truth.FOLDER.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 5_000_000


@pytest.mark.parametrize("margin", [0.05, 0.15, 0.3, 0.5])
def test_the_middle_is_forged_in_hulls_only_whatever_the_margin(margin: float) -> None:
    known = truth.read(ModelConfig(crop_px=32, crop_margin=margin))
    middle = slice(truth.GRID // 2 - 1, truth.GRID // 2 + 1)
    hit = known.masks[:, middle, middle]
    assert not hit[known.off_centre].any()
    assert hit[~known.off_centre].all()
    # The parts are in the picture, and on the face for the most part.
    area = known.masks.mean(axis=(1, 2))
    assert area.min() > 0.01
    inside = (known.masks & known.hulls).mean(axis=(1, 2)) / area
    assert np.median(inside) > 0.8


def test_every_forgery_changes_its_part_and_little_else() -> None:
    with (truth.FOLDER / truth.TABLE).open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    inside, outside = (
        np.array([float(r[f"change_{w}"]) for r in rows]) for w in ("inside", "outside")
    )
    assert inside.min() >= 4.0
    assert (inside >= 3.9 * outside).all()
    assert len({(r["person"], r["part"]) for r in rows}) == len(rows)
    assert {r["recipe"] for r in rows} == set(RECIPES)
    assert {split_of(r["person"]) for r in rows} == {"test"}


def test_material_that_is_missing_or_broken_is_said(tmp_path: Path) -> None:
    config = ModelConfig(crop_px=32)
    with pytest.raises(SettingError, match=r"known forgeries must lie in .*crops\.csv"):
        truth.read(config, tmp_path)
    (tmp_path / truth.TABLE).write_text("file,mask\na,b\n")
    with pytest.raises(SettingError, match="must have the columns file, mask, person"):
        truth.read(config, tmp_path)
    row = dict.fromkeys(truth.COLUMNS, "1") | {"file": "crops/none.jpg"}
    (tmp_path / truth.TABLE).write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    with pytest.raises(SettingError, match=r"must be readable, but got .*none\.jpg"):
        truth.read(config, tmp_path)


def corner(side: int = 24) -> np.ndarray:
    """Masks (4, side, side), each a quarter of the crop in another corner."""
    masks = np.zeros((4, side, side), bool)
    half = side // 2
    for n, (y, x) in enumerate(((0, 0), (0, half), (half, 0), (half, half))):
        masks[n, y : y + half, x : x + half] = True
    return masks


def test_the_pointing_game_asks_for_the_highest_place() -> None:
    values = np.zeros((4, 4, 4), np.float32)
    for n, (y, x) in enumerate(((0, 0), (0, 3), (3, 0), (3, 3))):
        values[n, y, x] = 1.0
    np.testing.assert_array_equal(pointing(values, corner()), np.eye(4))
    # Below zero everywhere there is a highest place, too.
    np.testing.assert_array_equal(pointing(values - 5, corner()), np.eye(4))
    # A map that is the same everywhere hits as often as chance; a tie counts by halves.
    np.testing.assert_allclose(pointing(np.zeros((1, 4, 4), np.float32), corner()), 0.25)
    values[0, 0, 3] = 1.0
    np.testing.assert_allclose(pointing(values[:1], corner()), [[0.5, 0.5, 0, 0]])


def test_iou_is_the_best_of_all_thresholds() -> None:
    rng = np.random.default_rng(0)
    values, masks = rng.random((3, 12, 12)).astype(np.float32), rng.random((3, 12, 12)) < 0.3
    values[0] = values[0].round(1)  # with ties
    by_hand = [
        max(((v >= t) & m).sum() / ((v >= t) | m).sum() for t in np.unique(v))
        for v, m in zip(values, masks, strict=True)
    ]
    np.testing.assert_allclose(best_iou(values, masks), by_hand)
    np.testing.assert_array_equal(best_iou(masks.astype(np.float32), masks), 1.0)


def test_heat_is_what_lies_above_zero() -> None:
    values = np.full((2, 24, 24), -3.0, np.float32)
    values[0, :12, :12], values[0, 12:, 12:] = 2.0, 1.0
    np.testing.assert_allclose(heat_inside(values, corner()[:2]), [2 / 3, np.nan])


def corners(count: int) -> truth.KnownForgeries:
    """Crops of which a quarter is forged each, in turn; the fifth person's is called a hull."""
    masks = np.concatenate([corner()] * (count // 4))
    part = np.where(np.arange(count) % 5 == 4, "hull", "eye")
    crops = np.zeros((count, 32, 32, 3), np.uint8)
    people = np.arange(count)
    return truth.KnownForgeries(crops, masks, np.ones_like(masks), part, part, people)


def test_rivals_that_know_nothing_are_told_from_a_map_that_knows() -> None:
    known = corners(80)
    knowing = localise(known.masks.astype(np.float32), known)
    for found in (knowing.hit, knowing.iou, knowing.inside):
        np.testing.assert_allclose(found, 1.0)
    # Its maps held against others' masks: 15 of 63 others off the centre have the same quarter.
    np.testing.assert_allclose(knowing.elsewhere[known.off_centre], 15 / 63)
    np.testing.assert_allclose(knowing.elsewhere[~known.off_centre], 3 / 15)
    chance = localisation.random_localised((6, 6), known)
    assert abs(chance.hit.mean() - 0.25) < 0.03
    assert abs(chance.inside.mean() - 0.25) < 0.03
    np.testing.assert_allclose(chance.on_face, 1.0)
    again = localisation.random_localised((6, 6), known)
    np.testing.assert_array_equal(chance.hit, again.hit)


def test_a_map_of_the_same_person_is_no_stranger() -> None:
    known = replace(corners(8), people=np.zeros(8, np.int64))
    np.testing.assert_array_equal(localise(known.masks.astype(np.float32), known).elsewhere, 0.0)


def test_the_middle_of_the_crop_hits_hulls_only(known: truth.KnownForgeries) -> None:
    hits = np.diagonal(pointing(centre_maps(len(known), truth.GRID), known.masks))
    assert not hits[known.off_centre].any()
    assert hits[~known.off_centre].all()
