"""Detectors by name: `build(config)` gives a module with one interface (see `frame.FrameModel`)."""

from dfexplain.models.config import ModelConfig
from dfexplain.models.frame import ARCHITECTURES, FrameModel, FrameOutput, build

__all__ = ["ARCHITECTURES", "FrameModel", "FrameOutput", "ModelConfig", "build"]
