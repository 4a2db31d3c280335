"""Training settings: frozen records read from YAML; an unknown key names the nearest known one."""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig
from train.forgeries import RECIPES
from train.sections import Section, choice, number, several

__all__ = [
    "OF_THE_MACHINE",
    "Augmentation",
    "Data",
    "FitConfig",
    "Logging",
    "Loss",
    "Optimiser",
    "Run",
    "Schedule",
    "from_dict",
    "read",
    "to_dict",
    "value",
    "write",
]

# Settings of where and how a run is computed: they do not decide the weights.
OF_THE_MACHINE = ("data.workers", "run.device", "run.checkpoint_minutes", "run.log_interval")


@dataclass(frozen=True)
class Data(Section):
    """What a batch is made of.

    `batch_size` clips (or frames) a step, over all processes. `frames_per_track` crops of a track
    are used at most, evenly spaced (0: all). A clip of `model.clip_frames` crops takes one out of
    each equal part of its track (Wang et al., TSN, ECCV 2016), or every `stride`-th in a row if
    not 0; `jitter` draws where. `sampling`: `balanced` draws as many real as fake, `paired` a fake
    with a real of the same source. `max_videos_per_class` limits training (0: all). The rest is for
    portraits only. Forgeries: `left_out` is a recipe that is never drawn, `even` gives the others
    equal shares, `favoured` is one drawn 2.5 times as often (never to validate), `only` names those
    drawn at all, `flicker` is the share that flickers. Pictures: `moving` wears them as frames of a
    moving clip, a share `hard_wear` hard, a share `camera` as cameras do (`augment.draw_wear`);
    `reshaped` bends all people into others, `expressions` a share into some who pull faces
    (`reshape`); with `before_camera` a teacher sees pictures before the camera, real faces before
    they pulled one. `hard_wear` and `reshaped` are for training alone.
    """

    batch_size: int = number(16, 1)
    workers: int = number(2, 0)
    frames_per_track: int = number(0, 0)
    stride: int = number(0, 0)
    jitter: bool = True
    sampling: str = choice("shuffled", "balanced", "paired")
    max_videos_per_class: int = number(0, 0)
    left_out: str = choice("", *RECIPES)
    even: bool = False
    favoured: str = choice("", *RECIPES)
    only: str = several(*RECIPES)
    flicker: float = number(0.0, 0.0, 1.0)
    moving: bool = True
    hard_wear: float = number(0.0, 0.0, 1.0)
    camera: float = number(0.0, 0.0, 1.0)
    expressions: float = number(0.0, 0.0, 1.0)
    before_camera: bool = False
    reshaped: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if set(self.only.split()) == {self.left_out}:
            raise SettingError(
                f"data.only must not be data.left_out, but both are {self.only!r}: no forgery is "
                "left. Empty one of them."
            )


@dataclass(frozen=True)
class Optimiser(Section):
    """How the weights move.

    For `freeze_epochs` only the head learns, at `lr`; then the backbone too, at `unfrozen_lr` (0:
    at `lr`). `tune` says which weights ever move. Gradients longer than `clip_norm` are shortened
    (0: never). `ema` is the decay a step of the averaged weights, which are kept (0: none).
    `drop_path` is the share of samples without the deepest residual branch, less before it.
    """

    kind: str = choice("adamw", "adam")
    lr: float = number(1e-3, 0.0, 1.0)
    weight_decay: float = number(1e-4, 0.0, 1.0)
    clip_norm: float = number(5.0, 0.0)
    freeze_epochs: int = number(0, 0)
    unfrozen_lr: float = number(0.0, 0.0, 1.0)
    tune: str = choice("all", "head", "norm")
    ema: float = number(0.0, 0.0, 0.99999)
    drop_path: float = number(0.0, 0.0, 0.9)


@dataclass(frozen=True)
class Schedule(Section):
    """How the learning rates change: up and down once, down along a cosine, times `factor` after
    `patience` epochs without a lower validation loss, or not at all."""

    kind: str = choice("one_cycle", "cosine", "plateau", "constant")
    factor: float = number(0.5, 0.01, 0.99)
    patience: int = number(1, 0)


@dataclass(frozen=True)
class Augmentation(Section):
    """Changes of training crops, alike for all frames of a clip; validation crops have none.

    Shares of clips that are mirrored (`flip`), blurred, and worn by scaling, noise, JPEG and H.264
    (`wear`); `rotation_deg` either way; `jitter` of brightness and contrast. `mixup` is alpha of
    Zhang et al., ICLR 2018 (0: none). Portraits have their own poses and wear, and mixup only.
    """

    flip: float = number(0.5, 0.0, 1.0)
    rotation_deg: float = number(10.0, 0.0, 180.0)
    jitter: float = number(0.2, 0.0, 1.0)
    blur: float = number(0.0, 0.0, 1.0)
    wear: float = number(0.0, 0.0, 1.0)
    mixup: float = number(0.0, 0.0, 10.0)


@dataclass(frozen=True)
class Loss(Section):
    """What is made small: with one logit, z_fake - z_real, both kinds are one formula.

    `label_smoothing` e gives targets e/2 and 1 - e/2 (Szegedy et al., CVPR 2016, sec. 7).
    `pos_weight` weighs fakes, `bce` only; `auto` is real over fake training samples. `mask` weighs
    the auxiliary task of saying which cells are forged (portraits only).

    `teacher` is a weights folder or name, a run or a config, to learn from (empty: none), and
    `specialist` another for one kind of forgeries, `specialist_share` of them. With `mirror` they
    see half of the batches mirrored: what is learnt is their mean over both ways to look. `distil`
    is the share of the loss that takes the teacher's answer, softened by `temperature`, for the
    label (Hinton et al. 2015), `hint` weighs its features (Romero et al., FitNets, ICLR 2015).
    """

    kind: str = choice("cross_entropy", "bce")
    label_smoothing: float = number(0.0, 0.0, 0.5)
    pos_weight: float | str = number(1.0, 0.001, 1000.0, word="auto")
    mask: float = number(0.0, 0.0, 100.0)
    teacher: str = ""
    specialist: str = ""
    specialist_share: float = number(0.2, 0.001, 0.999)
    mirror: bool = False
    distil: float = number(0.0, 0.0, 1.0)
    temperature: float = number(1.0, 0.1, 100.0)
    hint: float = number(0.0, 0.0, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.teacher) != (self.distil + self.hint > 0):
            raise SettingError(
                "loss.teacher must come with loss.distil or loss.hint above 0, and they with it, "
                f"but got {self.teacher!r:.120}, {self.distil:g} and {self.hint:g}. "
                "Set loss.teacher and loss.distil."
            )
        if self.specialist and not self.teacher:
            raise SettingError(
                "loss.specialist must come with a loss.teacher, but got none. Name one, or none."
            )
        if self.kind == "cross_entropy" and self.pos_weight != 1.0:
            raise SettingError(
                f"loss.pos_weight must be 1 with cross_entropy, but got {self.pos_weight!r}. "
                "Set loss.kind=bce."
            )


@dataclass(frozen=True)
class Run(Section):
    """How long, on what, and what is kept.

    First weights: of `init`, a run, a weights folder or a config (`train.before`); `from_teacher`:
    the teacher's of the same names and shapes, or all in a larger model (`train.growth`); else
    ImageNet's if `pretrained`. `init_share` is their share in what is kept (`training.between`).
    `precision`: `auto` is bf16 or fp16 on CUDA, fp32 on a CPU. The epoch with the best `select` is
    kept; `patience` epochs without a better one end the run (0: none do). A log each `log_interval`
    steps, a checkpoint each `checkpoint_minutes` (0: each step).
    """

    epochs: int = number(10, 1)
    seed: int = number(42, 0, 2**31)
    device: str = choice("auto", "cpu", "cuda")
    precision: str = choice("auto", "fp32", "bf16", "fp16")
    init: str = ""
    init_share: float = number(0.0, 0.0, 0.99)
    pretrained: bool = True
    from_teacher: bool = False
    select: str = choice("val_auc", "val_loss", "val_acc")
    patience: int = number(0, 0)
    log_interval: int = number(10, 1)
    save_every_epoch: bool = True
    checkpoint_minutes: float = number(5.0, 0.0)


@dataclass(frozen=True)
class Logging(Section):
    """TensorBoard, JSON and CSV are always written; Weights & Biases where it is asked for."""

    wandb: str = choice("off", "offline", "online")


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides the weights, together with the data and the version of the code."""

    name: str = "fit"
    model: ModelConfig = field(default_factory=ModelConfig)
    data: Data = field(default_factory=Data)
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: Loss = field(default_factory=Loss)
    run: Run = field(default_factory=Run)
    logging: Logging = field(default_factory=Logging)

    def __post_init__(self) -> None:
        if self.run.from_teacher and not self.loss.teacher:
            raise SettingError(
                "run.from_teacher must come with a loss.teacher, but got none. Name one, or set "
                "run.from_teacher=false."
            )


_SECTIONS: dict[str, type[Any]] = {
    f.name: type(getattr(FitConfig(), f.name)) for f in fields(FitConfig) if f.name != "name"
}
_KNOWN = {name: [f.name for f in fields(kind)] for name, kind in _SECTIONS.items()}
_KEYS = ["name", *(f"{section}.{key}" for section, keys in _KNOWN.items() for key in keys)]


def _check_key(key: str, where: str) -> None:
    """Refuse a key like `run.epoch`, naming the nearest known one by its whole or its last part."""
    if key in _KEYS:
        return
    last = {k.rpartition(".")[2]: k for k in reversed(_KEYS)}
    near = difflib.get_close_matches(key, _KEYS, n=1)
    near = near or [last[k] for k in difflib.get_close_matches(key.rpartition(".")[2], last, n=1)]
    hint = f"Did you mean '{near[0]}'?" if near else f"Sections: {', '.join(_SECTIONS)}."
    raise SettingError(f"{where} must hold known keys only, but got '{key}'. {hint}")


def from_dict(data: dict[str, Any], where: str = "the config") -> FitConfig:
    """Settings from sections of keys; what is left out has its default.

    Raises SettingError for an unknown key, a wrong type or a value out of range.
    """
    for section, given in data.items():
        if section == "name":
            continue
        if section not in _SECTIONS or not isinstance(given, dict):
            _check_key(section, where)
            raise SettingError(f"{section} must be a section of keys, but got {given!r:.60}.")
        for key in given:
            _check_key(f"{section}.{key}", where)
    parts = {
        section: kind(**data.get(section, {}))
        for section, kind in _SECTIONS.items()
        if kind is not ModelConfig
    }
    model = ModelConfig.from_dict({**ModelConfig().to_dict(), **data.get("model", {})})
    return FitConfig(name=str(data.get("name", "fit")), model=model, **parts)


def to_dict(config: FitConfig) -> dict[str, Any]:
    """Every setting, ready for YAML, JSON and `from_dict`."""
    return {**asdict(config), "model": config.model.to_dict()}


def read(path: Path, overrides: list[str] | None = None) -> FitConfig:
    """Read a YAML file and apply `section.key=value` overrides.

    Raises SettingError for a missing file, an unknown key, a wrong type or a value out of range.
    """
    if not path.is_file():
        raise SettingError(f"--config must be a file, but got '{path}'. See train/configs.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        given = [(key, value(text)) for key, text in map(_override, overrides or [])]
    except yaml.YAMLError as error:
        raise SettingError(f"{path.name} must be YAML, but got: {error}") from error
    if not isinstance(data, dict):
        raise SettingError(f"{path.name} must hold sections of keys, but got {data!r:.60}.")
    for key, setting in given:
        _check_key(key, "--set")
        section, _, last = key.rpartition(".")
        (data.setdefault(section, {}) if section else data)[last] = setting
    return from_dict(data, path.name)


def value(text: str) -> Any:
    """What `text` stands for after `key=`: YAML, but 1e-4 is a number and nothing an empty word."""
    read: Any = yaml.safe_load(text) if text.strip() else ""
    if isinstance(read, str):
        with contextlib.suppress(ValueError):
            return float(read)
    return read


def _override(item: str) -> tuple[str, str]:
    key, found, value = item.partition("=")
    if not found:
        raise SettingError(f"--set must be section.key=value, but got '{item}'.")
    return key.strip(), value


def write(path: Path, config: FitConfig) -> None:
    """Write every setting, such that `read` gives the same record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(to_dict(config), sort_keys=False), encoding="utf-8")
