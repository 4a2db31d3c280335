"""Crops that somebody changes on purpose: what the attack may do, and what the table counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dfexplain import hub
from dfexplain.engine import Engine
from dfexplain.models import ModelConfig, build
from dfexplain.structures import Number
from tests import small_weights as small
from train.records import CropRow
from train.suite import changed


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> hub.Weights:
    return hub.load(small.publishable(tmp_path_factory.mktemp("changed") / "weights"))


def test_the_attack_moves_scores_against_labels_within_its_reach() -> None:
    engine = Engine(small.CONFIG, small.state())
    rows, plain, labels = changed.crops(small.CONFIG.crop_px, each=6)
    assert labels.tolist().count(0) == labels.tolist().count(1) == 6
    assert len({row.video.identities for row in rows}) == 6
    before = engine.run(plain).logit
    gains = []
    for levels in (1, 2):
        moved = changed.attacked(engine, plain, labels, levels)
        assert moved.dtype == np.uint8
        gap = np.abs(moved.astype(int) - plain)
        assert gap.max() == levels
        change = (engine.run(moved).logit - before) * (1 - 2 * labels)
        assert (change > 0).all()
        gains.append(change.mean())
        random = np.random.default_rng(0).integers(-levels, levels + 1, plain.shape)
        noise = np.clip(plain + random, 0, 255).astype(np.uint8)
        blind = np.abs(engine.run(noise).logit - before).mean()
        assert change.mean() > 2 * blind, "no better than noise of that size"
    assert gains[1] > gains[0]


def test_a_clip_model_is_attacked_too() -> None:
    config = ModelConfig(
        "pooled", "mobilenetv3_small_100", crop_px=64, clip_frames=3, pooling="attention"
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        engine = Engine(config, build(config).state_dict())
    _, plain, labels = changed.crops(64, each=2)
    before = changed._scores(engine, plain)
    after = changed._scores(engine, changed.attacked(engine, plain, labels, 2))
    assert ((after - before) * (1 - 2 * labels) > 0).all()


def test_the_table_counts_what_is_undone_and_what_is_raised(
    weights: hub.Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores follow the mean grey level, so what a change does to them is known."""

    def grey(engine: Engine, pictures: np.ndarray) -> np.ndarray:
        return pictures.mean(axis=(1, 2, 3)).astype(np.float64)

    genuine = changed.crops

    def drawn(side: int, each: int) -> tuple[list[CropRow], np.ndarray, np.ndarray]:
        rows, _, labels = genuine(side, each)
        levels = 50 + 100 * labels
        return rows, np.stack([np.full((side, side, 3), x, np.uint8) for x in levels]), labels

    monkeypatch.setattr(changed, "crops", drawn)
    monkeypatch.setattr(changed, "_scores", grey)
    assert weights.calibration is not None
    fitted = replace(weights, calibration=replace(weights.calibration, threshold=100.0))
    darker = changed.Change("darker", wear=lambda frames: [rgb // 2 for rgb in frames])
    lighter = changed.Change("lighter", wear=lambda frames: [rgb + 60 for rgb in frames])
    table = changed.table(fitted, 50, each=5, changes=(changed.CHANGES[0], darker, lighter))
    assert [row[0] for row in table.rows] == ["as they are", "darker", "lighter"]
    undone = [row[2] for row in table.rows]
    raised = [row[3] for row in table.rows]
    assert all(isinstance(cell, Number) for cell in [*undone, *raised])
    assert [(cell.value, cell.n) for cell in undone] == [(0.0, 5), (1.0, 5), (0.0, 5)]
    assert [(cell.value, cell.n) for cell in raised] == [(0.0, 5), (0.0, 5), (1.0, 5)]
    assert "5 real and 5 forged crops of 5 test people" in table.note


def test_without_a_calibration_no_flag_is_counted(weights: hub.Weights) -> None:
    table = changed.table(
        replace(weights, calibration=None), 20, each=2, changes=changed.CHANGES[:1]
    )
    ((_, auc, *flags),) = table.rows
    assert isinstance(auc, Number)
    assert auc.n == 4
    assert [cell.value for cell in flags if isinstance(cell, Number)] == [None, None]


def test_the_crops_are_those_that_ship() -> None:
    assert Path(changed.__file__).parents[2] / "examples" / "crops" == changed.CROPS
    assert [change.levels for change in changed.CHANGES].count(2) == 2
