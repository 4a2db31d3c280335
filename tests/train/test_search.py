"""search.py: trials pruned, cut and taken up, and a space that names its mistakes (D21)."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from dfexplain.errors import SettingError
from tests.sources import ROOT
from tests.train.crops import crops_data
from train import search as searching
from train.__main__ import main
from train.loop import CropsData, FitResult
from train.search import DEFAULT_SPACE, parse_space, search

CONFIG = ROOT / "train/configs/small_lite0.yaml"
SMALL = [
    "model.architecture=simple_cnn",
    "model.crop_px=32",
    "run.epochs=3",
    "run.pretrained=false",
    "run.save_every_epoch=false",
    "data.workers=0",
    "data.batch_size=4",
]
SPACE = ("optimiser.lr=1e-6..1e-2:log", "model.dropout=0.0..0.5")


def test_a_space_is_ranges_and_choices() -> None:
    space = parse_space([*DEFAULT_SPACE, "optimiser.kind=adam,adamw", "run.epochs=2..8"])
    assert space["optimiser.lr"] == FloatDistribution(1e-5, 1e-2, log=True)
    assert space["data.batch_size"] == CategoricalDistribution([4, 8, 16, 32])
    assert space["model.dropout"] == FloatDistribution(0.0, 0.5)
    assert space["optimiser.kind"] == CategoricalDistribution(["adam", "adamw"])
    assert space["run.epochs"] == IntDistribution(2, 8)


@pytest.mark.parametrize("item", ["optimiser.lr", "lr=", "lr=1..x", "lr=3..2", "lr=0..1:log"])
def test_a_space_that_is_none_is_refused(item: str) -> None:
    with pytest.raises(SettingError, match="--space"):
        parse_space([item])


def test_a_misspelt_setting_ends_the_search_before_it_begins(tmp_path: Path) -> None:
    data = CropsData([], [], tmp_path)
    with pytest.raises(SettingError, match=r"Did you mean 'optimiser\.lr'"):
        search(CONFIG, SMALL, data, tmp_path, space=["optimiser.rl=0.1..0.2"], trials=1)
    assert not (tmp_path / searching.STUDY).exists()


def made_up(monkeypatch: pytest.MonkeyPatch, cut_at: int = -1) -> list[tuple[str, float]]:
    """Put a fit in place whose AUC falls with the distance of log10(lr) from -3, and that dies in
    its second epoch the `cut_at`-th time it is called. Returns the calls: folder and rate."""
    calls: list[tuple[str, float]] = []

    def fit(config: Any, data: Any, run_dir: Path, say: Any, *, on_epoch: Any) -> FitResult:
        import math

        number = len(calls)
        calls.append((run_dir.name, config.optimiser.lr))
        best = 1.0 - 0.1 * abs(math.log10(config.optimiser.lr) + 3)
        rows = [{"epoch": e, "val_auc": best - 0.05 / e} for e in (1, 2, 3)]
        for row in rows:
            if number == cut_at and row["epoch"] == 2:
                raise KeyboardInterrupt
            on_epoch(row)
        return FitResult(None, rows, rows[-1], run_dir)  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "fit", fit)
    return calls


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_bad_trials_are_pruned_and_the_best_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = made_up(monkeypatch)
    data = CropsData([], [], tmp_path)
    result = search(CONFIG, SMALL, data, tmp_path, space=SPACE, trials=8, say=lambda _: None)
    rows = table(tmp_path)
    assert (result.finished + result.pruned, len(rows), len(calls)) == (8, 8, 8)
    assert result.pruned == sum(row["state"] == "pruned" for row in rows) > 0
    assert {row["epochs"] for row in rows if row["state"] == "pruned"} == {"1"}
    best = max((r for r in rows if r["state"] == "complete"), key=lambda r: float(r["val_auc"]))
    assert result.number == int(best["trial"])
    assert result.value == pytest.approx(float(best["val_auc"]))
    assert (tmp_path / "best.txt").read_text().split() == list(result.settings)
    assert (tmp_path / "trials.png").stat().st_size > 5_000


def test_a_search_that_was_cut_asks_what_an_unbroken_one_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: str, trials: int) -> None:
        data = CropsData([], [], tmp_path)
        where = tmp_path / folder
        search(CONFIG, SMALL, data, where, space=SPACE, trials=trials, say=lambda _: None)

    whole = made_up(monkeypatch)
    run("whole", 7)
    cut = made_up(monkeypatch, cut_at=3)
    with pytest.raises(KeyboardInterrupt):
        run("cut", 7)
    assert len(cut) == 4
    study = optuna.load_study(
        study_name="search", storage=f"sqlite:///{tmp_path / 'cut' / searching.STUDY}"
    )
    assert study.get_trials()[-1].state is optuna.trial.TrialState.RUNNING
    again = made_up(monkeypatch)
    run("cut", 7)
    assert again[0] == cut[-1]  # the same folder, the same draw
    assert [rate for _, rate in cut[:-1] + again] == [rate for _, rate in whole]
    run("cut", 7)
    assert len(again) == 4  # nothing is left to do
    with pytest.raises(SettingError, match="--space must be that of the study"):
        search(CONFIG, SMALL, CropsData([], [], tmp_path), tmp_path / "cut", trials=1)


def test_a_trial_that_diverges_counts_and_is_not_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up(monkeypatch)
    honest = searching.fit

    def fit(config: Any, data: Any, run_dir: Path, say: Any, *, on_epoch: Any) -> FitResult:
        if run_dir.name != "trial_000":
            return honest(config, data, run_dir, say, on_epoch=on_epoch)
        row = {"epoch": 1, "val_auc": float("nan")}
        return FitResult(None, [row], row, run_dir)  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "fit", fit)
    result = search(
        CONFIG, SMALL, CropsData([], [], tmp_path), tmp_path, space=SPACE, trials=2, say=print
    )
    assert (result.number, result.finished, result.pruned) == (1, 1, 1)
    assert table(tmp_path)[0]["val_auc"] == "nan"


def test_a_search_runs_the_real_loop(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "crops")
    lines: list[str] = []
    result = search(
        CONFIG, SMALL, data, tmp_path / "study", space=SPACE, trials=2, say=lines.append
    )
    assert (result.finished, result.pruned) == (2, 0)
    assert (tmp_path / "study" / "trial_001" / "checkpoints" / "best.pt").is_file()
    assert 0.0 <= result.value <= 1.0
    assert any(line.startswith("trial_000: val_auc") for line in lines)


def test_a_package_that_only_training_needs_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """README's first command installs what the app needs, and neither optuna nor tensorboard."""
    asked = ["search", "--config", str(CONFIG), "--run", str(tmp_path / "run"), "--trials", "1"]
    monkeypatch.delitem(sys.modules, "train.search")
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert said.startswith("error[setting]: `search` must find the package optuna, but it is not")
    assert said.endswith("-m pip install -r requirements-dev.txt\n")
    assert said.count("\n") == 1
    # A module of our own that is missing is a fault, and stays one.
    monkeypatch.setitem(sys.modules, "train.search", None)
    with pytest.raises(ModuleNotFoundError):
        main(asked)
