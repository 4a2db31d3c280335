"""Where a run can be watched: history.json and .csv, TensorBoard, Weights & Biases, bars."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dfexplain.errors import SettingError
from train import config as configs
from train.batches import Batch
from train.config import FitConfig

__all__ = ["Logs", "bar", "open_logs", "read_history", "write_history"]


def write_history(run_dir: Path, history: list[dict[str, Any]]) -> None:
    """history.json and history.csv, one row an epoch."""
    text = json.dumps(history, indent=1) + "\n"
    (run_dir / "history.json").write_text(text, encoding="utf-8")
    with (run_dir / "history.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def read_history(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of a run's history.json, empty where there is none."""
    path = run_dir / "history.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return rows


class _Watcher(Protocol):
    def log(self, values: dict[str, Any], step: int) -> None: ...


class _TensorBoard:
    def __init__(self, writer: SummaryWriter) -> None:
        self.writer = writer

    def log(self, values: dict[str, Any], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, float(value), step)


class _WandB:
    def __init__(self, run: Any) -> None:
        self.run = run

    def log(self, values: dict[str, Any], step: int) -> None:
        self.run.log(values, step=step)


class Logs:
    """Hands numbers to all who watch."""

    def __init__(self, watchers: list[_Watcher]) -> None:
        self.watchers = watchers

    def step(self, number: int, loss: float, rates: list[float]) -> None:
        """The mean loss of the epoch so far, and the learning rates of head and backbone."""
        names = ("lr/head", "lr/backbone")
        values = {"step/loss": loss, **dict(zip(names, rates, strict=True))}
        for watcher in self.watchers:
            watcher.log(values, number)

    def epoch(self, number: int, row: dict[str, Any]) -> None:
        """A row of the history, at the step that ended its epoch."""
        values = {f"epoch/{name}": value for name, value in row.items() if name != "epoch"}
        for watcher in self.watchers:
            watcher.log(values, number)


@contextmanager
def open_logs(run_dir: Path, config: FitConfig, first_step: int, writes: bool) -> Iterator[Logs]:
    """TensorBoard in `run_dir`/tb, and W&B in `run_dir`/wandb if asked for.

    What an earlier process logged past `first_step` is taken back.
    """
    if not writes:
        yield Logs([])
        return
    board = SummaryWriter(str(run_dir / "tb"), purge_step=first_step or None)
    watchers: list[_Watcher] = [_TensorBoard(board)]
    run = _wandb_run(run_dir, config) if config.logging.wandb != "off" else None
    if run is not None:
        watchers.append(_WandB(run))
    try:
        yield Logs(watchers)
    finally:
        board.close()
        if run is not None:
            run.finish()


def _wandb_run(run_dir: Path, config: FitConfig) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise SettingError(
            "logging.wandb must find wandb, but it is not installed. Install "
            "requirements-dev.txt or set logging.wandb=off."
        ) from error
    return wandb.init(
        project="dfexplain",
        name=config.name,
        dir=str(run_dir),
        mode=config.logging.wandb,  # type: ignore[arg-type]
        config=configs.to_dict(config),
        resume="allow",
        reinit="finish_previous",
        settings=wandb.Settings(silent=True),
    )


def bar(
    batches: Iterable[Batch], total: int, done: int, label: str, first: bool
) -> Iterable[Batch]:
    """A progress bar over an epoch's batches, where process 0 has a terminal."""
    return tqdm(
        batches,
        total=total,
        initial=done,
        desc=label,
        leave=False,
        disable=None if first else True,
    )
