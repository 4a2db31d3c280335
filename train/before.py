"""Runs that come before a run, so that one config tells how weights come about from the start.

`run.init`, `loss.teacher` and `loss.specialist` may name a config that lies beside the one that
names it. What it leaves is then fitted first, in a folder of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dfexplain.errors import SettingError
from train import config as configs
from train.config import FitConfig
from train.datasets import TrainingData
from train.loop import FitResult, fit
from train.training import Say

__all__ = ["fit_all"]

FOLDER = "before"


def _named(settings: FitConfig, *, begun: bool) -> dict[str, None]:
    """The configs that `settings` name, each once, in the order in which they are wanted; `begun`
    where something else takes the place of `run.init`."""
    init = "" if begun else settings.run.init
    asked = (init, settings.loss.teacher, settings.loss.specialist)
    return dict.fromkeys(name for name in asked if name.endswith(".yaml"))


def fit_all(
    path: Path,
    overrides: Sequence[str],
    data: Callable[[FitConfig], TrainingData],
    run_dir: Path,
    say: Say,
    *,
    init: Path | None = None,
) -> FitResult:
    """Fit the config at `path` and, before it, those that it names, and those that they name.

    Each is fitted once, in `run_dir`/before/<its name>; one that is done is not done again, and one
    that was cut goes on. `overrides` of where and how a run is computed hold for all, the others
    for the config itself. `init` takes the place of its `run.init`. Raises SettingError for configs
    that name each other in a circle, and what `fit` raises.
    """
    everywhere = [o for o in overrides if o.partition("=")[0].strip() in configs.OF_THE_MACHINE]
    done: dict[str, Path] = {}

    def fitted(path: Path, overrides: Sequence[str], own: Path, way: tuple[str, ...]) -> FitResult:
        if path.name in way:
            circle = " > ".join((*way, path.name))
            raise SettingError(
                f"configs must not come before themselves, but got {circle}. Take one out."
            )
        settings = configs.read(path, list(overrides))
        begin = init if own == run_dir else None
        for name in _named(settings, begun=begin is not None):
            if name in done:
                continue
            folder = run_dir / FOLDER / Path(name).stem
            say(f"before {path.name}: {name}, in {folder.name}")
            fitted(path.parent / name, everywhere, folder, (*way, path.name))
            done[name] = folder
        return fit(settings, data(settings), own, say, init=begin, before=done)

    return fitted(path, overrides, run_dir, ())
