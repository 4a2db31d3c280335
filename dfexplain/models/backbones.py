"""Backbones by name: pictures (N, 3, S, S) to feature maps (N, D, h, w), whatever their family."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from dfexplain.models.efficientnet import CUT_WIDTH, LITE, EfficientNetLite

__all__ = ["create", "maps_of", "width_of"]


def create(name: str, crop_px: int, stages: int = 0) -> nn.Module:
    """The untrained backbone of that name (one of `config.BACKBONES`) without its classifier.

    Of an EfficientNet with `stages` the first ones are kept and get a head of their own.
    """
    if name in LITE:
        return EfficientNetLite(name, stages)
    # Both take seconds to import, which neither the page nor the weights that ship need.
    if name.startswith("tv_"):
        import torchvision

        features: nn.Module = torchvision.models.get_model(name[3:], weights=None).features
        return features
    import timm

    options: dict[str, object] = {}
    if name.startswith(("vit_", "deit_", "swin_")):
        options["img_size"] = crop_px
    if name.startswith("convnext_"):
        # Its last norm comes after pooling otherwise, where there is no map to explain.
        options["head_norm_first"] = True
    backbone: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=0, global_pool="", **options
    )
    # MobileNetV3 in timm ends in a hidden layer after pooling; that layer has no map to explain.
    if name.startswith("mobilenetv3"):
        backbone.conv_head = nn.Identity()
        backbone.norm_head = nn.Identity()
        backbone.act2 = nn.Identity()
    if stages:
        _cut(backbone, stages)
    return backbone


def _cut(backbone: Any, stages: int) -> None:
    """Keep the first stages of timm's EfficientNet and widen their last map to CUT_WIDTH."""
    from timm.layers import BatchNormAct2d

    blocks, last = backbone.blocks, backbone.bn2
    backbone.blocks = blocks[:stages]
    narrow = [m for m in backbone.blocks.modules() if isinstance(m, nn.Conv2d)][-1].out_channels
    backbone.conv_head = nn.Conv2d(narrow, CUT_WIDTH, kernel_size=1, bias=False)
    backbone.bn2 = BatchNormAct2d(CUT_WIDTH, eps=last.eps, act_layer=type(last.act))
    backbone.num_features = CUT_WIDTH


def width_of(backbone: nn.Module) -> int:
    """The number D of channels of the last feature map."""
    if isinstance(backbone, nn.Sequential):
        last = backbone[-1]
        assert isinstance(last, nn.Sequential)
        assert isinstance(last[0], nn.Conv2d)
        return last[0].out_channels
    width = backbone.num_features
    assert isinstance(width, int)
    return width


def maps_of(backbone: nn.Module, pictures: Tensor) -> Tensor:
    """The last feature maps (N, D, h, w) of normalised pictures (N, 3, S, S)."""
    if isinstance(backbone, nn.Sequential):
        maps: Tensor = backbone(pictures)
        return maps
    features: Tensor = backbone.forward_features(pictures)  # type: ignore[operator]
    if features.ndim == 3:  # a transformer's tokens (N, prefix + h * w, D) of a square picture
        tokens = features[:, int(backbone.num_prefix_tokens) :]  # type: ignore[arg-type]
        side = math.isqrt(int(tokens.shape[1]))
        return tokens.transpose(1, 2).reshape(-1, tokens.shape[2], side, side)
    if getattr(backbone, "output_fmt", "NCHW") == "NHWC":
        return features.permute(0, 3, 1, 2)
    return features
