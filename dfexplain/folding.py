"""Batch norms folded into the convolutions before them: the same function in fewer steps.

In evaluation a batch norm is a fixed scale and shift for each channel, which the convolution's own
weights and bias can carry (Ioffe and Szegedy, Batch Normalization, ICML 2015, sec. 3.1). Only the
order of rounding differs: logits move by less than 1e-4 of their size.

Rims are made even as well (`models.rims`).
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dfexplain.models import rims

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
    rims.make_even(lean)
    return lean


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
