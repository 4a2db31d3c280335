"""distributed.py: two processes learn what one learns, and take up what one has begun (D25)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dfexplain.errors import SettingError
from tests.sources import ROOT
from tests.train.crops import crops_data
from tests.train.test_fit import Cut, cut_at, quiet
from train import config, distributed, loop
from train.records import write_crops

# No batch norm, so that half a batch is normalised like a whole one; no dropout, which is drawn by
# each process for its own clips.
FIT = config.from_dict(
    {
        "model": {"backbone": "vit_tiny_patch16_224", "crop_px": 32, "dropout": 0.0},
        "data": {"workers": 0, "batch_size": 8},
        "optimiser": {"lr": 1e-4, "freeze_epochs": 1, "ema": 0.5},
        "loss": {"kind": "bce", "pos_weight": "auto"},
        "run": {
            "epochs": 2,
            "pretrained": False,
            "device": "cpu",
            "log_interval": 1,
            "checkpoint_minutes": 0.0,
        },
    }
)


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data", train=3, val=2)
    whole = loop.fit(FIT, data, tmp_path / "one", quiet).history
    with pytest.raises(Cut):
        loop.fit(FIT, data, tmp_path / "two", cut_at(2))
    write_crops(tmp_path / "train.csv", data.train)
    write_crops(tmp_path / "val.csv", data.val)
    config.write(tmp_path / "fit.yaml", FIT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    options = {
        "--config": "fit.yaml",
        "--train-csv": "train.csv",
        "--val-csv": "val.csv",
        "--image-root": "data",
        "--run": "two",
    }
    words = [word for key, name in options.items() for word in (key, str(tmp_path / name))]
    done = subprocess.run(
        [*torchrun, "-m", "--", "train", "fit", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Process 0 speaks for both.
    assert done.stdout.count("on cpu x 2: ") == 1
    assert done.stdout.count("resumed in epoch 1 after 1 of 3 steps") == 1
    shared = loop.read_history(tmp_path / "two")
    assert len(shared) == 2
    for one, two in zip(whole, shared, strict=True):
        for name in ("loss", "acc", "val_loss", "val_acc", "val_auc", "val_auc_low"):
            assert two[name] == pytest.approx(one[name], abs=1e-5), name
    kept = [loop.load_checkpoint(tmp_path / run) for run in ("one", "two")]
    assert kept[0] is not None
    assert kept[1] is not None
    for name, tensor in kept[0]["averaged"].items():
        torch.testing.assert_close(kept[1]["averaged"][name], tensor, rtol=0, atol=1e-4)


def test_one_process_needs_no_other() -> None:
    with distributed.group("cpu") as here:
        assert here.first
        assert here.device == torch.device("cpu")
        assert here.gather("x") == ["x"]
        assert here.agree(True)
        assert here.total(torch.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert distributed.pick_device("auto") == torch.device("cpu")
    with pytest.raises(SettingError, match=r"run\.device must be at hand, but got 'cuda'"):
        distributed.pick_device("cuda")
