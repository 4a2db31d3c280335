"""Hyperparameter search by Optuna: TPE, pruning by the median, SQLite, resumable at any moment.

A trial is a run of `fit` in a folder of its own, so a trial that was cut goes on from its last
checkpoint. Tree-structured Parzen estimator: Bergstra et al., NIPS 2011.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from dfexplain import plots
from dfexplain.errors import SettingError
from train import config as configs
from train.config import FitConfig
from train.loop import TrainingData, fit, read_history

__all__ = ["DEFAULT_SPACE", "SearchResult", "parse_space", "search"]

STUDY = "study.db"
# What the seed of the three models would search: learning rate, batch size, dropout.
DEFAULT_SPACE = (
    "optimiser.lr=1e-5..1e-2:log",
    "data.batch_size=4,8,16,32",
    "model.dropout=0.0..0.5",
)
_RANGE = re.compile(r"(?P<low>[^.]\S*?)\.\.(?P<high>[^:]+)(?P<log>:log)?")

Say = Callable[[str], None]
Spread = CategoricalDistribution | FloatDistribution | IntDistribution


@dataclass(frozen=True)
class SearchResult:
    """The best finished trial: its number, its value, its settings as `key=value`."""

    number: int
    value: float
    settings: tuple[str, ...]
    finished: int
    pruned: int


def parse_space(items: Sequence[str]) -> dict[str, Spread]:
    """Read `key=low..high`, `key=low..high:log` or `key=a,b,c`.

    Whole numbers at both ends make a whole-numbered range. Raises SettingError.
    """
    space: dict[str, Spread] = {}
    for item in items:
        key, found, words = item.partition("=")
        if not found or not words:
            raise SettingError(f"--space must be key=low..high or key=a,b, but got '{item}'.")
        spread = _RANGE.fullmatch(words)
        if spread is None:
            choices = [configs.value(word) for word in words.split(",")]
            space[key] = CategoricalDistribution(choices)
            continue
        low, high = (configs.value(spread[name]) for name in ("low", "high"))
        log = spread["log"] is not None
        numbers = all(isinstance(v, int | float) for v in (low, high))
        if not numbers or not low < high or (log and low <= 0):
            raise SettingError(
                f"--space {key} must be low..high with low < high"
                f"{' and low > 0' if log else ''}, but got '{words}'."
            )
        whole = isinstance(low, int) and isinstance(high, int)
        kind: type[IntDistribution | FloatDistribution] = (
            IntDistribution if whole else FloatDistribution
        )
        space[key] = kind(low, high, log=log)
    return space


def _any(spread: Spread) -> Any:
    """A value inside of a distribution."""
    return spread.choices[0] if isinstance(spread, CategoricalDistribution) else spread.low


def search(
    config_path: Path,
    overrides: Sequence[str],
    data: TrainingData,
    run_dir: Path,
    *,
    space: Sequence[str] = DEFAULT_SPACE,
    trials: int = 20,
    startup: int = 2,
    say: Say = print,
) -> SearchResult:
    """Run trials until `trials` of them have ended, and write the study, a table and a figure.

    After `startup` finished trials, one whose value is worse than the median of the others at the
    same epoch is pruned. Writes study.db, trials.csv, trials.png and best.txt to `run_dir`.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parsed = parse_space(space)
    base = configs.read(config_path, list(overrides))
    first = [f"{key}={_any(spread)}" for key, spread in parsed.items()]
    configs.read(config_path, [*overrides, *first])  # a typo ends the search before it begins
    metric = base.run.select
    study = optuna.create_study(
        storage=f"sqlite:///{(run_dir / STUDY).resolve()}",
        study_name="search",
        direction="minimize" if metric == "val_loss" else "maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=startup),
        load_if_exists=True,
    )
    _same_space(study, space)
    _take_up(study, parsed)
    while len(_ended(study)) < trials:
        trial = _ask(study, parsed, base.run.seed)
        settings = [f"{key}={value}" for key, value in trial.params.items()]
        say(f"trial {_folder(trial)}: {' '.join(settings)}")
        config = configs.read(config_path, [*overrides, *settings])
        _run(study, trial, config, data, run_dir, say)
    result = _result(study)
    _write(study, run_dir, metric, result)
    return result


def _same_space(study: optuna.Study, space: Sequence[str]) -> None:
    """A study goes on with the space that it began with, or its trials mean nothing together."""
    known = study.user_attrs.get("space")
    if known is None:
        study.set_user_attr("space", list(space))
    elif known != list(space):
        raise SettingError(
            f"--space must be that of the study, {' '.join(known)}, but got {' '.join(space)}. "
            "Give --run another folder for another space."
        )


def _take_up(study: optuna.Study, space: dict[str, Spread]) -> None:
    """Queue the trials that were cut, with their draws and in their folders, before any other."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params.keys() == space.keys():
            study.enqueue_trial(trial.params, user_attrs={"folder": _folder(trial)})


def _ask(study: optuna.Study, space: dict[str, Spread], seed: int) -> Trial:
    """The next trial. Its draw follows from the seed and the trials that have ended, so a resumed
    search asks what an unbroken one would have asked."""
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(_ended(study)), n_startup_trials=5)
    trial = study.ask(fixed_distributions={**space})
    if "folder" not in trial.user_attrs:
        trial.set_user_attr("folder", f"trial_{trial.number:03d}")
    return trial


def _folder(trial: Trial | FrozenTrial) -> str:
    return str(trial.user_attrs["folder"])


def _run(
    study: optuna.Study,
    trial: Trial,
    config: FitConfig,
    data: TrainingData,
    run_dir: Path,
    say: Say,
) -> None:
    metric, folder = config.run.select, run_dir / _folder(trial)

    def on_epoch(row: dict[str, Any]) -> None:
        trial.report(float(row[metric]), int(row["epoch"]))
        if trial.should_prune():
            raise optuna.TrialPruned

    # What a cut trial had reached counts for those after it.
    for row in read_history(folder):
        trial.report(float(row[metric]), int(row["epoch"]))
    try:
        result = fit(config, data, folder, say, on_epoch=on_epoch)
    except optuna.TrialPruned:
        say(f"{folder.name}: pruned")
        study.tell(trial, state=TrialState.PRUNED)
        return
    value = float(result.best[metric])
    if not math.isfinite(value):
        say(f"{folder.name}: diverged")
        study.tell(trial, state=TrialState.PRUNED)
        return
    study.tell(trial, value)
    say(f"{folder.name}: {metric} {value:.4f}")


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _value(trial: FrozenTrial, maximise: bool) -> float:
    """A finished trial's value; of a pruned one the best that it reached, nan if it diverged."""
    if trial.state is TrialState.COMPLETE and trial.value is not None:
        return trial.value
    reached = [v for v in trial.intermediate_values.values() if math.isfinite(v)]
    return (max if maximise else min)(reached, default=math.nan)


def _result(study: optuna.Study) -> SearchResult:
    ended = _ended(study)
    pruned = sum(t.state is TrialState.PRUNED for t in ended)
    best = study.best_trial
    assert best.value is not None
    settings = tuple(f"{key}={value}" for key, value in best.params.items())
    return SearchResult(best.number, best.value, settings, len(ended) - pruned, pruned)


def _write(study: optuna.Study, run_dir: Path, metric: str, result: SearchResult) -> None:
    ended = _ended(study)
    maximise = study.direction is optuna.study.StudyDirection.MAXIMIZE
    names = list(ended[0].params)
    with (run_dir / "trials.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["trial", "state", metric, "epochs", *names])
        for t in ended:
            row = [t.number, t.state.name.lower(), _value(t, maximise), len(t.intermediate_values)]
            writer.writerow([*row, *(t.params[name] for name in names)])
    (run_dir / "best.txt").write_text("\n".join(result.settings) + "\n", encoding="utf-8")
    table = plots.TrialTable(
        number=np.array([t.number for t in ended]),
        value=np.array([_value(t, maximise) for t in ended]),
        pruned=np.array([t.state is TrialState.PRUNED for t in ended]),
        parameters={name: tuple(t.params[name] for t in ended) for name in names},
        maximise=maximise,
    )
    (run_dir / "trials.png").write_bytes(plots.figure_png(plots.trials(table, metric)))
