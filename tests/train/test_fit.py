"""loop.py, checkpoints.py, loggers.py: a run that was cut at any step ends like an unbroken one."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dfexplain import hub
from dfexplain.errors import SettingError
from tests.sources import ROOT
from tests.train.crops import crops_data
from tests.train.faces import portraits
from train import config, loggers, loop
from train.__main__ import main
from train.portraits import data_root, split_of
from train.records import write_crops

SETTINGS: dict[str, Any] = {
    "name": "made",
    "model": {"architecture": "simple_cnn", "crop_px": 32, "crop_margin": 0.0},
    "data": {"workers": 0, "batch_size": 8},
    "optimiser": {"ema": 0.5, "freeze_epochs": 1},
    "schedule": {"kind": "one_cycle"},
    "augmentation": {"mixup": 0.4},
    "run": {"epochs": 3, "pretrained": False, "log_interval": 1, "checkpoint_minutes": 0.0},
}
FIT = config.from_dict(SETTINGS)
CLOCK = ("seconds", "images_per_s")


class Cut(RuntimeError):
    """The machine goes away."""


def timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in CLOCK} for row in history]


def quiet(line: str) -> None:
    assert line


def cut_at(step: int) -> Callable[[str], None]:
    """Says nothing, and ends the run when the `step`-th step of all is told."""
    seen = 0

    def say(line: str) -> None:
        nonlocal seen
        seen += " step " in line
        if seen == step:
            raise Cut

    return say


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def check_same_run(whole: Path, resumed: Path) -> None:
    for which in ("best", "last", "epoch_003"):
        states = [loop.load_checkpoint(run, which) for run in (whole, resumed)]
        assert states[0] is not None
        assert states[1] is not None
        assert same(states[0]["averaged"], states[1]["averaged"])
        assert timeless(states[0]["history"]) == timeless(states[1]["history"])
        if which == "last":
            assert same(states[0]["learner"], states[1]["learner"])
    assert timeless(loop.read_history(whole)) == timeless(loop.read_history(resumed))


def test_a_run_that_was_cut_at_random_steps_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    loop.fit(FIT, data, tmp_path / "whole", quiet)
    draw = random.Random()  # Another step in each run of the tests; a failure names it.
    for step in (draw.randint(1, 5), draw.randint(1, 4)):
        print(f"cut at step {step}")
        with pytest.raises(Cut):
            loop.fit(FIT, data, tmp_path / "cut", cut_at(step))
    # A rare checkpoint changes nothing but what is done again.
    rare = replace(FIT, run=replace(FIT.run, checkpoint_minutes=60.0, log_interval=2))
    result = loop.fit(rare, data, tmp_path / "cut", quiet)
    check_same_run(tmp_path / "whole", tmp_path / "cut")
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert [row["frozen"] for row in result.history] == [True, False, False]


def test_portraits_run_through_the_same_loop(tmp_path: Path) -> None:
    people = [*portraits()]
    settings = config.from_dict(
        {
            **SETTINGS,
            "model": {
                "backbone": "mobilenetv3_small_100",
                "crop_px": 64,
                "crop_margin": 0.05,
                "mask_head": True,
            },
            "data": {"workers": 0, "batch_size": 2, "moving": False},
            "loss": {"kind": "bce", "mask": 1.0},
            "run": SETTINGS["run"] | {"epochs": 2},
        }
    )
    data = loop.PortraitsData(people, people)
    loop.fit(settings, data, tmp_path / "whole", quiet)
    with pytest.raises(Cut):
        loop.fit(settings, data, tmp_path / "cut", cut_at(2))
    history = loop.fit(settings, data, tmp_path / "cut", quiet).history
    assert timeless(history) == timeless(loop.read_history(tmp_path / "whole"))
    assert history[0]["mask_loss"] > 0
    # The head is the model's, learns, and travels with it.
    epochs = [loop.load_checkpoint(tmp_path / "whole", which) for which in ("best", "last")]
    assert all(e is not None and e["averaged"]["mask.weight"].abs().max() > 0 for e in epochs)
    with pytest.raises(SettingError, match=r"loss\.mask must be above 0"):
        loop.fit(replace(settings, loss=config.Loss()), data, tmp_path / "none", quiet)
    with pytest.raises(SettingError, match="must be false for tables of crops"):
        loop.CropsData([], [], tmp_path).training(settings)
    assert history[0]["val_videos"] == 18


def test_fit_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    lines: list[str] = []
    rows: list[dict[str, Any]] = []
    settings = replace(FIT, augmentation=config.Augmentation(), optimiser=config.Optimiser())
    data = crops_data(tmp_path / "data", train=6)
    result = loop.fit(settings, data, tmp_path / "run", lines.append, on_epoch=rows.append)
    assert rows == result.history == loop.read_history(tmp_path / "run")
    assert result.best["val_auc"] == max(r["val_auc"] for r in rows) == 1.0
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert not result.model.training
    state = loop.load_checkpoint(tmp_path / "run")
    assert state is not None
    assert state["epoch"] == result.best["epoch"]
    assert same(state["averaged"], result.model.state_dict())
    names = {p.name for p in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"best.pt", "last.pt", "epoch_001.pt", "epoch_002.pt", "epoch_003.pt"}
    assert lines[0] == "simple_cnn on cpu x 1: 422,530 parameters"
    assert lines[1].startswith("chance line: accuracy 0.5000 by answering 'fake' always")
    assert lines[-1].startswith(f"best epoch {result.best['epoch']} of 3 by val_auc: AUC 1.0000")
    with (tmp_path / "run" / "history.csv").open(newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [float(r["val_loss"]) for r in table] == [r["val_loss"] for r in rows]
    assert config.read(tmp_path / "run" / "config.yaml") == settings


def test_half_precision_learns_too(tmp_path: Path) -> None:
    run = replace(FIT.run, precision="bf16", epochs=1)
    data = crops_data(tmp_path / "data")
    (half,) = loop.fit(replace(FIT, run=run), data, tmp_path / "half", quiet).history
    run = replace(run, precision="fp32")
    (full,) = loop.fit(replace(FIT, run=run), data, tmp_path / "full", quiet).history
    assert half["loss"] != full["loss"]
    assert half["loss"] == pytest.approx(full["loss"], abs=0.01)


def test_patience_ends_a_run(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data", train=2)
    still = config.Optimiser(lr=1e-12, weight_decay=0.0, tune="head")
    run = replace(FIT.run, epochs=6, patience=2)
    lines: list[str] = []
    settings = replace(FIT, optimiser=still, run=run)
    result = loop.fit(settings, data, tmp_path / "run", lines.append)
    assert (len(result.history), result.best["epoch"]) == (3, 1)
    assert "stopped: val_auc did not improve for 2 epochs" in lines
    again = loop.fit(settings, data, tmp_path / "run", lines.append)
    assert again.history == result.history


def test_a_run_goes_on_with_its_own_settings_and_data_only(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    run = tmp_path / "run"
    with pytest.raises(Cut):
        loop.fit(FIT, data, run, cut_at(2))
    other = replace(FIT, optimiser=replace(FIT.optimiser, lr=0.5))
    with pytest.raises(SettingError, match=r"optimiser\.lr must be 0\.001 to go on with"):
        loop.fit(other, data, run, quiet)
    with pytest.raises(SettingError, match="tables must be those that"):
        loop.fit(FIT, replace(data, train=data.train[4:]), run, quiet)


def test_another_run_is_the_start(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    first = loop.fit(FIT, data, tmp_path / "first", quiet)
    still = replace(FIT, optimiser=config.Optimiser(lr=1e-12, weight_decay=0.0))
    second = loop.fit(still, data, tmp_path / "second", quiet, init=tmp_path / "first")
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)
    with pytest.raises(SettingError, match=r"--init or run\.init must hold weights"):
        loop.fit(FIT, data, tmp_path / "third", quiet, init=tmp_path / "none")
    frame = replace(FIT, model=replace(FIT.model, architecture="frame"))
    with pytest.raises(SettingError, match="--init must hold a tf_efficientnet_lite0"):
        loop.fit(frame, data, tmp_path / "fourth", quiet, init=tmp_path / "first")
    kept = {"config": FIT.model, "state": first.model.state_dict()}
    hub.save(tmp_path / "weights", **kept, heat_scale=1.0, card="made for the tests")
    third = loop.fit(still, data, tmp_path / "fifth", quiet, init=tmp_path / "weights")
    for one, other in zip(first.model.parameters(), third.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


def test_tensorboard_and_wandb_hold_each_step_and_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    data = crops_data(tmp_path / "data")
    settings = replace(FIT, logging=config.Logging("offline"), run=replace(FIT.run, epochs=2))
    result = loop.fit(settings, data, tmp_path / "run", quiet)
    board = EventAccumulator(str(tmp_path / "run" / "tb"))
    board.Reload()
    epochs = board.Scalars("epoch/val_auc")
    assert [e.value for e in epochs] == pytest.approx([r["val_auc"] for r in result.history])
    assert [e.step for e in epochs] == [4, 8]
    # The last step of an epoch is told with the epoch.
    assert [e.step for e in board.Scalars("step/loss")] == [1, 2, 3, 5, 6, 7]
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    # W&B's own process may still be writing when a run is finished.
    end = time.monotonic() + 30.0
    while b"epoch/val_auc" not in kept.read_bytes():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_bar_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(loggers.bar([], 3, 0, "epoch 1", True)) == []
    assert capsys.readouterr() == ("", "")


def command(tmp_path: Path, run: str) -> list[str]:
    config.write(tmp_path / "fit.yaml", FIT)
    names = {"--config": "fit.yaml", "--train-csv": "train.csv", "--val-csv": "val.csv"}
    paths = {**names, "--image-root": "data", "--run": run}
    return ["fit", *(part for key, name in paths.items() for part in (key, str(tmp_path / name)))]


def test_a_process_that_is_killed_and_started_again_ends_like_an_unbroken_one(
    tmp_path: Path,
) -> None:
    data = crops_data(tmp_path / "data")
    write_crops(tmp_path / "train.csv", data.train)
    write_crops(tmp_path / "val.csv", data.val)
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    last = random.Random().randint(2, 9)
    killed = subprocess.Popen(
        [sys.executable, "-m", "train", *command(tmp_path, "killed")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
    )
    assert killed.stdout is not None
    steps = 0
    for line in killed.stdout:
        steps += " step " in line
        if steps == last:
            time.sleep(random.random() * 0.05)
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    print(f"killed after step {steps}")
    assert steps == last
    assert len(loop.read_history(tmp_path / "killed")) < 3
    for run in ("killed", "whole"):
        assert main(command(tmp_path, run)) == 0
    check_same_run(tmp_path / "whole", tmp_path / "killed")


def test_options_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = crops_data(tmp_path / "data")
    write_crops(tmp_path / "train.csv", data.train)
    config.write(tmp_path / "fit.yaml", FIT)
    start = ["fit", "--config", str(tmp_path / "fit.yaml"), "--run", str(tmp_path / "run")]
    table = ["--train-csv", str(tmp_path / "train.csv")]
    assert main([*start, *table]) == 2
    assert "--train-csv and --val-csv must come together" in capsys.readouterr().err
    leak = [*start, *table, "--val-csv", str(tmp_path / "train.csv")]
    assert main([*leak, "--image-root", str(tmp_path / "data")]) == 2
    assert capsys.readouterr().err.startswith("error[DFX00")
    assert main([*start, *table, "--set", "run.device=cuda"]) == 2


def test_splits_are_by_person_and_about_70_10_20() -> None:
    names = [split_of(f"person-{i}") for i in range(5000)]
    assert names.count("train") / 5000 == pytest.approx(0.7, abs=0.02)
    assert names.count("test") / 5000 == pytest.approx(0.2, abs=0.02)
    assert names.count("val") / 5000 == pytest.approx(0.1, abs=0.015)
    # The portraits that ship with the tests are of people nobody may train on.
    assert {p.split for p in portraits()} == {"test"}


def test_a_folder_without_portraits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"must hold portraits\.csv"):
        data_root(tmp_path)


def test_history_is_json(tmp_path: Path) -> None:
    loggers.write_history(tmp_path, [{"epoch": 1, "loss": 0.5}])
    assert json.loads((tmp_path / "history.json").read_text()) == [{"epoch": 1, "loss": 0.5}]
    assert loop.read_history(tmp_path / "none") == []
