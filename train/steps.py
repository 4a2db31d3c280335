"""One step of learning: what the loss is, which weights move, and how fast."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules
from torchvision.ops import StochasticDepth

from dfexplain.errors import SettingError
from dfexplain.models import FrameModel, ModelConfig, VideoModel
from train.batches import Batch, Row
from train.config import FitConfig
from train.teacher import Hint, Lesson, Panel, Teacher, soft_loss

__all__ = [
    "Learner",
    "Pace",
    "StepLoss",
    "average",
    "channels_last",
    "choose_weights",
    "drop_paths",
    "make_optimizer",
    "mixed_precision",
    "normalise",
    "pos_weight",
    "seed_step",
]

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


class StepLoss(NamedTuple):
    """What is made small, the loss by labels and by masks, and how many clips fell on the right
    side of logit 0."""

    whole: Tensor
    clips: Tensor
    cells: Tensor
    correct: Tensor


def normalise(clips: Tensor, config: ModelConfig) -> Tensor:
    """uint8 clips (B, T, 3, S, S) to the model's floats, each frame channels last."""
    mean = torch.tensor(config.mean, device=clips.device).view(1, 3, 1, 1)
    std = torch.tensor(config.std, device=clips.device).view(1, 3, 1, 1)
    frames = (clips.flatten(0, 1).float() / 255.0 - mean) / std
    return frames.contiguous(memory_format=torch.channels_last).view(clips.shape)


def drop_paths(model: nn.Module, deepest: float) -> None:
    """Leave residual branches out by chance while training, sample by sample.

    The share of samples rises from the first branch to `deepest` at the last (Huang et al.,
    "Deep Networks with Stochastic Depth", ECCV 2016, eq. 4). Raises SettingError for a model whose
    blocks have no such place.
    """
    blocks = [module for module in model.modules() if hasattr(module, "drop_path")]
    if deepest and not blocks:
        raise SettingError(
            f"optimiser.drop_path must be 0 for this model, but got {deepest:g}: none of its "
            "residual branches can be left out. Set optimiser.drop_path=0."
        )
    for k, block in enumerate(blocks, start=1):
        if deepest:
            block.drop_path = StochasticDepth(deepest * k / len(blocks), mode="row")


def pos_weight(rows: list[Row], config: FitConfig) -> float:
    """How much a fake weighs against a real one; `auto` makes both classes weigh alike."""
    if config.loss.pos_weight != "auto":
        return float(config.loss.pos_weight)
    fakes = sum(row.label for row in rows)
    return (len(rows) - fakes) / fakes


class Learner(nn.Module):
    """A model with its loss: one module, so that processes can share its gradients.

    Where there are masks to learn (`loss.mask` above 0) a head says for each cell of the last
    feature maps whether it is forged, which sharpens them (Li et al., Face X-ray, CVPR 2020). It is
    the model's own (`model.mask_head`), or it serves in training only. The hint is there where a
    teacher's features are (`loss.hint`).
    """

    def __init__(
        self,
        model: VideoModel,
        config: FitConfig,
        weight: float,
        teacher: Teacher | Panel | None = None,
    ) -> None:
        super().__init__()
        if config.model.mask_head and not config.loss.mask:
            raise SettingError(
                "loss.mask must be above 0 where model.mask_head is true, but got 0. Set "
                "loss.mask=1 or model.mask_head=false."
            )
        self.model, self.config, self.teacher = model, config, teacher
        self.mask: nn.Conv2d | None = None
        self.hint: Hint | None = None
        if config.loss.mask or config.loss.hint:
            side, was_training = config.model.crop_px, model.training
            with torch.no_grad():
                maps = model.eval().encode(torch.zeros(1, config.model.clip_frames, 3, side, side))
            model.train(was_training)
            if config.loss.mask and not config.model.mask_head:
                self.mask = nn.Conv2d(maps.shape[2], 1, kernel_size=1)
            if config.loss.hint and teacher is not None:
                self.hint = Hint(maps.shape[2], teacher.width)
        self.weight: Tensor
        self.register_buffer("weight", torch.tensor(weight), persistent=False)

    @property
    def mask_head(self) -> nn.Conv2d | None:
        """The head that learns masks; None where none is to be learnt."""
        if not self.config.loss.mask:
            return None
        own = self.model.mask if isinstance(self.model, FrameModel) else None
        return self.mask if own is None else own

    def forward(self, batch: Batch, rng: np.random.Generator) -> StepLoss:
        """The losses of clips (B, T, 3, S, S) uint8 with labels (B,) and cells (B, G, G)."""
        clips, labels, cells = normalise(batch.clips, self.config.model), batch.labels, batch.cells
        # What a camera has taken from the student, where the teacher is to see it.
        before = normalise(batch.taught, self.config.model) if batch.taught.numel() else None
        if alpha := self.config.augmentation.mixup:
            share, order = float(rng.beta(alpha, alpha)), rng.permutation(len(labels))
            clips, labels, cells = (
                share * x + (1 - share) * x[order] for x in (clips, labels, cells)
            )
            before = None if before is None else share * before + (1 - share) * before[order]
        maps = self.model.encode(clips)  # (B, t, D, h, w)
        logits = self.model.decide(maps, frames=clips.shape[1]).logit.float()  # (B,)
        smooth = self.config.loss.label_smoothing
        target = labels * (1.0 - smooth) + smooth / 2.0
        loss = binary_cross_entropy_with_logits(logits, target, pos_weight=self.weight)
        correct = ((logits > 0) == (labels >= 0.5)).sum()
        whole = loss
        if self.teacher is not None:
            asked = self.config.loss
            # Else it sees what the student sees, mixed too (Beyer et al., CVPR 2022, sec. 3.1).
            shown = clips if before is None else before
            taught = self._taught(shown, mirrored=asked.mirror and rng.random() < 0.5)
            soft = soft_loss(logits, taught.logit, asked.temperature)
            whole = (1.0 - asked.distil) * loss + asked.distil * soft
            if self.hint is not None:
                whole = whole + asked.hint * self.hint(maps, taught.maps)
        head = self.mask_head
        if head is None or not cells.numel():
            return StepLoss(whole, loss, torch.zeros_like(loss), correct)
        where = head(maps.flatten(0, 1)).squeeze(1).float()  # (B * t, h, w)
        if where.shape[1:] != cells.shape[1:]:
            cells = adaptive_avg_pool2d(cells, where.shape[1:])
        mask_loss = binary_cross_entropy_with_logits(where, cells)
        return StepLoss(whole + self.config.loss.mask * mask_loss, loss, mask_loss, correct)

    def _taught(self, clips: Tensor, *, mirrored: bool) -> Lesson:
        """What the teacher says of normalised clips, or of their mirror images: maps lie as the
        student's do either way."""
        assert self.teacher is not None
        if not mirrored:
            return self.teacher(clips)
        taught = self.teacher(clips.flip(-1))
        return Lesson(taught.logit, taught.maps.flip(-1))


def channels_last(learner: Learner) -> Learner:
    """Lay weights out as 2D convolutions are quickest; a network with 3D ones stays as it is."""
    if all(p.dim() != 5 for p in learner.parameters()):
        learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return learner


def choose_weights(model: VideoModel, config: FitConfig, epoch: int) -> bool:
    """Let the weights learn that are to learn in this epoch; True while the backbone is frozen."""
    tune = config.optimiser.tune
    if tune == "head" or epoch < config.optimiser.freeze_epochs:
        model.freeze_backbone()
        return True
    model.unfreeze_backbone()
    if tune == "norm":
        layers = (m for m in model.modules() if isinstance(m, NORMS))
        chosen = {id(p) for layer in layers for p in layer.parameters(recurse=False)}
        for parameter in model.backbone_parameters():
            parameter.requires_grad_(id(parameter) in chosen)
    return False


def make_optimizer(learner: Learner, config: FitConfig) -> Optimizer:
    """Adam or AdamW over two groups, head and backbone, each with its learning rate."""
    asked = config.optimiser
    backbone = list(learner.model.backbone_parameters())
    those = {id(p) for p in backbone}
    groups = [
        {"params": [p for p in learner.parameters() if id(p) not in those], "lr": asked.lr},
        {"params": backbone, "lr": asked.unfrozen_lr or asked.lr},
    ]
    kind = torch.optim.Adam if asked.kind == "adam" else torch.optim.AdamW
    return kind(groups, lr=asked.lr, weight_decay=asked.weight_decay)


class Pace:
    """The learning rates over `steps` steps: after each step, or after each epoch (plateau)."""

    def __init__(self, optimizer: Optimizer, config: FitConfig, steps: int) -> None:
        self.plateau: schedules.ReduceLROnPlateau | None = None
        self.curve: schedules.LRScheduler | None = None
        asked, steps = config.schedule, max(2, steps)
        if asked.kind == "one_cycle":
            peaks = [group["lr"] for group in optimizer.param_groups]
            self.curve = schedules.OneCycleLR(optimizer, peaks, total_steps=steps, pct_start=0.15)
        elif asked.kind == "cosine":
            self.curve = schedules.CosineAnnealingLR(optimizer, T_max=steps)
        elif asked.kind == "plateau":
            self.plateau = schedules.ReduceLROnPlateau(
                optimizer, factor=asked.factor, patience=asked.patience
            )

    def after_step(self) -> None:
        """Follow the curve, if there is one."""
        if self.curve is not None:
            self.curve.step()

    def after_epoch(self, val_loss: float) -> None:
        """Slow down if the validation loss stands still."""
        if self.plateau is not None:
            self.plateau.step(val_loss)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        kept = self.curve or self.plateau
        return {} if kept is None else dict(kept.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another left off."""
        kept = self.curve or self.plateau
        if kept is not None:
            kept.load_state_dict(state)


def mixed_precision(wanted: str, device: torch.device) -> torch.dtype:
    """The type of the forward pass: `auto` halves it on CUDA, in bf16 where the device has it.

    Raises SettingError for fp16 on a CPU, which has no arithmetic for it.
    """
    if wanted == "fp16" and device.type == "cpu":
        raise SettingError(
            "run.precision must be fp32 or bf16 on a CPU, but got 'fp16'. Set run.precision=auto."
        )
    if wanted == "auto":
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted]


def seed_step(seed: int, epoch: int, step: int, rank: int) -> np.random.Generator:
    """Make every random choice of a step (dropout, MixUp) follow from its place in the run alone.

    So a run that was cut needs no state of random numbers to go on.
    """
    sequence = np.random.SeedSequence((seed, epoch, step, rank))
    torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return np.random.default_rng(sequence)


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights a share of 1 - decay towards the model's."""
    for old, new in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1.0 - decay)
        else:
            old.copy_(new)
