"""Single-frame detectors: a backbone, global average pooling and one linear logit.

With that head Grad-CAM has a closed form: the logit is bias + mean over positions of
`weight . activation`, so the weighted activation map *is* the evidence in logits (Zhou et al., CAM,
CVPR 2016, eq. 2; Selvaraju et al., Grad-CAM, ICCV 2017, sec. 3.1 show the equality). It comes with
the forward pass, at no cost of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dfexplain.models import backbones
from dfexplain.models.base import Explained, ModelOutput, VideoModel
from dfexplain.models.config import ModelConfig

__all__ = ["FrameModel", "FrameOutput"]


class FrameOutput(NamedTuple):
    """logit (N,), evidence (N, h, w) whose mean plus bias is the logit, pooled features (N, D)."""

    logit: Tensor
    evidence: Tensor
    features: Tensor


class FrameModel(VideoModel):
    """Scores each frame on its own; a clip's logit is the mean over its frames."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.backbone = backbones.create(config.backbone, config.crop_px)
        # The last feature map passes through here, so that hooks find it in every backbone.
        self.maps = nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.width = backbones.width_of(self.backbone)
        self.head = nn.Linear(self.width, 1)

    def forward_frames(self, frames: Tensor) -> FrameOutput:
        """Score normalised crops (N, 3, S, S)."""
        maps: Tensor = self.maps(backbones.maps_of(self.backbone, frames))
        features = maps.mean(dim=(2, 3))
        logit = self.head(self.dropout(features)).squeeze(1)
        evidence = torch.einsum("ndhw,d->nhw", maps, self.head.weight[0])
        return FrameOutput(logit, evidence, features)

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is T."""
        maps: Tensor = self.maps(backbones.maps_of(self.backbone, clips.flatten(0, 1)))
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        features = maps.mean(dim=(3, 4))
        frame_logits = self.head(self.dropout(features)).squeeze(2)
        return ModelOutput(frame_logits.mean(dim=1), frame_logits, features)

    @torch.no_grad()
    def explain(self, clips: Tensor) -> Explained:
        """The closed form of VideoModel's: it comes with the forward pass."""
        output = self.forward_frames(clips.flatten(0, 1))
        return Explained(*(rows.reshape(*clips.shape[:2], *rows.shape[1:]) for rows in output))
