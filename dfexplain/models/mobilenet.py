"""MobileNetV3-Small with one logit, as seed document 4 has it: same class, same keys, same shapes.

Howard et al., "Searching for MobileNetV3", ICCV 2019.
"""

from __future__ import annotations

from torch import Tensor, nn

from dfexplain.models.base import ModelOutput, VideoModel
from dfexplain.models.config import ModelConfig

__all__ = ["DeepFakeMobileNet", "MobileNetModel"]


class DeepFakeMobileNet(nn.Module):
    """Pictures (B, 3, H, W) to one logit each (B, 1), above 0 for fake.

    `pretrained` starts from torchvision's ImageNet weights, which are downloaded once; they are
    read as plain tensors.
    """

    def __init__(self, pretrained: bool = True) -> None:
        import torchvision

        super().__init__()
        self.model = torchvision.models.mobilenet_v3_small(weights=None)
        if pretrained:
            weights = torchvision.models.MobileNet_V3_Small_Weights.DEFAULT
            self.model.load_state_dict(weights.get_state_dict(check_hash=True, weights_only=True))
        self.model.classifier[3] = nn.Linear(1024, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """One logit (B, 1) for each normalised picture (B, 3, H, W)."""
        logits: Tensor = self.model(pictures)
        return logits

    def freeze_backbone(self) -> None:
        """Train the classifier only."""
        self.model.features.requires_grad_(False)

    def unfreeze_backbone(self) -> None:
        """Train everything."""
        self.model.features.requires_grad_(True)


class MobileNetModel(VideoModel):
    """DeepFakeMobileNet on each frame (C3); a clip's logit is the mean over its frames."""

    backbone_names = ("model.features",)
    width = 1024

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        # Its inside, so that the keys of the state are the same.
        self.model = DeepFakeMobileNet(pretrained=False).model
        self.model.classifier[2].p = config.dropout

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is T."""
        maps: Tensor = self.model.features(clips.flatten(0, 1))
        return maps.reshape(*clips.shape[:2], *maps.shape[1:])

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        hidden, activation, dropout, last = self.model.classifier
        features = activation(hidden(maps.mean(dim=(3, 4))))
        frame_logits = last(dropout(features)).squeeze(2)
        return ModelOutput(frame_logits.mean(dim=1), frame_logits, features)
