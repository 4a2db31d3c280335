"""A model whose evidence is known: a magenta patch speaks for fake, a green one for real."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.models import ModelConfig, build

__all__ = ["CONFIG", "GREEN", "MAGENTA", "OTHERS", "busy", "engine", "face", "patched", "state"]

CONFIG = ModelConfig("simple_cnn", crop_px=64)
MAGENTA, GREEN = (230, 40, 230), (40, 230, 40)
# As striking, and nothing to this model.
OTHERS = ((20, 20, 20), (240, 240, 240), (230, 128, 26), (26, 128, 230))


@cache
def state(bias: float = -1.0) -> dict[str, torch.Tensor]:
    """simple_cnn with all weights 0 but those that carry two colours through to the logit.

    Channel 0 is how magenta a place is, channel 1 how green; each layer hands on the strongest of
    its neighbourhood, and the logit is `bias` plus a weighted mean over places of their difference.
    """
    model = build(CONFIG)
    planted = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    for name, value in planted.items():
        if name.endswith("running_var") or (".weight" in name and value.ndim == 1):
            value.fill_(1.0)
    colours = ((0.5, -1.0, 0.5), (-0.5, 1.0, -0.5))
    first, *later = (n for n, v in planted.items() if n.startswith("features") and v.ndim == 4)
    for channel, colour in enumerate(colours):
        planted[first][channel, :, 1, 1] = torch.tensor(colour)
        for name in later:
            planted[name][channel, channel, 1, 1] = 1.0
        planted["classifier.0.weight"][channel, channel] = 60.0
    planted["classifier.3.weight"][1, :2] = torch.tensor((1.0, -1.0))
    planted["classifier.3.bias"][1] = bias
    return planted


def engine(bias: float = -1.0) -> Engine:
    return Engine(CONFIG, state(bias))


def face(seed: int = 0) -> NDArray[np.uint8]:
    """A grey crop with some grain: nothing in it speaks for anything."""
    grain = np.random.default_rng(seed).integers(-25, 26, (64, 64, 1))
    return np.repeat(120 + grain, 3, axis=2).astype(np.uint8)


def patched(
    left: int, top: int, colour: tuple[int, int, int] = MAGENTA, *, seed: int = 0, side: int = 12
) -> NDArray[np.uint8]:
    """`face` with a square patch of one colour, given in pixels of the crop."""
    crop = face(seed)
    crop[top : top + side, left : left + side] = colour
    return crop


def busy(seed: int) -> NDArray[np.uint8]:
    """A magenta patch among `OTHERS`, each in one of nine places."""
    crop = face(seed)
    places = np.random.default_rng(seed).permutation(9)
    for place, colour in zip(places, (MAGENTA, *OTHERS), strict=False):
        top, left = 4 + 20 * (place // 3), 4 + 20 * (place % 3)
        crop[top : top + 14, left : left + 14] = colour
    return crop
