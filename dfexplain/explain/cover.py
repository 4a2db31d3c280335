"""Covers places of a crop, so that a model must judge without them.

Whatever covers is itself a change to the picture, and a detector of changes may take it for one.

- blur: colours and light of the face without its features (Fong and Vedaldi, ICCV 2017, sec. 4.1,
  but wider, or a patch of another colour would show through). It draws hardly an edge and works for
  any share of the crop; but it leaves a trace of colour, and smoothness can look like a forgery.
- noise: blurred a little, with grain over it. Fine traces of a forgery are gone and what is left
  does not look smooth; but shapes and colours show through.
- texture: colours and light alone, with a grain as fine and as strong as the detail that stood
  there. Neither smoother nor rougher than what is around it; shapes are gone, colours show through.
- inpaint: what lies around, carried inward (Telea, Journal of Graphics Tools 2004). Nothing of what
  was covered is left; but it needs much that is uncovered, and draws streaks over large places.
- mean: the crop's mean colour. Nothing is left either; but a flat patch is unlike any face, and its
  outline is the strongest edge of the picture.

Which of them tells anything is measured, for each set of weights, on forgeries whose place is known
(`explain.benchmark`): a cover by which even the places that were forged matter no more than others
is itself taken for a forgery. The detectors here look for blends (Li et al., Face X-ray, CVPR 2020)
and for smoothness; of the five, texture is none to those that ship, and noise none to some
(docs/weights.md). Where nothing was measured it is blur, which leaves the least of what was
covered.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.errors import SettingError

__all__ = ["HOW", "covered", "variants"]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

HOW = ("blur", "noise", "texture", "inpaint", "mean")
# In shares of the crop's side: features of the face are up to a third of it wide, and none is left;
# the border of what is covered fades out over a few pixels.
_BLUR = 1 / 4
_FADE = 1 / 64
_INPAINT_RADIUS = 1 / 48
# Of the noise: the blur below it, in shares of the side, and its deviation in grey levels.
_SOFT, _GRAIN = 1 / 16, 20.0
# Of the texture: the blur below it, over what its strength is taken, and how fine its grain is, all
# in shares of the side.
_SHADE, _AROUND, _FINE = 1 / 8, 1 / 8, 1 / 192


def _without_detail(crop: Image) -> Array:
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), _BLUR * len(crop)), np.float32)


def _noisy(crop: Image) -> Array:
    soft = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), _SOFT * len(crop))
    # One grain for all crops: the same crop is covered the same way each time.
    grain = np.random.default_rng(0).standard_normal(crop.shape, np.float32)
    return np.asarray(np.clip(soft + np.float32(_GRAIN) * grain, 0, 255), np.float32)


def _textured(crop: Image) -> Array:
    side = len(crop)
    soft = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), _SHADE * side)
    power = ((crop - soft) ** 2).mean(axis=2)
    strength = np.sqrt(cv2.GaussianBlur(power, (0, 0), _AROUND * side))
    # Grey, for the detail of photographs is; one for all crops, as above.
    grain = np.random.default_rng(0).standard_normal(crop.shape[:2], np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), _FINE * side)
    lit = strength * grain / max(float(grain.std()), 1e-6)
    return np.asarray(np.clip(soft + lit[..., None], 0, 255), np.float32)


def _mean(crop: Image) -> Array:
    return np.broadcast_to(crop.mean(axis=(0, 1), dtype=np.float32), crop.shape)


def _inpainted(crop: Image, mask: Array) -> Array:
    hidden = (mask > 0.0).astype(np.uint8)
    if hidden.all():
        return _mean(crop)
    radius = max(1.0, _INPAINT_RADIUS * len(crop))
    return np.asarray(cv2.inpaint(crop, hidden, radius, cv2.INPAINT_TELEA), np.float32)


_FILLS = {"noise": _noisy, "texture": _textured, "blur": _without_detail, "mean": _mean}


def variants(clip: Image, masks: Array, how: str = HOW[0]) -> Image:
    """The crops of a clip (T, S, S, 3) covered in V ways: (V, T, S, S, 3).

    `masks` (V, S, S) in 0..1 say how much of each pixel is covered; their borders are softened. In
    a clip the same places are covered in every frame: a cover that comes and goes would flicker,
    and that is what models of clips look for. Where all of a crop is covered there is nothing to
    inpaint from, and it takes its mean colour. Raises SettingError for another `how` than those of
    HOW, and for masks that do not fit.
    """
    side = clip.shape[1]
    if how not in HOW:
        raise SettingError(f"how must be one of {', '.join(HOW)}, but got {how!r:.40}.")
    masks = np.asarray(masks, np.float32)
    if masks.ndim != 3 or masks.shape[1:] != (side, side):
        raise SettingError(
            f"mask must be {side} by {side}, but got {masks.shape[1:]}. Scale it to the crop."
        )
    if masks.size and not (masks.min() >= 0.0 and masks.max() <= 1.0):
        raise SettingError(
            f"mask must lie in 0..1, but got {masks.min():g} to {masks.max():g}. Scale it."
        )
    fade = max(0.3, _FADE * side)
    soft = [np.asarray(cv2.GaussianBlur(mask, (0, 0), fade), np.float32) for mask in masks]
    out = np.empty((len(masks), *clip.shape), np.uint8)
    for t, crop in enumerate(clip):
        fill = _FILLS[how](crop) if how in _FILLS else None
        for v, mask in enumerate(soft):
            hidden = _inpainted(crop, mask) if fill is None else fill
            mixed = crop + (hidden - crop) * mask[..., None]
            out[v, t] = np.clip(np.round(mixed), 0, 255)
    return out


def covered(crop: Image, mask: Array, how: str = HOW[0]) -> Image:
    """`crop` (S, S, 3) with the places of one mask (S, S) in 0..1 covered: see `variants`."""
    only: Image = variants(crop[None], np.asarray(mask)[None], how)[0, 0]
    return only
