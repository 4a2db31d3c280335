"""TensorFlow's "same" padding without a copy.

With it a convolution that halves a map of even sides has one row and one column more below and on
the right than above and on the left. PyTorch's convolutions pad evenly, so `SameConv2d`, for
networks that were trained with it, copies each map into a larger one first. A kernel with a first
row and column of zeros sees the same on an even rim. For depthwise convolutions that takes less
than half of the time; for others the larger kernel costs what the copy did.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfexplain.models.efficientnet import SameConv2d

__all__ = ["make_even"]


def make_even(model: nn.Module) -> None:
    """Replace the depthwise convolutions of `model` that halve with TensorFlow's padding. It is for
    evaluation only from then on: its state has other names."""
    for parent, name, conv in _lopsided(model):
        setattr(parent, name, _EvenRim(conv))


class _EvenRim(nn.Module):
    """Such a convolution, with PyTorch's padding where both sides of the map are even."""

    grown: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        grown = F.pad(conv.weight.detach(), (1, 0, 1, 0))
        self.register_buffer("grown", grown.contiguous(memory_format=torch.channels_last))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2), rounded up."""
        conv = self.conv
        if maps.shape[2] % 2 or maps.shape[3] % 2:
            return conv(maps)  # type: ignore[no-any-return]
        rim = conv.weight.shape[2] // 2
        return F.conv2d(maps, self.grown, conv.bias, 2, rim, groups=conv.groups)


def _lopsided(model: nn.Module) -> list[tuple[nn.Module, str, nn.Conv2d]]:
    """Each parent with the name of such a convolution."""
    return [
        (parent, name, conv)
        for parent in model.modules()
        for name, conv in parent.named_children()
        if isinstance(conv, SameConv2d)
        and conv.groups == conv.in_channels
        and (conv.stride, conv.dilation) == ((2, 2), (1, 1))
        and conv.kernel_size[0] == conv.kernel_size[1]
        and conv.kernel_size[0] % 2
    ]
