"""explain.py: closed-form Grad-CAM against the library, and one scale for all pictures (G1, N2)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from torch import Tensor, nn

from dfexplain import explain
from dfexplain.engine import Engine
from dfexplain.explain.methods import maps
from dfexplain.models import FrameModel, ModelConfig
from dfexplain.structures import Heatmap
from tests.test_engine import crops, engine

GREY = np.full((96, 96, 3), 128, np.uint8)


def heat(peak: float, scale: float = 1.0) -> Heatmap:
    values = np.zeros((6, 6), np.float32)
    values[1, 4] = peak
    return Heatmap(values, scale, "Grad-CAM")


def by_the_library(running: Engine, crops: NDArray[np.uint8], kind: type) -> np.ndarray:
    """Maps (N, S, S) in 0..1 of the library as it stands, differentiated through all of the model:
    cut off at 0, stretched, enlarged, stretched again."""
    frame_model = running.model
    assert isinstance(frame_model, FrameModel)

    class Logit(nn.Module):
        """One column of logits, as the library expects."""

        def __init__(self) -> None:
            super().__init__()
            self.model = frame_model

        def forward(self, frames: Tensor) -> Tensor:
            return frame_model.forward_frames(frames).logit[:, None]

    # Its default target is the wrong class of one logit.
    def fake(output: Tensor) -> Tensor:
        return output[-1]

    with torch.enable_grad():
        cam = kind(model=Logit(), target_layers=[frame_model.maps])
        frames = running.normalise(crops).requires_grad_()
        values = cam(frames, targets=[fake for _ in crops])
        cam.activations_and_grads.release()
    return np.asarray(values, np.float32)


def stretched(values: np.ndarray) -> np.ndarray:
    low = values.min(axis=(1, 2), keepdims=True)
    return (values - low) / (1e-7 + (values - low).max(axis=(1, 2), keepdims=True))


def as_the_library_shows(values: np.ndarray) -> np.ndarray:
    """A raw map (N, h, w) after the steps that we leave out, at 64 px."""
    small = stretched(np.maximum(values, 0)).astype(np.float32)
    return stretched(np.stack([cv2.resize(each, (64, 64)) for each in small]))


@pytest.mark.parametrize("kind", [GradCAM, HiResCAM])
@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "resnet18"])
def test_closed_form_equals_the_library(backbone: str, kind: type) -> None:
    running = engine(ModelConfig(backbone=backbone, crop_px=64))
    pictures = crops(4)
    ours = as_the_library_shows(running.run(pictures).evidence)
    np.testing.assert_allclose(by_the_library(running, pictures, kind), ours, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "kind", "tolerance"),
    # The library's Grad-CAM++ adds 1e-6 to squared gradients, of which ours keeps clear.
    [
        ("hires_cam", HiResCAM, 2e-4),
        ("layer_cam", LayerCAM, 2e-4),
        ("grad_cam_pp", GradCAMPlusPlus, 2e-2),
    ],
)
def test_through_the_head_alone_the_library_draws_the_same(
    name: str, kind: type, tolerance: float
) -> None:
    running, pictures = engine(), crops(3)
    ours = as_the_library_shows(maps(running, pictures[:, None], name)[:, 0])
    np.testing.assert_allclose(by_the_library(running, pictures, kind), ours, atol=tolerance)


def test_a_frame_without_evidence_stays_blank() -> None:
    np.testing.assert_array_equal(explain.overlay(GREY, heat(0.0)), GREY)
    np.testing.assert_array_equal(explain.overlay(GREY, heat(-5.0)), GREY)
    faint = explain.overlay(GREY, heat(0.02)).astype(int) - GREY
    assert np.abs(faint).max() <= 3


def test_colour_means_the_same_on_every_picture() -> None:
    half = explain.overlay(GREY, heat(0.5)).astype(int)
    alone = explain.overlay(GREY, heat(1.0, scale=2.0)).astype(int)
    np.testing.assert_array_equal(half, alone)
    full = explain.overlay(GREY, heat(1.0)).astype(int)
    assert np.abs(full - GREY).max() > 1.8 * np.abs(half - GREY).max()


def test_evidence_is_drawn_where_it_is_and_in_its_colour() -> None:
    drawn = explain.overlay(GREY, heat(1.0)).astype(int)
    y, x = np.unravel_index(np.argmax(np.abs(drawn - GREY).sum(axis=2)), GREY.shape[:2])
    assert (y // 16, x // 16) == (1, 4)
    red, green, blue = drawn[y, x]
    assert red > green > blue
    signed = explain.overlay(GREY, heat(-1.0), signed=True).astype(int)
    red, green, blue = signed[24, 72]
    assert blue > green > red


def test_frame_overlay_touches_the_face_only() -> None:
    frame = np.full((200, 300, 3), 90, np.uint8)
    box = np.float32([120, 60, 180, 140])
    drawn = explain.overlay_frame(frame, box, heat(1.0), margin=0.1)
    changed = np.argwhere((drawn != frame).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert top >= 50
    assert bottom <= 150
    assert left >= 98
    assert right <= 202
    assert (drawn[75:85, 165:185] != frame[75:85, 165:185]).any()


def test_frame_overlay_at_the_edge_of_the_picture() -> None:
    frame = np.zeros((50, 50, 3), np.uint8)
    drawn = explain.overlay_frame(frame, np.float32([-30, -30, 20, 20]), heat(1.0), margin=0.3)
    assert drawn.shape == frame.shape


def test_colour_bar_runs_from_nothing_to_full() -> None:
    bar = explain.colour_bar(4, 100).astype(int)
    np.testing.assert_array_equal(bar[0, 0], (128, 128, 128))
    assert np.all(np.diff(bar[0, :, 0]) >= 0)
    signed = explain.colour_bar(4, 101, signed=True).astype(int)
    np.testing.assert_array_equal(signed[0, 50], (128, 128, 128))
    assert signed[0, 0, 2] > signed[0, 0, 0]
