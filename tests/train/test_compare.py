"""compare.py: one split, several models, a table that says what is told apart (D22, D23, E12)."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dfexplain.errors import SettingError
from tests.sources import ROOT
from tests.train.crops import crops_data
from train import config as configs
from train.compare import Compared, compare, without_augmentation

SMALL = [
    "model.crop_px=32",
    "model.clip_frames=1",
    "run.epochs=2",
    "run.pretrained=false",
    "run.save_every_epoch=false",
    "data.workers=0",
]
FIGURES = {
    "accuracy_curve.png",
    "loss_curve.png",
    "comparison_auc.png",
    "comparison_cost.png",
    "comparison_real.png",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Compared, list[str]]:
    folder = tmp_path_factory.mktemp("compare")
    data = crops_data(folder / "crops", train=6, val=5)
    base = configs.read(ROOT / "train/configs/small_lite0.yaml", SMALL)
    cnn = replace(base, name="cnn", model=replace(base.model, architecture="simple_cnn"))
    lines: list[str] = []
    frame = replace(base, model=replace(base.model, backbone="mobilenetv3_small_100"))
    # The second cannot learn: its rate is next to nothing.
    dull = replace(frame, name="dull", optimiser=replace(frame.optimiser, lr=1e-9))
    table = compare([cnn, dull], data, folder / "out", twins=True, say=lines.append)
    return folder / "out", table, lines


def test_each_config_has_a_row_and_a_twin_without_augmentation(
    made: tuple[Path, Compared, list[str]],
) -> None:
    out, table, _ = made
    assert {row.name for row in table.rows} == {"cnn", "dull", "cnn_no_aug", "dull_no_aug"}
    assert {row.name for row in table.rows if row.augmented} == {"cnn", "dull"}
    stored = json.loads((out / "comparison.json").read_text())
    assert [row["name"] for row in stored["rows"]] == [row.name for row in table.rows]
    with (out / "comparison.csv").open(newline="") as handle:
        assert [row["name"] for row in csv.DictReader(handle)] == [r.name for r in table.rows]
    assert {row.parameters for row in table.rows if row.name.startswith("cnn")} == {422_530}
    assert {row.videos for row in table.rows} == {10}


def test_the_choice_is_by_auc_and_says_what_is_not_told_apart(
    made: tuple[Path, Compared, list[str]],
) -> None:
    out, table, lines = made
    aucs = [row.val_auc for row in table.rows]
    assert aucs == sorted(aucs, reverse=True)
    assert table.chosen.behind is None
    for row in table.rows[1:]:
        assert row.behind == pytest.approx(aucs[0] - row.val_auc)
        assert row.behind_low is not None
        assert row.told_apart == (row.behind_low > 0)
        assert ("not told apart" in next(x for x in lines if x.startswith(f"{row.name}: AUC"))) == (
            not row.told_apart
        )
    assert any(line.startswith("chance: AUC 0.5; accuracy 0.5000") for line in lines)
    assert lines[-1] == f"chosen by validation AUC: {table.chosen.name}"
    text = (out / "comparison.md").read_text()
    assert 'always "fake" | 0.500' in text
    assert re.search(rf"Chosen: {table.chosen.name}\.", text)


def test_the_histories_and_figures_of_the_seeds_are_written(
    made: tuple[Path, Compared, list[str]],
) -> None:
    out, _, _ = made
    assert {path.name for path in out.glob("*.png")} == FIGURES
    assert all((out / name).stat().st_size > 4_000 for name in FIGURES)
    with_aug = json.loads((out / "history_with_aug.json").read_text())
    no_aug = json.loads((out / "history_no_aug.json").read_text())
    assert set(with_aug) == {"cnn", "dull"}
    assert set(no_aug) == {"cnn_no_aug", "dull_no_aug"}
    assert {len(history) for history in with_aug.values()} == {2}


def test_a_config_without_augmentation_differs_in_that_only() -> None:
    base = configs.read(ROOT / "train/configs/mobilenetv3.yaml")
    plain = without_augmentation(base)
    assert set(vars(plain.augmentation).values()) == {0.0}
    assert replace(plain, name=base.name, augmentation=base.augmentation) == base


def test_two_configs_of_one_name_are_refused(tmp_path: Path) -> None:
    base = configs.read(ROOT / "train/configs/small_lite0.yaml", SMALL)
    with pytest.raises(SettingError, match="different names"):
        compare([base, base], crops_data(tmp_path), tmp_path / "out")
