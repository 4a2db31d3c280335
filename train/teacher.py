"""Weights that a model learns from while it trains: what they say, and their features.

One logit says little of what a teacher knows (Müller et al., Subclass Distillation, 2020), so its
features are taught beside it where `loss.hint` is above 0. A teacher may have a specialist beside
it, who knows one kind of forgery better.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    binary_cross_entropy_with_logits,
    cosine_similarity,
    interpolate,
    normalize,
)

from dfexplain import hub
from dfexplain.errors import SettingError, WeightsNotFound
from dfexplain.folding import folded
from dfexplain.models import ModelConfig, build
from train import growth
from train.checkpoints import load_checkpoint
from train.config import FitConfig

__all__ = ["Hint", "Lesson", "Panel", "Teacher", "soft_loss", "teacher_of"]


class Lesson(NamedTuple):
    """What the teacher says of B clips: logit (B,), last feature maps (B, t, D, h, w)."""

    logit: Tensor
    maps: Tensor


class _Found(NamedTuple):
    """A teacher's name for people, the sha256 of its weights, how it is built, its tensors."""

    label: str
    sha256: str
    config: ModelConfig
    state: dict[str, Tensor]


def _find(name: str, key: str) -> _Found:
    """The teacher that `loss.<key>` names: a run's best weights, or weights that were exported."""
    run = load_checkpoint(Path(name))
    if run is not None:
        config, state = ModelConfig.from_dict(run["config"]), run["averaged"]
        return _Found(run["name"], hub.sha256_of(state), config, state)
    try:
        weights = hub.load(name)
    except WeightsNotFound as error:
        raise SettingError(
            f"loss.{key} must name weights or a run, but got {name!r:.120}. Train the teacher "
            f"first, give its folder, or set loss.distil=0 loss.hint=0 loss.{key}=''."
        ) from error
    return _Found(weights.label, weights.info.sha256, weights.config, weights.state)


class Teacher:
    """A frozen model in evaluation mode, without gradients.

    Not an nn.Module, so that it is part of no checkpoint and of no other module's mode. `sha256` is
    that of its weights, `width` the number D of channels of its maps. Raises SettingError where it
    cannot be found, or sees another part of the picture than the `student`.
    """

    def __init__(
        self, name: str, student: ModelConfig, device: torch.device, key: str = "teacher"
    ) -> None:
        self.label, self.sha256, config, state = _find(name, key)
        for key in ("crop_margin", "clip_frames"):
            own, theirs = getattr(student, key), getattr(config, key)
            if own != theirs:
                raise SettingError(
                    f"model.{key} must be the teacher's {theirs:g}, or both do not see the same "
                    f"picture, but got {own:g}. Take the teacher's, or another teacher."
                )
        self.config = config
        # Drawing the weights that are then replaced must not move the student's random numbers.
        with torch.random.fork_rng(devices=[]):
            model = build(config)
        model.load_state_dict(state)
        self.width = model.width
        self._state = state
        self._model = folded(model.requires_grad_(False).eval()).to(device)
        if all(p.dim() != 5 for p in model.parameters()):  # 2D convolutions are quickest so.
            self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # From the student's normalisation to the teacher's, both of colours in 0..1.
        (mean, std), (to_mean, to_std) = (
            (torch.tensor(c.mean).view(1, 3, 1, 1), torch.tensor(c.std).view(1, 3, 1, 1))
            for c in (student, config)
        )
        self._scale = (std / to_std).to(device)
        self._shift = ((mean - to_mean) / to_std).to(device)

    def give(self, student: nn.Module) -> int:
        """Fill the student's tensors that have the name and the shape of one of its own; their
        number. A student that has room for all of them, and more, is filled so that it says what
        its teacher says (`growth.grown`). Raises SettingError where there are none to fill."""
        own, theirs = student.state_dict(), self._state
        shared = growth.grown(student, theirs) or {
            k: v for k, v in theirs.items() if k in own and own[k].shape == v.shape
        }
        if not shared:
            raise SettingError(
                f"run.from_teacher must find tensors of the student in {self.label}, but found "
                "none of the same name and shape. Set run.from_teacher=false."
            )
        student.load_state_dict(shared, strict=False)
        return len(shared.keys() & theirs.keys())

    @torch.no_grad()
    def __call__(self, clips: Tensor) -> Lesson:
        """Look at the student's normalised clips (B, T, 3, S, S), resized to its own side."""
        frames = clips.flatten(0, 1) * self._scale + self._shift
        side = self.config.crop_px
        if frames.shape[-1] != side:
            frames = interpolate(
                frames, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        maps = self._model.encode(frames.reshape(*clips.shape[:2], *frames.shape[1:]))
        return Lesson(self._model.decide(maps, clips.shape[1]).logit.float(), maps)


class Panel:
    """A teacher and a specialist, who answer as one.

    Kinds of forgeries exclude each other, so the odds of a forgery are the sum of those of its
    kinds: log((1 - s) exp(a) + s exp(b)) for the logits a and b and the `share` s of the
    specialist's kind (a mixture of experts with a fixed gate: Jacobs et al., Neural Computation
    1991). Maps lie one after the other, each place of both of length 1, for a hint to weigh them
    alike.
    """

    def __init__(self, teacher: Teacher, specialist: Teacher, share: float) -> None:
        self.teacher, self.specialist = teacher, specialist
        self.label = f"{teacher.label}, and {specialist.label} for {share:g} of the forgeries"
        both = f"{teacher.sha256} {specialist.sha256}"
        self.sha256 = hashlib.sha256(both.encode()).hexdigest()
        self.width = teacher.width + specialist.width
        self._shift = math.log(1.0 - share), math.log(share)

    def give(self, student: nn.Module) -> int:
        """See Teacher: its own tensors, none of the specialist's."""
        return self.teacher.give(student)

    def __call__(self, clips: Tensor) -> Lesson:
        """See Teacher; the finer grid of maps is brought to the coarser one."""
        one, other = self.teacher(clips), self.specialist(clips)
        logit = torch.logaddexp(one.logit + self._shift[0], other.logit + self._shift[1])
        frames = [maps.flatten(0, 1) for maps in (one.maps, other.maps)]
        height, width = (min(maps.shape[side] for maps in frames) for side in (2, 3))
        pooled = [adaptive_avg_pool2d(maps, (height, width)) for maps in frames]
        maps = torch.cat([normalize(maps, dim=1) for maps in pooled], dim=1)
        return Lesson(logit, maps.reshape(*one.maps.shape[:2], *maps.shape[1:]))


def teacher_of(
    config: FitConfig, device: torch.device, before: Mapping[str, Path] | None = None
) -> Teacher | Panel | None:
    """The teacher that the config asks for, if it asks for one; `before` says in which run lies
    what a config of that name has left."""
    asked, found = config.loss, before or {}
    if not asked.teacher:
        return None
    teacher, specialist = (
        Teacher(str(found.get(name, name)), config.model, device, key) if name else None
        for key, name in (("teacher", asked.teacher), ("specialist", asked.specialist))
    )
    if teacher is None or specialist is None:
        return teacher
    return Panel(teacher, specialist, asked.specialist_share)


def soft_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of logits (B,) with the teacher's softened answer, sigmoid(taught / T).

    Both are softened, and T^2 keeps the gradient's size (Hinton et al. 2015, sec. 2).
    """
    target = torch.sigmoid(taught / temperature)
    return temperature**2 * binary_cross_entropy_with_logits(logits / temperature, target)


class Hint(nn.Module):
    """Brings the student's last maps to the teacher's width, to compare them; training only.

    A regressor as in FitNets (Romero et al., ICLR 2015, sec. 2.2). Only directions are compared:
    how long a feature is stays the student's own (Wang et al., In Defense of Feature Mimicking,
    IJCV 2022, sec. 3.2).
    """

    def __init__(self, width: int, taught: int) -> None:
        super().__init__()
        self.translate = nn.Conv2d(width, taught, kernel_size=1)

    def forward(self, maps: Tensor, taught: Tensor) -> Tensor:
        """1 - cosine, in 0..2, of maps (B, t, D, h, w) and taught ones (B, t, E, k, l), averaged
        over cells; the finer grid is brought to the coarser one."""
        own, theirs = self.translate(maps.flatten(0, 1)).float(), taught.flatten(0, 1).float()
        grid = min(own.shape[2], theirs.shape[2]), min(own.shape[3], theirs.shape[3])
        own, theirs = adaptive_avg_pool2d(own, grid), adaptive_avg_pool2d(theirs, grid)
        return 1.0 - cosine_similarity(own, theirs, dim=1).mean()
