"""What a run leaves on disk: its settings, its weights at several points, and how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dfexplain.errors import SettingError
from train import config as configs
from train.config import FitConfig

__all__ = ["check_same_run", "load_checkpoint", "save_checkpoint"]

FOLDER = "checkpoints"
# What may differ between a run and its continuation besides: first weights have been taken, and a
# teacher may lie elsewhere, for its sha256 is compared.
_PLACES = ("run.init", "loss.teacher", "loss.specialist")


def _path(run_dir: Path, name: str) -> Path:
    return run_dir / FOLDER / f"{name}.pt"


def load_checkpoint(run_dir: Path, which: str = "best") -> dict[str, Any] | None:
    """The run's checkpoint `best`, `last` or `epoch_NNN`; None where there is none.

    All hold `averaged` (the weights to use), `config` (of the model), `settings`, `name`,
    `history` and `epoch`; `last` holds what it takes to go on, too, and as `averaged` that which
    goes on: without the share of the first weights that `run.init_share` keeps.
    """
    path = _path(run_dir, which)
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def save_checkpoint(run_dir: Path, name: str, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all, whenever the process may be killed."""
    path = _path(run_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    torch.save(state, half)
    half.replace(path)


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as `section.key` that decide the weights."""
    flat = {"name": settings["name"]}
    for section, keys in settings.items():
        if section not in ("name", "logging"):
            flat |= {f"{section}.{key}": v for key, v in keys.items()}
    skip = {*configs.OF_THE_MACHINE, *_PLACES}
    return {key: v for key, v in flat.items() if key not in skip}


def check_same_run(
    state: dict[str, Any], config: FitConfig, data: str, teacher: str, run_dir: Path
) -> None:
    """Refuse to go on with other settings, data or teacher, which would be neither one run nor the
    other. Settings that came after the run was begun have their defaults in it."""
    begun = configs.from_dict(state["settings"], f"the settings of '{run_dir}'")
    before, now = _decisive(configs.to_dict(begun)), _decisive(configs.to_dict(config))
    other = [key for key in now if now[key] != before[key]]
    if other:
        raise SettingError(
            f"{other[0]} must be {before[other[0]]!r} to go on with '{run_dir}', but got "
            f"{now[other[0]]!r}. Give --run another folder, and --init this one to start from it."
        )
    for name, before_it, given in (
        ("the tables", state["data"], data),
        ("the weights of loss.teacher", state.get("teacher", ""), teacher),
    ):
        if before_it != given:
            raise SettingError(
                f"{name} must be those that '{run_dir}' began with, but they differ. "
                "Give --run another folder."
            )
