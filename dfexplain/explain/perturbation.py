"""Maps from scores alone: what happens to a score when places are covered.

They look into no model, so they suit them all, and they cost many passes. A place is covered in all
frames of a clip at once, and each frame's map is read off its own logit. What covers is a blur
(`cover`). Places are the cells of a grid, whose borders are soft: hard ones would be edges for the
detector to find.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfexplain.engine import BATCH, Engine
from dfexplain.explain.cover import variants

__all__ = [
    "OCCLUSION_PASSES",
    "RISE_MASKS",
    "SHAP_PASSES",
    "occlusion",
    "rise",
    "shap",
]

Array = NDArray[np.float32]
Clips = NDArray[np.uint8]

SEED = 3
# Windows of 2 x 2 of 9 x 9 cells: 8 x 8 windows, each about a fifth of the crop wide.
OCCLUSION_GRID = 9
OCCLUSION_WINDOW = 2
OCCLUSION_PASSES = 1 + (OCCLUSION_GRID - OCCLUSION_WINDOW + 1) ** 2
SHAP_GRID = 6
SHAP_ORDERS = 6
SHAP_PASSES = 1 + SHAP_ORDERS * SHAP_GRID**2
# The paper's grid and share; it takes thousands of masks, as its estimate carries the mean score.
RISE_MASKS = 400
RISE_GRID = 7
RISE_SHARE = 0.5
RISE_SIDE = 28  # of the map


def _scored(engine: Engine, clip: Clips, shown: Array) -> NDArray[np.float64]:
    """The logits (V, T) of a clip (T, S, S, 3) of which shares (V, S, S) in 0..1 are shown."""
    return engine.logits(variants(clip, 1.0 - shown))


def _scored_cells(engine: Engine, clip: Clips, cells: Tensor) -> Tensor:
    """The same of grids (V, g, g), 1 for a cell that is shown: the form that captum calls."""
    size = clip.shape[1:3]
    grids = cells.numpy().astype(np.float32)
    shown = np.stack([cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR) for grid in grids])
    return torch.from_numpy(_scored(engine, clip, np.clip(shown, 0.0, 1.0))).float()


def _of_frames(attributions: list[Tensor]) -> Array:
    """Maps (V, T, g, g) of V clips: captum leaves axes of one output out."""
    side = attributions[0].shape[-1]
    return torch.stack(attributions).reshape(len(attributions), -1, side, side).numpy()


def occlusion(engine: Engine, clips: Clips) -> Array:
    """By how many logits a frame's score falls when a window over the place is covered.

    Zeiler and Fergus, ECCV 2014, sec. 4.2, by captum: (V, T, 9, 9), the mean over the windows that
    lie over a cell. Negative where the score rises.
    """
    from captum.attr import Occlusion  # slow to import, and it brings a plotting library

    found = []
    for clip in clips:
        everything = torch.ones(1, OCCLUSION_GRID, OCCLUSION_GRID)
        found.append(
            Occlusion(lambda cells, clip=clip: _scored_cells(engine, clip, cells)).attribute(
                everything,
                sliding_window_shapes=(OCCLUSION_WINDOW, OCCLUSION_WINDOW),
                baselines=0.0,
                perturbations_per_eval=BATCH,
            )
        )
    return _of_frames(found)


def shap(engine: Engine, clips: Clips) -> Array:
    """Shapley values of cells (V, T, 6, 6), times their number: the mean of a map is the frame's
    logit less that of the wholly covered crop.

    Lundberg and Lee, NeurIPS 2017, eq. 4; estimated by cells that are shown one after the other, in
    a few random orders (Castro et al. 2009), by captum.
    """
    from captum.attr import ShapleyValueSampling

    found = []
    for clip in clips:
        # The same orders for every clip, whatever was drawn before.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            sampling = ShapleyValueSampling(
                lambda cells, clip=clip: _scored_cells(engine, clip, cells)
            )
            values = sampling.attribute(
                torch.ones(1, SHAP_GRID, SHAP_GRID),
                baselines=0.0,
                n_samples=SHAP_ORDERS,
                perturbations_per_eval=BATCH,
            )
        found.append(values)
    return _of_frames(found) * SHAP_GRID**2


def _rise_masks(size: int) -> Array:
    """Masks (RISE_MASKS, S, S) in 0..1, by Petsiuk et al., BMVC 2018, sec. 3.2: coarse random
    grids, enlarged with soft borders and shifted by up to a cell."""
    random = np.random.default_rng(SEED)
    cell = -(-size // RISE_GRID)
    side = cell * (RISE_GRID + 1)
    masks = np.empty((RISE_MASKS, size, size), np.float32)
    for mask in masks:
        grid = random.random((RISE_GRID + 1, RISE_GRID + 1)) < RISE_SHARE
        y, x = random.integers(0, cell, 2)
        large = cv2.resize(grid.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
        mask[:] = large[y : y + size, x : x + size]
    return masks


def rise(engine: Engine, clips: Clips) -> Array:
    """By how many logits a frame's mean score under random masks is higher where a place is shown.

    Petsiuk et al., "RISE", BMVC 2018, eq. 6: (V, T, 28, 28), the masks' mean weighted by the
    scores. Taken off each score is the mean score, so that a place which changes nothing gets 0 and
    not that mean.
    """
    masks = _rise_masks(clips.shape[2])
    side = (RISE_SIDE, RISE_SIDE)
    small = np.stack([cv2.resize(mask, side, interpolation=cv2.INTER_AREA) for mask in masks])
    found = []
    for clip in clips:
        parts = range(0, RISE_MASKS, BATCH)
        scores = np.concatenate([_scored(engine, clip, masks[i : i + BATCH]) for i in parts])
        above = scores - scores.mean(axis=0)
        found.append(np.einsum("nt,nhw->thw", above, small) / (RISE_MASKS * RISE_SHARE))
    return np.asarray(found, np.float32)
