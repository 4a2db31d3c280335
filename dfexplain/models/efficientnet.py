"""EfficientNet-Lite with timm's names, for those who cannot wait for timm.

timm brings torchvision and every network that it knows, two seconds of imports in each process that
scores a video with the weights that ship. This is the one family that they need: the stages of Tan
and Le, EfficientNet, ICML 2019, table 1, without squeeze-and-excitation and with ReLU6, as
TensorFlow's lite models have it, padding included. Modules and tensors are called as in timm's
`tf_efficientnet_lite0` and its larger siblings, and the numbers are the same (held by
`tests/test_efficientnet.py`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CUT_WIDTH", "LITE", "EfficientNetLite", "SameConv2d"]

# Channels of the last map of a network that was cut.
CUT_WIDTH = 512
_STEM, _WIDTH = 32, 1280


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _Scale(NamedTuple):
    width: float
    depth: float


# How much wider and deeper than the first each is (sec. 3.3, phi = 0, 1, 2, ...).
LITE = {
    "tf_efficientnet_lite0": _Scale(1.0, 1.0),
    "tf_efficientnet_lite1": _Scale(1.0, 1.1),
    "tf_efficientnet_lite2": _Scale(1.1, 1.2),
    "tf_efficientnet_lite3": _Scale(1.2, 1.4),
    "tf_efficientnet_lite4": _Scale(1.4, 1.8),
}


def _stages(scale: _Scale) -> list[_Stage]:
    """The stages, scaled: widths to the nearest eighth, at most a tenth less; of the first and the
    last stage, as of stem and head, the depth stays."""
    out = []
    for k, stage in enumerate(_STAGES):
        wanted = stage.width * scale.width
        width = int(wanted + 4) // 8 * 8
        width += 8 if width < 0.9 * wanted else 0
        inner = 0 < k < len(_STAGES) - 1
        blocks = math.ceil(stage.blocks * scale.depth) if inner else stage.blocks
        out.append(stage._replace(width=width, blocks=blocks))
    return out


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: what is odd of it lies below and right."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / stride, W / stride), rounded up."""
        sides = []
        for side, kernel, stride in zip(
            reversed(maps.shape[2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            rim = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            sides += [rim // 2, rim - rim // 2]
        seen: Tensor = self._conv_forward(F.pad(maps, sides), self.weight, self.bias)
        return seen


def _conv(before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Without a bias, which the norm after it has."""
    if stride > 1:
        return SameConv2d(before, after, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=False)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


class _Block(nn.Module):
    """What both kinds of block share: the branch is added to its input where the shapes allow, and
    training may leave it out (`drop_path`)."""

    def __init__(self, before: int, stage: _Stage) -> None:
        super().__init__()
        self.adds = stage.stride == 1 and before == stage.width
        self.drop_path: nn.Module = nn.Identity()

    def _joined(self, branch: Tensor, maps: Tensor) -> Tensor:
        return self.drop_path(branch) + maps if self.adds else branch


class _Separable(_Block):
    """Depthwise, then pointwise."""

    def __init__(self, before: int, stage: _Stage) -> None:
        super().__init__(before, stage)
        self.conv_dw = _conv(before, before, stage.kernel, stage.stride, groups=before)
        self.bn1 = _norm(before)
        self.conv_pw = _conv(before, stage.width)
        self.bn2 = _norm(stage.width)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / stride, W / stride)."""
        seen = F.relu6(self.bn1(self.conv_dw(maps)), inplace=True)
        return self._joined(self.bn2(self.conv_pw(seen)), maps)


class _Inverted(_Block):
    """Widened, depthwise, narrowed (Sandler et al., MobileNetV2, CVPR 2018, fig. 4)."""

    def __init__(self, before: int, stage: _Stage) -> None:
        super().__init__(before, stage)
        wide = before * stage.expansion
        self.conv_pw = _conv(before, wide)
        self.bn1 = _norm(wide)
        self.conv_dw = _conv(wide, wide, stage.kernel, stage.stride, groups=wide)
        self.bn2 = _norm(wide)
        self.conv_pwl = _conv(wide, stage.width)
        self.bn3 = _norm(stage.width)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H / stride, W / stride)."""
        seen = F.relu6(self.bn1(self.conv_pw(maps)), inplace=True)
        seen = F.relu6(self.bn2(self.conv_dw(seen)), inplace=True)
        return self._joined(self.bn3(self.conv_pwl(seen)), maps)


class EfficientNetLite(nn.Module):
    """Pictures (N, 3, S, S) to maps (N, 1280, S / 32, S / 32), without a classifier; `name` is one
    of LITE.

    With `stages`, 1 to 6, the first ones are kept and their last map is widened to CUT_WIDTH.
    """

    def __init__(self, name: str = "tf_efficientnet_lite0", stages: int = 0) -> None:
        super().__init__()
        self.conv_stem = _conv(3, _STEM, 3, 2)
        self.bn1 = _norm(_STEM)
        rows, before = [], _STEM
        for stage in _stages(LITE[name])[: stages or None]:
            kind = _Separable if stage.expansion == 1 else _Inverted
            row: list[nn.Module] = []
            for k in range(stage.blocks):
                row.append(kind(before, stage if k == 0 else stage._replace(stride=1)))
                before = stage.width
            rows.append(nn.Sequential(*row))
        self.blocks = nn.Sequential(*rows)
        self.num_features = CUT_WIDTH if stages else _WIDTH
        self.conv_head = _conv(before, self.num_features)
        self.bn2 = _norm(self.num_features)
        self._draw()

    def _draw(self) -> None:
        """First numbers as TensorFlow's models have them: of deviation sqrt(2 / fan-out)."""
        if self.conv_stem.weight.is_meta:  # Shapes alone: drawing those would import a compiler.
            return
        for conv in (m for m in self.modules() if isinstance(m, nn.Conv2d)):
            fan_out = math.prod(conv.kernel_size) * conv.out_channels // conv.groups
            nn.init.normal_(conv.weight, 0.0, math.sqrt(2.0 / fan_out))

    def forward_features(self, pictures: Tensor) -> Tensor:
        """The last maps of normalised pictures."""
        maps = F.relu6(self.bn1(self.conv_stem(pictures)), inplace=True)
        maps = self.blocks(maps)
        return F.relu6(self.bn2(self.conv_head(maps)), inplace=True)
