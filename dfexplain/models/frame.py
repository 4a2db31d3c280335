"""Single-frame detectors: a timm backbone, global average pooling and one linear logit.

With that head Grad-CAM has a closed form: the logit is bias + mean over positions of
`weight . activation`, so the weighted activation map *is* the evidence in logits (Zhou et al., CAM,
CVPR 2016, eq. 2; Selvaraju et al., Grad-CAM, ICCV 2017, sec. 3.1 show the equality). It comes with
the forward pass, at no cost of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import timm
import torch
from torch import Tensor, nn

from dfexplain.models.config import ModelConfig

__all__ = ["ARCHITECTURES", "FrameModel", "FrameOutput", "build"]


class FrameOutput(NamedTuple):
    """logit (N,), evidence (N, h, w) whose mean plus bias is the logit, pooled features (N, D)."""

    logit: Tensor
    evidence: Tensor
    features: Tensor


class FrameModel(nn.Module):
    """Scores each frame on its own; a clip's logit is the mean over its frames."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = timm.create_model(
            config.backbone, pretrained=False, num_classes=0, global_pool=""
        )
        # MobileNetV3 in timm ends in a hidden layer after pooling; that layer has no map to
        # explain.
        if hasattr(self.backbone, "conv_head") and config.backbone.startswith("mobilenetv3"):
            self.backbone.conv_head = nn.Identity()
            self.backbone.norm_head = nn.Identity()
            self.backbone.act2 = nn.Identity()
        # The last feature map passes through here, so that hooks find it in every backbone.
        self.maps = nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        with torch.no_grad():
            was_training = self.backbone.training
            self.backbone.eval()
            width = self.backbone.forward_features(torch.zeros(1, 3, 64, 64)).shape[1]
            self.backbone.train(was_training)
        self.head = nn.Linear(width, 1)

    def forward_frames(self, frames: Tensor) -> FrameOutput:
        """Score normalised crops (N, 3, S, S)."""
        maps: Tensor = self.maps(self.backbone.forward_features(frames))
        features = maps.mean(dim=(2, 3))
        logit = self.head(self.dropout(features)).squeeze(1)
        evidence = torch.einsum("ndhw,d->nhw", maps, self.head.weight[0])
        return FrameOutput(logit, evidence, features)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Score clips (B, T, 3, S, S): the clips' logits (B,) and their frames' logits (B, T)."""
        batch, time = clips.shape[:2]
        frame_logits = self.forward_frames(clips.flatten(0, 1)).logit.view(batch, time)
        return frame_logits.mean(dim=1), frame_logits


ARCHITECTURES: dict[str, Callable[[ModelConfig], FrameModel]] = {"frame": FrameModel}


def build(config: ModelConfig) -> FrameModel:
    """Build the untrained model that `config` names."""
    return ARCHITECTURES[config.architecture](config)
