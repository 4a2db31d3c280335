"""Batch norms folded into the convolutions before them, and rims too: the same function for less.

In evaluation a batch norm is a fixed scale and shift for each channel, which the convolution's own
weights and bias can carry (Ioffe and Szegedy, Batch Normalization, ICML 2015, sec. 3.1). Only the
order of rounding differs: logits move by less than 1e-4 of their size.

TensorFlow's "same" padding, with which timm's `tf_` networks were trained, has one row and one column
more below and on the right than above and on the left. PyTorch's convolutions pad evenly, so timm
copies each map into a larger one first. A depthwise kernel with a first row and column of zeros sees
the same on an even rim, in less than half of the time.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["folded"]

Module = TypeVar("Module", bound=nn.Module)


def folded(model: Module) -> Module:
    """A copy of `model` for evaluation with its batch norms folded; `model` itself without any.

    A norm is folded where its parent lists it right after a convolution, which is the order in
    which all architectures of `models` run them (held by `tests/test_folding.py`).
    """
    if not _pairs(model):
        return model
    lean = copy.deepcopy(model).eval().requires_grad_(False)
    with torch.no_grad():
        for parent, conv, norm in _pairs(lean):
            before, after = parent.get_submodule(conv), parent.get_submodule(norm)
            assert isinstance(before, nn.modules.conv._ConvNd)
            assert isinstance(after, _BatchNorm)
            setattr(parent, conv, fuse_conv_bn_eval(before, after))
            # timm's norms bring the activation that follows them.
            setattr(parent, norm, getattr(after, "act", None) or nn.Identity())
        for parent, name, conv in _lopsided(lean):
            setattr(parent, name, _EvenRim(conv))
    return lean


class _EvenRim(nn.Module):
    """A convolution with a stride of 2 and TensorFlow's padding, by PyTorch's where that is even."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        grown = F.pad(conv.weight, (1, 0, 1, 0))
        self.register_buffer("grown", grown.contiguous(memory_format=torch.channels_last))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2), rounded up."""
        if maps.shape[2] % 2 or maps.shape[3] % 2:
            return self.conv(maps)  # type: ignore[no-any-return]
        conv, rim = self.conv, self.conv.weight.shape[2] // 2
        return F.conv2d(maps, self.grown, conv.bias, 2, rim, groups=conv.groups)


def _lopsided(model: nn.Module) -> list[tuple[nn.Module, str, nn.Conv2d]]:
    """Each parent with the name of a depthwise convolution that halves with TensorFlow's padding."""
    from timm.layers import Conv2dSame

    return [
        (parent, name, conv)
        for parent in list(model.modules())
        for name, conv in parent.named_children()
        if isinstance(conv, Conv2dSame)
        and conv.groups == conv.in_channels
        and conv.stride == (2, 2)
        and conv.dilation == (1, 1)
        and conv.kernel_size[0] == conv.kernel_size[1]
        and conv.kernel_size[0] % 2
    ]


def _pairs(model: nn.Module) -> list[tuple[nn.Module, str, str]]:
    """Each parent with the names of a convolution and of the batch norm after it."""
    return [
        (parent, conv, norm)
        for parent in model.modules()
        for (conv, before), (norm, after) in zip(
            list(parent.named_children())[:-1], list(parent.named_children())[1:], strict=True
        )
        if isinstance(before, nn.modules.conv._ConvNd)
        and isinstance(after, _BatchNorm)
        and before.out_channels == after.num_features
    ]
