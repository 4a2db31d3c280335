"""Single-frame detectors: a backbone, global average pooling and one linear logit.

With that head Grad-CAM has a closed form: the logit is bias + mean over positions of
`weight . activation`, so the weighted activation map *is* the evidence in logits (Zhou et al., CAM,
CVPR 2016, eq. 2; Selvaraju et al., Grad-CAM, ICCV 2017, sec. 3.1 show the equality). It comes with
the forward pass, at no cost of its own.

A mask head, where there is one, has been taught where crops are forged (Li et al., Face X-ray, CVPR
2020, learn the boundary of the blend): a 1 x 1 convolution on the same maps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dfexplain.models import backbones
from dfexplain.models.base import Explained, ModelOutput, VideoModel
from dfexplain.models.config import BY_MASK, ModelConfig

__all__ = ["FrameModel", "FrameOutput"]


# Added to the mask before pooling by it: a face without any forged place is judged by all of them.
EVERYWHERE = 0.05


class FrameOutput(NamedTuple):
    """logit (N,), evidence (N, h, w) whose mean plus bias is the logit, pooled features (N, D).

    mask (N, h, w) in 0..1; None without a mask head.
    """

    logit: Tensor
    evidence: Tensor
    features: Tensor
    mask: Tensor | None


class FrameModel(VideoModel):
    """Scores each frame on its own; a clip's logit is the mean over its frames."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.backbone = backbones.create(config.backbone, config.crop_px, config.stages)
        # The last feature map passes through here, so that hooks find it in every backbone.
        self.maps = nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.width = backbones.width_of(self.backbone)
        self.head = nn.Linear(self.width, 1)
        self.mask = nn.Conv2d(self.width, 1, kernel_size=1) if config.mask_head else None

    def forward_frames(self, frames: Tensor) -> FrameOutput:
        """Score normalised crops (N, 3, S, S)."""
        maps: Tensor = self.maps(backbones.maps_of(self.backbone, frames))
        mask = None if self.mask is None else self.mask(maps).squeeze(1).sigmoid()
        maps = self._weighed(maps)
        features = maps.mean(dim=(2, 3))
        logit = self.head(self.dropout(features)).squeeze(1)
        evidence = torch.einsum("ndhw,d->nhw", maps, self.head.weight[0])
        return FrameOutput(logit, evidence, features, mask)

    def _weighed(self, maps: Tensor) -> Tensor:
        """Feature maps (N, D, h, w), each place weighed by the mask where the model pools by it.

        The weights have a mean of 1, so the mean over places is the weighted one, and evidence
        still adds up to the logit. No gradient goes through them: what they say is taught by masks.
        """
        if self.config.pooling != BY_MASK or self.mask is None:
            return maps
        weights = self.mask(maps).sigmoid().detach() + EVERYWHERE
        weighed: Tensor = maps * (weights / weights.mean(dim=(2, 3), keepdim=True))
        return weighed

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is T."""
        maps: Tensor = self.maps(backbones.maps_of(self.backbone, clips.flatten(0, 1)))
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        weighed = self._weighed(maps.flatten(0, 1)).reshape(maps.shape)
        features = weighed.mean(dim=(3, 4))
        frame_logits = self.head(self.dropout(features)).squeeze(2)
        return ModelOutput(frame_logits.mean(dim=1), frame_logits, features)

    @torch.no_grad()
    def explain(self, clips: Tensor) -> Explained:
        """The closed form of VideoModel's: it comes with the forward pass."""
        output = self.forward_frames(clips.flatten(0, 1))
        shape = clips.shape[:2]
        logit, evidence, features = (rows.reshape(*shape, *rows.shape[1:]) for rows in output[:3])
        mask = None if output.mask is None else output.mask.reshape(evidence.shape)
        return Explained(logit, evidence, features, mask)
