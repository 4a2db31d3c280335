"""Golden logits: what weights answered on fixed made-up crops when they were saved.

They tell, on another machine or with another version of torch, that the model still says the same
thing. The crops are drawn by `numpy.random.RandomState`, whose stream is frozen (NEP 19), with
integer arithmetic only, so they are the same pixels everywhere.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.weights_folder import Golden, Weights

__all__ = ["CROPS", "TOLERANCE", "changes", "golden_crops", "make_golden", "verify"]

CROPS = 8
# EfficientNet-Lite0 was run with 1 and 2 threads, batches of 1 and 8, both memory layouts, with and
# without oneDNN, on SSE4.1 and AVX2: its logits moved by 1.5e-6 of their size at most. The
# tolerance is a share of the largest logit, and no less than float32 can hold beside a bias of 1.
TOLERANCE = 1e-4
LEAST_TOLERANCE = 1e-5


def golden_crops(crop_px: int) -> NDArray[np.uint8]:
    """CROPS pictures (CROPS, S, S, 3): coarse to fine random patches of colour under noise."""
    crops = np.empty((CROPS, crop_px, crop_px, 3), np.uint8)
    for i in range(CROPS):
        random = np.random.RandomState(i)
        patches = 2 + 3 * i
        where = np.arange(crop_px) * patches // crop_px
        colours = random.randint(0, 256, (patches, patches, 3))
        noise = random.randint(-12, 13, (crop_px, crop_px, 3))
        crops[i] = np.clip(colours[where][:, where] + noise, 0, 255)
    return crops


def make_golden(weights: Weights) -> dict[str, Any]:
    """The content of `golden.json` for these weights, measured on this machine."""
    logits = _logits(weights)
    golden = Golden(
        sha256=weights.info.sha256,
        logits=tuple(float(logit) for logit in logits),
        tolerance=max(LEAST_TOLERANCE, TOLERANCE * float(np.abs(logits).max())),
        torch=torch.__version__,
        machine=_machine(),
    )
    return {**asdict(golden), "logits": list(golden.logits)}


def verify(weights: Weights) -> list[str]:
    """Score the golden crops again; one line for each thing that differs, none when all is well."""
    golden = weights.golden
    if golden is None:
        return [f"{weights.label} came without golden.json: its answers cannot be checked."]
    logits = _logits(weights)
    if len(golden.logits) != len(logits):
        return [f"golden.json must hold {len(logits)} logits, but got {len(golden.logits)}."]
    return [
        f"golden crop {i} must score {was:.6f} within {golden.tolerance:g}, but got {now:.6f} "
        f"(saved on {golden.machine}, torch {golden.torch})."
        for i, (was, now) in enumerate(zip(golden.logits, logits, strict=True))
        if not abs(was - now) <= golden.tolerance
    ]


def changes(old: Golden, new: Golden) -> list[str]:
    """One line for each golden crop that two sets of weights score differently."""
    if len(old.logits) != len(new.logits):
        return [f"golden crops: {len(old.logits)} before, {len(new.logits)} now"]
    allowed = max(old.tolerance, new.tolerance)
    return [
        f"golden crop {i}: {was:+.4f} before, {now:+.4f} now"
        for i, (was, now) in enumerate(zip(old.logits, new.logits, strict=True))
        if not abs(was - now) <= allowed
    ]


def _logits(weights: Weights) -> NDArray[np.float64]:
    engine = Engine(weights.config, weights.state)
    crops, length = golden_crops(weights.config.crop_px), weights.config.clip_frames
    if length == 1:
        return engine.run(crops).logit
    # A track for each crop, which ends with it: models of clips answer for the order, too.
    tracks = [np.roll(crops, -i, axis=0)[:length] for i in range(CROPS)]
    return np.array([engine.run(track).logit[-1] for track in tracks])


def _machine() -> str:
    instructions = torch.backends.cpu.get_cpu_capability()
    return f"{platform.system()} {platform.machine()} {instructions}"
