"""The one interface of all detectors: clips of crops in, a logit for each clip and frame out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dfexplain.models.config import ModelConfig

__all__ = ["Explained", "ModelOutput", "VideoModel", "fake_minus_real"]


class ModelOutput(NamedTuple):
    """What a model says of B clips of T frames, with F features a frame.

    logit (B,), frame_logits (B, T), features (B, T, F). A logit above 0 speaks for fake.
    """

    logit: Tensor
    frame_logits: Tensor
    features: Tensor


class Explained(NamedTuple):
    """frame_logits (B, T), evidence (B, T, h, w) in logits and signed, features (B, T, F).

    mask (B, T, h, w) in 0..1, how forged a trained head takes each place to be; None without one.
    """

    frame_logits: Tensor
    evidence: Tensor
    features: Tensor
    mask: Tensor | None = None


def fake_minus_real(two_way: Tensor) -> Tensor:
    """Scores (..., 2) of real and fake to the logit of fake (...): softmax is its sigmoid."""
    return two_way[..., 1] - two_way[..., 0]


class VideoModel(nn.Module, ABC):
    """Scores normalised clips (B, T, 3, S, S) in two steps: `encode` sees, `decide` judges.

    `width` is the number F of features a frame. `backbone_names` are the submodules that ImageNet
    weights may fill and that `freeze_backbone` holds; the rest is the head.
    """

    backbone_names: ClassVar[tuple[str, ...]] = ("backbone",)
    width: int

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def encode(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, S, S) to the last feature maps (B, t, D, h, w), t at most T."""

    @abstractmethod
    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """Feature maps (B, t, D, h, w) of clips of T = `frames` frames to what is said of them."""

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Score clips (B, T, 3, S, S): the clips' logits (B,) and their frames' logits (B, T)."""
        output = self.decide(self.encode(clips), clips.shape[1])
        return output.logit, output.frame_logits

    @torch.no_grad()
    def explain(self, clips: Tensor) -> Explained:
        """Score clips (B, T, 3, S, S) and say which places of each frame the score comes from.

        Evidence is activation times the gradient of the frames' logits, summed over channels and
        not over places (HiResCAM: Draelos and Carin 2020, eq. 5), times the number of places. So a
        map's mean is in logits, and for a linear head on pooled features it is the logit less the
        bias, as in `FrameModel`. A map that stands for several frames is repeated for each of them.
        """
        maps = self.encode(clips)
        # A recurrent network's backward pass in evaluation is not offered by cuDNN.
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=not maps.is_cuda):
            maps = maps.detach().requires_grad_()
            output = self.decide(maps, clips.shape[1])
            (gradient,) = torch.autograd.grad(output.frame_logits.sum(), maps)
        _, times, _, height, width = maps.shape
        frames = clips.shape[1]
        evidence = (maps.detach() * gradient).sum(dim=2) * (height * width * times / frames)
        # Frame k lies in the map of time k * t // T.
        seen_in = torch.arange(frames, device=maps.device) * times // frames
        return Explained(
            output.frame_logits.detach(), evidence[:, seen_in], output.features.detach()
        )

    def backbone_parameters(self) -> Iterator[nn.Parameter]:
        """Those that may start from ImageNet and then learn at a lower rate."""
        for name in self.backbone_names:
            yield from self.get_submodule(name).parameters()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """All others."""
        backbone = {id(parameter) for parameter in self.backbone_parameters()}
        yield from (p for p in self.parameters() if id(p) not in backbone)

    def freeze_backbone(self) -> None:
        """Hold the backbone: no gradients, and its batch norms keep what they measured before."""
        for parameter in self.backbone_parameters():
            parameter.requires_grad_(False)
        self.train(self.training)

    def unfreeze_backbone(self) -> None:
        """Let the whole model learn."""
        for parameter in self.backbone_parameters():
            parameter.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> VideoModel:
        """Training mode, but for batch norms that are frozen."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm) and not any(
                p.requires_grad for p in module.parameters()
            ):
                module.eval()
        return self
