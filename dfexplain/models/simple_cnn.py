"""Four small convolutions, each frame on its own: the baseline that others have to beat (C4).

Layout and count (422,530 parameters) are those of the three-model comparison in seed document 3.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from dfexplain.models.base import ModelOutput, VideoModel, fake_minus_real
from dfexplain.models.config import ModelConfig

__all__ = ["SimpleCNN"]

CHANNELS = (3, 32, 64, 128, 256)


class SimpleCNN(VideoModel):
    """Convolution, batch norm, ReLU and pooling four times; a clip's logit is its frames' mean."""

    backbone_names = ("features",)
    width = CHANNELS[-1]

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        for before, after in pairwise(CHANNELS):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(256, 128), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(128, 2)
        )

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is T."""
        maps: Tensor = self.features(clips.flatten(0, 1))
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        features = maps.mean(dim=(3, 4))
        frame_logits = fake_minus_real(self.classifier(features))
        return ModelOutput(frame_logits.mean(dim=1), frame_logits, features)
