"""Networks that convolve or attend over space and time at once, from torchvision (C8).

r3d_18: Tran et al., CVPR 2018. s3d: Xie et al., ECCV 2018. mvit_v2_s: Li et al., CVPR 2022.
swin3d_t: Liu et al., "Video Swin Transformer", CVPR 2022. Each ends in global average pooling and
one linear logit here, so its evidence map is the logit spread over the clip, as in `frame`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dfexplain.models.base import ModelOutput, VideoModel
from dfexplain.models.config import ModelConfig

__all__ = ["R3D", "S3D", "ClipModel", "MViT", "Swin3D"]


class ClipModel(VideoModel):
    """One logit for the whole clip, said of each of its frames; so are the features."""

    def __init__(self, config: ModelConfig, backbone: nn.Module, width: int) -> None:
        super().__init__(config)
        self.backbone = backbone
        self.width = width
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, 1)

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        features = maps.mean(dim=(1, 3, 4))
        logit = self.head(self.dropout(features)).squeeze(1)
        return ModelOutput(
            logit,
            logit[:, None].expand(-1, frames),
            features[:, None].expand(-1, frames, -1),
        )


class R3D(ClipModel):
    """ResNet-18 with 3D convolutions."""

    def __init__(self, config: ModelConfig) -> None:
        from torchvision.models import video

        network = video.r3d_18(weights=None)
        names = ("stem", "layer1", "layer2", "layer3", "layer4")
        layers = nn.Sequential()
        for name in names:
            layers.add_module(name, network.get_submodule(name))
        super().__init__(config, layers, 512)

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is an eighth of T."""
        maps: Tensor = self.backbone(clips.transpose(1, 2))
        return maps.transpose(1, 2)


class S3D(ClipModel):
    """Inception with convolutions divided between space and time."""

    def __init__(self, config: ModelConfig) -> None:
        from torchvision.models import video

        super().__init__(config, video.s3d(weights=None).features, 1024)

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is an eighth of T."""
        maps: Tensor = self.backbone(clips.transpose(1, 2))
        return maps.transpose(1, 2)


class MViT(ClipModel):
    """Multiscale vision transformer. Its patches are pooled, not read off the class token, so that
    each of them can be explained."""

    def __init__(self, config: ModelConfig) -> None:
        from torchvision.models import video

        network = video.mvit_v2_s(weights=None)
        network.head = nn.Identity()
        super().__init__(config, network, 768)

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is half of T, rounded up."""
        network: Any = self.backbone
        cells = network.conv_proj(clips.transpose(1, 2))
        # The network's tables of positions are for 16 frames of 224 px; it interpolates them.
        sizes = tuple(cells.shape[2:])
        tokens = network.pos_encoding(cells.flatten(2).transpose(1, 2))
        for block in network.blocks:
            tokens, sizes = block(tokens, sizes)
        patches: Tensor = network.norm(tokens)[:, 1:]
        return patches.transpose(1, 2).reshape(-1, self.width, *sizes).transpose(1, 2)


class Swin3D(ClipModel):
    """Transformer with attention in windows of space and time that shift from layer to layer."""

    def __init__(self, config: ModelConfig) -> None:
        from torchvision.models import video

        network = video.swin3d_t(weights=None)
        network.head = nn.Identity()
        for module in network.modules():
            # A table of indices that is computed: weights from elsewhere must not bring their own.
            index = dict(module.named_buffers(recurse=False)).get("relative_position_index")
            if index is not None:
                module.register_buffer("relative_position_index", index, persistent=False)
        super().__init__(config, network, 768)

    def encode(self, clips: Tensor) -> Tensor:
        """See VideoModel; t is half of T, rounded up."""
        network: Any = self.backbone
        cells = network.features(network.pos_drop(network.patch_embed(clips.transpose(1, 2))))
        maps: Tensor = network.norm(cells)  # (B, t, h, w, D)
        return maps.permute(0, 1, 4, 2, 3)
