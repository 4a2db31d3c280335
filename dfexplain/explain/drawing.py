"""Heatmaps over crops and frames, in colours that mean the same on every frame of every video.

No map is stretched to its own maximum: full colour means `Heatmap.scale` on every frame, and a
frame without evidence stays blank.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.faces import face_square
from dfexplain.structures import MASK, Heatmap, Lane, VideoReport

__all__ = [
    "FAKE_RGB",
    "GRAD_CAM",
    "MASK_HEAD",
    "OPACITY",
    "REAL_RGB",
    "colour_bar",
    "lane_heatmap",
    "overlay",
    "overlay_frame",
]

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

# What the two maps that come with a score are called wherever they are shown.
GRAD_CAM, MASK_HEAD = "Grad-CAM", "Mask head"

FAKE_RGB = (230, 97, 0)
REAL_RGB = (33, 102, 172)
GREY_RGB = (128, 128, 128)
# Full evidence covers this share of the picture below: the face must stay visible.
OPACITY = 0.72


def lane_heatmap(report: VideoReport, lane: Lane, row: int) -> Heatmap:
    """The map of one frame that came with its score: by the mask head where these weights' heatmaps
    are drawn by it, else Grad-CAM."""
    if report.heat_method == MASK and lane.scores.mask is not None:
        return Heatmap(lane.scores.mask[row], report.heat_scale, MASK_HEAD)
    return Heatmap(lane.scores.evidence[row], report.heat_scale, GRAD_CAM)


def _strength(values: Array, scale: float, signed: bool) -> Array:
    """Evidence as a share of full colour: 0..1, or -1..1 where the side toward real is wanted."""
    return np.asarray(np.clip(values / scale, -1.0 if signed else 0.0, 1.0), np.float32)


def _paint(rgb: Image, strength: Array, grey: bool = False) -> Image:
    alpha = np.abs(strength) * np.float32(OPACITY)
    clear, toward_fake = 1.0 - alpha, strength >= 0
    fake, real = (GREY_RGB, GREY_RGB) if grey else (FAKE_RGB, REAL_RGB)
    out = np.empty(rgb.shape, np.uint8)
    # Channel by channel: with the three of a pixel in the innermost loop numpy takes six times as
    # long.
    for channel, (toward, away) in enumerate(zip(fake, real, strict=True)):
        colour = np.where(toward_fake, np.float32(toward), np.float32(away))
        out[..., channel] = np.round(rgb[..., channel] * clear + colour * alpha)
    return out


def overlay(
    crop_rgb: Image, heatmap: Heatmap, *, signed: bool = False, grey: bool = False
) -> Image:
    """Draw a map over its crop (S, S, 3): orange toward fake and, if `signed`, blue toward real;
    `grey` without colour, for a map that does no better than chance."""
    size = crop_rgb.shape[1::-1]
    values = cv2.resize(heatmap.values, size, interpolation=cv2.INTER_LINEAR)
    return _paint(crop_rgb, _strength(values, heatmap.scale, signed), grey)


def overlay_frame(
    frame_rgb: Image,
    box_xyxy: Array,
    heatmap: Heatmap,
    margin: float,
    *,
    signed: bool = False,
    grey: bool = False,
) -> Image:
    """Draw a map over its place in a frame (H, W, 3), with the face's box.

    `box_xyxy` is in pixels of this picture (a preview's box is the report's times its scale),
    `margin` the crop margin of the weights; `grey` as in `overlay`.
    """
    left, top, side = face_square(box_xyxy, margin)
    height, width = frame_rgb.shape[:2]
    out = frame_rgb.copy()
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    if x1 > x0 and y1 > y0:
        values = cv2.resize(heatmap.values, (side, side), interpolation=cv2.INTER_LINEAR)
        values = values[y0 - top : y1 - top, x0 - left : x1 - left]
        out[y0:y1, x0:x1] = _paint(
            out[y0:y1, x0:x1], _strength(values, heatmap.scale, signed), grey
        )
    corners = [round(float(v)) for v in box_xyxy]
    thick = max(1, round(max(height, width) / 400))
    cv2.rectangle(out, corners[:2], corners[2:], (255, 255, 255), thick + 2, cv2.LINE_AA)
    cv2.rectangle(out, corners[:2], corners[2:], (60, 60, 60), thick, cv2.LINE_AA)
    return out


def colour_bar(height_px: int = 16, width_px: int = 240, *, signed: bool = False) -> Image:
    """The bar's colours (height, width, 3) on mid grey: from none (or full real) to full fake."""
    grey = np.full((height_px, width_px, 3), 128, np.uint8)
    ramp = np.linspace(-1.0 if signed else 0.0, 1.0, width_px, dtype=np.float32)
    return _paint(grey, np.tile(ramp, (height_px, 1)))
