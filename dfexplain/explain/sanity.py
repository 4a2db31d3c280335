"""Does a map hang on what the weights have learnt? If not, it shows edges or the middle of a face.

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, sec. 3.1: the layers' weights are
made random one after the other, from the logit down, and the map is compared with that of the
trained weights by rank correlation. Random is here: each tensor's own numbers, dealt anew, which
keeps their size and with it the size of what the layers hand on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfexplain.engine import Engine
from dfexplain.explain.methods import maps

__all__ = ["STAGES", "cascade", "correlations", "randomised"]

Array = NDArray[np.float32]

SEED = 11
# How much of the network is random: its head, then more and more of the backbone from above.
STAGES = ("head", "and the top third", "and two thirds", "all of it")


def _layers(engine: Engine) -> list[list[str]]:
    """The names of the tensors of each stage, the head's first."""
    state = engine.model.state_dict()
    backbone = tuple(f"{name}." for name in engine.model.backbone_names)
    below = [name for name in state if name.startswith(backbone)]
    # Tensors are listed in the order in which a network is built: from below.
    below.reverse()
    ends = np.linspace(0, len(below), len(STAGES)).astype(int)
    head = [name for name in state if not name.startswith(backbone)]
    return [head, *(below[start:end] for start, end in pairwise(ends))]


def randomised(engine: Engine) -> Iterator[Mapping[str, Tensor]]:
    """The state of the model at each of STAGES: every time more of it is dealt anew."""
    state = {name: tensor.cpu() for name, tensor in engine.model.state_dict().items()}
    dealer = torch.Generator().manual_seed(SEED)
    for names in _layers(engine):
        for name in names:
            tensor = state[name]
            order = torch.randperm(tensor.numel(), generator=dealer)
            state[name] = tensor.flatten()[order].reshape(tensor.shape)
        yield dict(state)


def _ranks(values: Array) -> NDArray[np.float64]:
    """The ranks of a map's places (h * w,), those that tie sharing theirs."""
    _, place, count = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2.0)[place]


def correlations(trained: Array, random: Array) -> NDArray[np.float64]:
    """Spearman's rank correlation (N,) of maps (N, h, w) with others, in -1..1; 0 where one of them
    is the same everywhere, as nothing of the other is in it."""
    out = np.zeros(len(trained))
    for n, pair in enumerate(zip(trained, random, strict=True)):
        one, other = (ranks - ranks.mean() for ranks in map(_ranks, pair))
        size = float(np.sqrt((one**2).sum() * (other**2).sum()))
        if size > 0.0:
            out[n] = float((one * other).sum()) / size
    return out


def cascade(
    engine: Engine, clips: NDArray[np.uint8], frame: int, methods: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """For each method the rank correlations (STAGES, V) of the maps of one frame of clips
    (V, T, S, S, 3) with those of the trained weights."""
    before = {name: maps(engine, clips, name)[:, frame] for name in methods}
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in methods}
    for state in randomised(engine):
        broken = Engine(engine.config, state, device=str(engine.device))
        for name in methods:
            found[name].append(correlations(before[name], maps(broken, clips, name)[:, frame]))
    return {name: np.stack(rows) for name, rows in found.items()}
