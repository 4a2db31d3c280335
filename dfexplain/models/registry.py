"""Architectures by name."""

from __future__ import annotations

from collections.abc import Callable

from dfexplain.models.base import VideoModel
from dfexplain.models.clip import R3D, S3D, MViT, Swin3D
from dfexplain.models.config import ModelConfig
from dfexplain.models.frame import FrameModel
from dfexplain.models.mobilenet import MobileNetModel
from dfexplain.models.pooled import PooledModel
from dfexplain.models.sequence import EfficientNetLSTM, ResNet18Mean, ResNetRNN
from dfexplain.models.simple_cnn import SimpleCNN

__all__ = ["ARCHITECTURES", "build"]

ARCHITECTURES: dict[str, Callable[[ModelConfig], VideoModel]] = {
    "frame": FrameModel,
    "pooled": PooledModel,
    "simple_cnn": SimpleCNN,
    "resnet18_mean": ResNet18Mean,
    "efficientnet_b0_lstm": EfficientNetLSTM,
    "resnet_rnn": ResNetRNN,
    "deepfake_mobilenet": MobileNetModel,
    "r3d_18": R3D,
    "s3d": S3D,
    "mvit_v2_s": MViT,
    "swin3d_t": Swin3D,
}


def build(config: ModelConfig) -> VideoModel:
    """Build the untrained model that `config` names."""
    return ARCHITECTURES[config.architecture](config)
