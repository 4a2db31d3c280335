"""Several configs on one split: a table, figures, and which one to take, chosen by validation AUC.

Accuracy chooses nothing here: on a set of 92 % fakes the answer "fake" to everything has 92 %.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfexplain import comparison, metrics, plots
from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.intervals import auc_interval
from train import splits
from train.config import Augmentation, FitConfig
from train.loop import CropsData, FitResult, fit
from train.scores import ScoredVideo, score_crops

__all__ = ["Compared", "Row", "compare", "without_augmentation"]

Say = Callable[[str], None]
RESAMPLES = 1000


@dataclass(frozen=True)
class Row:
    """One line of the table. `val_auc` is over videos, with its 95 % interval clustered by source.

    `behind` is how far its AUC lies behind that of the one to take, with the interval and p value
    of a paired bootstrap; None for that one. `told_apart` says whether that interval leaves out 0.
    """

    name: str
    augmented: bool
    parameters: int
    epochs: int
    best_epoch: int
    seconds: float
    acc: float
    val_acc: float
    val_chance_acc: float
    val_loss: float
    val_auc: float
    val_auc_low: float
    val_auc_high: float
    videos: int
    behind: float | None = None
    behind_low: float | None = None
    behind_high: float | None = None
    p_value: float | None = None
    told_apart: bool | None = None


@dataclass(frozen=True)
class _Run:
    """A finished run and what its best weights say of the validation videos."""

    config: FitConfig
    augmented: bool
    parameters: int
    history: list[dict[str, Any]]
    best: dict[str, Any]
    scored: list[ScoredVideo]


@dataclass(frozen=True)
class Compared:
    """The rows, the best first."""

    rows: tuple[Row, ...]

    @property
    def chosen(self) -> Row:
        """The run to take."""
        return self.rows[0]


def without_augmentation(config: FitConfig) -> FitConfig:
    """The same recipe with training crops as they are."""
    off = Augmentation(flip=0.0, rotation_deg=0.0, jitter=0.0, blur=0.0, wear=0.0, mixup=0.0)
    return replace(config, name=f"{config.name}_no_aug", augmentation=off)


def compare(
    settings: Sequence[FitConfig],
    data: CropsData,
    out: Path,
    *,
    twins: bool = False,
    say: Say = print,
) -> Compared:
    """Fit each config into a folder of its own below `out`, and write what tells them apart.

    With `twins` each augmented config is fitted without augmentation too. A run that is finished or
    was cut is taken up. Writes comparison.json, .csv and .md, the histories and the figures.
    """
    names = [config.name for config in settings]
    if len(set(names)) < len(names):
        raise SettingError(f"--configs must have different names, but got {', '.join(names)}.")
    wanted = list(settings)
    if twins:
        known = set(names)
        made = [without_augmentation(c) for c in settings if _augmented(c)]
        wanted += [twin for twin in made if twin.name not in known]
    out.mkdir(parents=True, exist_ok=True)
    runs = []
    for config in wanted:
        say(f"{config.name}: {config.model.label}")
        runs.append(_scored(config, fit(config, data, out / config.name, say), data))
    groups = _groups(data)
    runs.sort(key=lambda run: -_auc(run))
    table = Compared(tuple(_row(run, runs[0], groups) for run in runs))
    _write_tables(out, table)
    _write_histories(out, runs)
    _write_figures(out, table, runs)
    for line in _lines(table):
        say(line)
    return table


def _augmented(config: FitConfig) -> bool:
    return any(value > 0 for value in asdict(config.augmentation).values())


def _scored(config: FitConfig, result: FitResult, data: CropsData) -> _Run:
    parameters = sum(p.numel() for p in result.model.parameters())
    engine = Engine(config.model, result.model.state_dict())
    scored = score_crops(engine, data.val, data.image_root)
    return _Run(config, _augmented(config), parameters, result.history, result.best, scored)


def _groups(data: CropsData) -> dict[str, int]:
    """Which group of people and sources a validation video belongs to, by its key."""
    videos = list({crop.video.key: crop.video for crop in data.val}.values())
    return {v.key: number for number, group in enumerate(splits.groups(videos)) for v in group}


def _arrays(run: _Run) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores (N,) and labels (N,) of the validation videos, in the order of the table."""
    scores, labels = [], []
    for video in run.scored:
        if video.score is None:
            raise SettingError(
                f"validation crops must be readable, but those of {video.record.key} are not. "
                "Extract them again."
            )
        scores.append(video.score)
        labels.append(video.record.label)
    return np.array(scores, np.float64), np.array(labels, np.int64)


def _auc(run: _Run) -> float:
    return metrics.auc(*_arrays(run))


def _row(run: _Run, best: _Run, group_of: dict[str, int]) -> Row:
    scores, labels = _arrays(run)
    groups = np.array([group_of[video.record.key] for video in run.scored])
    low, high = auc_interval(scores, labels, groups, resamples=RESAMPLES)
    row = Row(
        name=run.config.name,
        augmented=run.augmented,
        parameters=run.parameters,
        epochs=len(run.history),
        best_epoch=int(run.best["epoch"]),
        seconds=float(sum(epoch["seconds"] for epoch in run.history)),
        acc=float(run.best["acc"]),
        val_acc=float(run.best["val_acc"]),
        val_chance_acc=float(run.best["val_chance_acc"]),
        val_loss=float(run.best["val_loss"]),
        val_auc=metrics.auc(scores, labels),
        val_auc_low=low,
        val_auc_high=high,
        videos=len(scores),
    )
    if run is best:
        return row
    gap = comparison.paired(_arrays(best)[0], scores, labels, groups, resamples=RESAMPLES)
    return replace(
        row,
        behind=gap.difference,
        behind_low=gap.interval[0],
        behind_high=gap.interval[1],
        p_value=gap.p_value,
        told_apart=gap.interval[0] > 0,
    )


def _lines(table: Compared) -> list[str]:
    chosen = table.chosen
    lines = [
        f"chance: AUC 0.5; accuracy {chosen.val_chance_acc:.4f} by answering 'fake' always "
        f"({chosen.videos} validation videos)"
    ]
    for row in table.rows:
        line = (
            f"{row.name}: AUC {row.val_auc:.4f} ({row.val_auc_low:.4f} to {row.val_auc_high:.4f}), "
            f"accuracy {row.val_acc:.4f}, {row.parameters:,} parameters, {row.seconds / 60:.1f} min"
        )
        if row.told_apart is not None:
            line += "" if row.told_apart else "; not told apart from the best"
        lines.append(line)
    return [*lines, f"chosen by validation AUC: {chosen.name}"]


def _write_tables(out: Path, table: Compared) -> None:
    rows = [asdict(row) for row in table.rows]
    (out / "comparison.json").write_text(
        json.dumps({"chosen": table.chosen.name, "rows": rows}, indent=1) + "\n", encoding="utf-8"
    )
    with (out / "comparison.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (out / "comparison.md").write_text("\n".join(_markdown(table)) + "\n", encoding="utf-8")


def _markdown(table: Compared) -> list[str]:
    lines = [
        "| model | video AUC (95 %) | behind the best (95 %) | accuracy | parameters | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for row in table.rows:
        behind = "-"
        if row.behind is not None:
            behind = f"{row.behind:.3f} ({row.behind_low:.3f} to {row.behind_high:.3f})"
        lines.append(
            f"| {row.name} | {row.val_auc:.3f} ({row.val_auc_low:.3f} to {row.val_auc_high:.3f}) "
            f"| {behind} | {row.val_acc:.3f} | {row.parameters:,} | {row.seconds / 60:.1f} |"
        )
    chance = table.chosen.val_chance_acc
    lines.append(f'| always "fake" | 0.500 | | {chance:.3f} | 0 | 0.0 |')
    return [*lines, "", f"{table.chosen.videos} validation videos. Chosen: {table.chosen.name}."]


def _write_histories(out: Path, runs: Sequence[_Run]) -> None:
    """history_with_aug.json and history_no_aug.json: the epochs of each run, by its name."""
    for name, augmented in (("history_with_aug.json", True), ("history_no_aug.json", False)):
        found = {run.config.name: run.history for run in runs if run.augmented is augmented}
        if found:
            (out / name).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _write_figures(out: Path, table: Compared, runs: Sequence[_Run]) -> None:
    def curve(train: str, val: str) -> list[plots.CurveTable]:
        return [
            plots.CurveTable(
                name=run.config.name.removesuffix("_no_aug"),
                epoch=np.array([epoch["epoch"] for epoch in run.history]),
                train=np.array([epoch[train] for epoch in run.history], np.float64),
                val=np.array([epoch[val] for epoch in run.history], np.float64),
                augmented=run.augmented,
            )
            for run in runs
        ]

    bars = [
        plots.ComparisonRow(
            row.name,
            row.val_auc,
            (row.val_auc_low, row.val_auc_high),
            row.parameters,
            row.seconds,
        )
        for row in table.rows
    ]
    real = [
        (run.config.name, scores[labels == 0]) for run in runs for scores, labels in [_arrays(run)]
    ]
    figures = {
        "accuracy_curve.png": plots.curves(
            curve("acc", "val_acc"), "accuracy", chance=table.chosen.val_chance_acc
        ),
        "loss_curve.png": plots.curves(curve("loss", "val_loss"), "loss"),
        "comparison_auc.png": plots.auc_bars(bars),
        "comparison_cost.png": plots.cost_bars(bars),
        "comparison_real.png": plots.real_scores(real),
    }
    for name, figure in figures.items():
        (out / name).write_bytes(plots.figure_png(figure))
