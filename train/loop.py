"""fit(): from crops or portraits to weights; a run that was cut goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfexplain.models import VideoModel
from train import config as configs
from train import distributed, loggers
from train.checkpoints import load_checkpoint, save_checkpoint
from train.config import FitConfig
from train.datasets import CropsData, PortraitsData, TrainingData
from train.loggers import read_history
from train.training import Say, Training
from train.validation import chance_accuracy, validate

__all__ = [
    "CropsData",
    "FitResult",
    "PortraitsData",
    "TrainingData",
    "fit",
    "load_checkpoint",
    "read_history",
]


@dataclass(frozen=True)
class FitResult:
    """The averaged model of the best epoch in evaluation mode, a row an epoch, the best row."""

    model: VideoModel
    history: list[dict[str, Any]]
    best: dict[str, Any]
    run_dir: Path


def fit(
    config: FitConfig,
    data: TrainingData,
    run_dir: Path,
    say: Say = print,
    *,
    init: Path | None = None,
    before: Mapping[str, Path] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> FitResult:
    """Train until `run.epochs` or until patience is over, resuming from `run_dir`.

    `init` is another run, whose best weights are the start of this one, or a weights folder; it
    takes the place of `run.init`. `before` says in which run lies what a config has left that
    `run.init`, `loss.teacher` or `loss.specialist` names.
    `on_epoch` gets each row of the history once its checkpoints are written; what it raises ends
    the run.

    Every random choice follows from the seed, the epoch and the step, so a run that was killed at
    any step ends with the weights and the history of an unbroken one, to the bit (same machine,
    same number of threads and processes, on a CPU). Raises SettingError for settings or data that
    are not those of the run in `run_dir`, DataError for a crop that cannot be read.
    """
    with distributed.group(config.run.device) as here:
        aloud: Say = say if here.first else lambda _: None
        training, validation = data.training(config), data.validation(config)
        this = Training(config, training, here, data.digest(), before)
        if not this.resume(run_dir, aloud):
            named = config.run.init
            if init is None and named:
                init = (before or {}).get(named, Path(named))
            this.start(init, aloud)
        if here.first:
            configs.write(run_dir / "config.yaml", config)
        size = sum(p.numel() for p in this.learner.model.parameters())
        chance = chance_accuracy(validation.rows)
        aloud(f"{config.model.label} on {here.device} x {here.world}: {size:,} parameters")
        if this.teacher is not None:
            aloud(f"teacher: {this.teacher.label}, {this.teacher.sha256[:12]}")
        aloud(f"chance line: accuracy {chance:.4f} by answering 'fake' always, AUC 0.5")
        writes = here.first and this.epoch < config.run.epochs
        with loggers.open_logs(run_dir, config, this.step_number, writes) as logs:
            for epoch in range(this.epoch, config.run.epochs):
                if _patience_is_over(this.history, config):
                    patience = f"{config.run.patience} epochs"
                    aloud(f"stopped: {config.run.select} did not improve for {patience}")
                    break
                row = this.train_epoch(epoch, run_dir, logs, aloud)
                here.share(this.averaged.buffers())
                row |= validate(this.averaged, validation, config, here, this.precision)
                this.pace.after_epoch(row["val_loss"])
                row["seconds"] = round(this.seconds(), 1)
                this.close_epoch(epoch, row)
                aloud(json.dumps(row))
                if here.first:
                    _keep(run_dir, this, config)
                logs.epoch(this.step_number, row)
                if on_epoch is not None:
                    on_epoch(row)
        return _result(run_dir, this, config, aloud)


def _better(config: FitConfig) -> Callable[[dict[str, Any]], float]:
    sign = -1.0 if config.run.select == "val_loss" else 1.0
    return lambda row: sign * float(row[config.run.select])


def _patience_is_over(history: list[dict[str, Any]], config: FitConfig) -> bool:
    if not config.run.patience or not history:
        return False
    best = max(history, key=_better(config))
    return len(history) - int(best["epoch"]) >= config.run.patience


def _keep(run_dir: Path, this: Training, config: FitConfig) -> None:
    """Write what an epoch leaves; `last` at the end, so that a cut before it repeats the epoch."""
    weights = this.weights()
    if config.run.save_every_epoch:
        save_checkpoint(run_dir, f"epoch_{this.epoch:03d}", weights)
    if max(this.history, key=_better(config)) is this.history[-1]:
        save_checkpoint(run_dir, "best", weights)
    loggers.write_history(run_dir, this.history)
    save_checkpoint(run_dir, "last", this.state(this.sums))


def _result(run_dir: Path, this: Training, config: FitConfig, say: Say) -> FitResult:
    """The best epoch of a finished run, for every process."""
    this.here.agree(True)  # Process 0 has written.
    best = load_checkpoint(run_dir)
    assert best is not None
    this.averaged.load_state_dict(best["averaged"])
    row = max(this.history, key=_better(config))
    say(
        f"best epoch {row['epoch']} of {len(this.history)} by {config.run.select}: "
        f"AUC {row['val_auc']:.4f} ({row['val_auc_low']:.4f} to {row['val_auc_high']:.4f}) over "
        f"{row['val_videos']} videos, accuracy {row['val_acc']:.4f} "
        f"(always 'fake': {row['val_chance_acc']:.4f})"
    )
    return FitResult(this.averaged.eval(), this.history, row, run_dir)
