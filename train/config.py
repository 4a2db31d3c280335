"""Training settings: frozen records read from YAML; an unknown key is an error."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig

__all__ = ["FitConfig", "read"]


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides the weights, together with the data and the version of the code.

    `epochs` pass once over the training portraits, in batches of `batch_pairs` real and as many
    forged crops. The learning rate follows one cycle up to `max_lr`. `mask_loss` weighs the
    auxiliary task of saying which cells are forged. `ema` is the decay a step of the averaged
    weights, which are the ones that are kept. `swap_share` of forgeries use another person's face.
    `moving` wears pictures as frames of a moving clip (see `augment.draw_wear`).
    """

    name: str = "sbi_lite0"
    seed: int = 42
    epochs: int = 24
    batch_pairs: int = 16
    max_lr: float = 4e-4
    weight_decay: float = 1e-2
    label_smoothing: float = 0.02
    mask_loss: float = 0.5
    ema: float = 0.995
    clip_norm: float = 5.0
    swap_share: float = 0.25
    moving: bool = True
    workers: int = 2
    pretrained: bool = True
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        rules = (
            ("epochs", self.epochs >= 1, "be at least 1"),
            ("batch_pairs", self.batch_pairs >= 1, "be at least 1"),
            ("max_lr", 0.0 < self.max_lr <= 1.0, "lie in 0..1"),
            ("label_smoothing", 0.0 <= self.label_smoothing < 0.5, "lie in 0..0.5"),
            ("ema", 0.0 <= self.ema < 1.0, "lie in 0..1"),
            ("swap_share", 0.0 <= self.swap_share <= 1.0, "lie in 0..1"),
            ("workers", self.workers >= 0, "be at least 0"),
        )
        for name, holds, rule in rules:
            if not holds:
                raise SettingError(
                    f"{name} must {rule}, but got {getattr(self, name)!r}. Correct the config."
                )


def _check_keys(given: dict[str, Any], known: list[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."
            raise SettingError(f"{where} must hold known keys only, but got '{key}'. {hint}")


def read(path: Path, overrides: list[str] | None = None) -> FitConfig:
    """Read a YAML file and apply `key=value` overrides (`model.crop_px=160` reaches the model).

    Raises SettingError for a missing file, an unknown key or a value out of range.
    """
    if not path.is_file():
        raise SettingError(f"--config must be a file, but got '{path}'. See train/configs.")
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for item in overrides or []:
        key, found, value = item.partition("=")
        if not found:
            raise SettingError(f"--set must be key=value, but got '{item}'.")
        parent, _, child = key.rpartition(".")
        target = data.setdefault(parent, {}) if parent else data
        target[child] = yaml.safe_load(value)
    _check_keys(data, [f.name for f in fields(FitConfig)], path.name)
    model = data.pop("model", {})
    _check_keys(model, [f.name for f in fields(ModelConfig)], f"{path.name}: model")
    default = FitConfig()
    for key, value in data.items():
        kind = type(getattr(default, key))
        if kind is float and isinstance(value, int):
            data[key] = float(value)
        elif not isinstance(value, kind):
            raise SettingError(f"{key} must be of type {kind.__name__}, but got {value!r}.")
    whole = ModelConfig.from_dict({**ModelConfig().to_dict(), **model})
    return replace(default, **data, model=whole)
