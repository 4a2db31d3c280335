"""A wider and deeper network that says what a smaller one says, to go on learning from there.

Net2Net (Chen, Goodfellow and Shlens, ICLR 2016): what is new is laid out so that the function stays
the same. A new residual block adds nothing, its last norm being zero (Goyal et al., Accurate, Large
Minibatch SGD, 2017, sec. 5.1); what is known does not look at a new channel until it learns to,
where Net2Net would copy channels and halve their weights: new ones are drawn instead, so that no
two begin alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["grown"]


def grown(student: nn.Module, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `student` that make it say in evaluation what the network `known` says.

    Empty where it cannot: some tensor of `known` has no place in one of the same name, or what the
    student has beside them is more than residual blocks (modules that say by `adds` that their
    branch is added to what came in, and whose last norm is `bn3`).
    """
    own = student.state_dict()
    if not all(key in own and _holds(own[key], tensor) for key, tensor in known.items()):
        return {}
    new = own.keys() - known.keys()
    blocks = [
        f"{name}."
        for name, module in student.named_modules()
        if getattr(module, "adds", False) and f"{name}.bn3.weight" in new
    ]
    if not all(key.startswith(tuple(blocks)) for key in new):
        return {}
    out = {key: _placed(own[key], tensor) for key, tensor in known.items()}
    silent = (f"{block}bn3.{which}" for block in blocks for which in ("weight", "bias"))
    return out | {key: torch.zeros_like(own[key]) for key in silent}


def _holds(own: Tensor, known: Tensor) -> bool:
    """Whether `known` fits: at least as many outputs and inputs, of kernels of the same size."""
    return (
        own.dim() == known.dim()
        and own.shape[2:] == known.shape[2:]
        and all(mine >= its for mine, its in zip(own.shape, known.shape, strict=True))
    )


def _placed(own: Tensor, known: Tensor) -> Tensor:
    """`known` in the first rows of `own`, which ignore the columns that it does not have."""
    out = own.clone()
    out[tuple(slice(side) for side in known.shape[:1])] = 0
    out[tuple(slice(side) for side in known.shape)] = known
    return out
