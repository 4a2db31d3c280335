"""Detectors by name: `build(config)` gives a module with one interface, `base.VideoModel`."""

from dfexplain.models.base import Explained, ModelOutput, VideoModel
from dfexplain.models.config import ModelConfig
from dfexplain.models.frame import FrameModel, FrameOutput
from dfexplain.models.mobilenet import DeepFakeMobileNet
from dfexplain.models.registry import ARCHITECTURES, build
from dfexplain.models.table import parameter_table, parameter_text, size_of

__all__ = [
    "ARCHITECTURES",
    "DeepFakeMobileNet",
    "Explained",
    "FrameModel",
    "FrameOutput",
    "ModelConfig",
    "ModelOutput",
    "VideoModel",
    "build",
    "parameter_table",
    "parameter_text",
    "size_of",
]
