"""A backbone on every frame, a small network on each frame's features, then one over time.

The two fixed designs are those of the three-model comparison in seed document 3, to the parameter.
"""

from __future__ import annotations

from torch import Tensor, nn

from dfexplain.models import backbones
from dfexplain.models.base import ModelOutput, VideoModel, fake_minus_real
from dfexplain.models.config import ModelConfig

__all__ = ["EfficientNetLSTM", "ResNet18Mean", "ResNetRNN", "SequenceModel"]


class SequenceModel(VideoModel):
    """Models whose backbone sees one frame at a time: (B, T) frames give (B, T) maps."""

    def __init__(self, config: ModelConfig, backbone: str) -> None:
        super().__init__(config)
        self.backbone = backbones.create(backbone, config.crop_px)

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is T."""
        maps = backbones.maps_of(self.backbone, clips.flatten(0, 1))
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])


def _two_way(dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 2))


class ResNet18Mean(SequenceModel):
    """ResNet18, 512-512-256 on each frame, the mean over time, 128-2 (C5; 11,603,650).

    A frame's logit is what the classifier says of that frame's features alone.
    """

    width = 256

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, "resnet18")
        self.embed = nn.Sequential(
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(512, 256),
            nn.ReLU(),
        )
        self.classifier = _two_way(config.dropout)

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        features = self.embed(maps.mean(dim=(3, 4)))
        return ModelOutput(
            fake_minus_real(self.classifier(features.mean(dim=1))),
            fake_minus_real(self.classifier(features)),
            features,
        )


class EfficientNetLSTM(SequenceModel):
    """EfficientNet-B0, 1280-512-256 with batch norm on each frame, a bidirectional LSTM of two
    layers (128 each way) over time, 128-2 (C6; 5,619,966).

    The clip is judged by the mean of the LSTM's outputs, a frame by its own output.
    """

    width = 256

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, "efficientnet_b0")
        self.embed = nn.Sequential(
            nn.Linear(1280, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(512, 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
        )
        self.lstm = nn.LSTM(256, 128, num_layers=2, batch_first=True, bidirectional=True)
        self.classifier = _two_way(config.dropout)

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        pooled = maps.mean(dim=(3, 4))
        embedded = self.embed(pooled.flatten(0, 1)).reshape(*pooled.shape[:2], -1)
        features, _ = self.lstm(embedded)
        return ModelOutput(
            fake_minus_real(self.classifier(features.mean(dim=1))),
            fake_minus_real(self.classifier(features)),
            features,
        )


class ResNetRNN(SequenceModel):
    """ResNet152, its features embedded in `embed_dim` dimensions, a recurrent network, two classes
    (C7; seed document 2: resnet152, embed_dim 512, num_classes 2).

    The recurrent network is an LSTM (Donahue et al., Long-term Recurrent Convolutional Networks,
    CVPR 2015, sec. 3). It reads forward: a frame's logit is what is known at that frame, and the
    clip's logit is the last one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, "resnet152")
        self.width = config.embed_dim
        self.embed = nn.Sequential(
            nn.Linear(backbones.width_of(self.backbone), self.width), nn.BatchNorm1d(self.width)
        )
        self.rnn = nn.LSTM(self.width, self.width, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.width, 2)

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        pooled = maps.mean(dim=(3, 4))
        embedded = self.embed(pooled.flatten(0, 1)).reshape(*pooled.shape[:2], -1)
        features, _ = self.rnn(embedded)
        frame_logits = fake_minus_real(self.classifier(self.dropout(features)))
        return ModelOutput(frame_logits[:, -1], frame_logits, features)
