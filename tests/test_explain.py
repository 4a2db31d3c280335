"""explain.py: closed-form Grad-CAM against the library, and one scale for all pictures (G1, N2)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from dfexplain import explain
from dfexplain.explain.cams import library_grad_cam
from dfexplain.models import ModelConfig
from dfexplain.structures import Heatmap
from tests.test_engine import crops, engine

GREY = np.full((96, 96, 3), 128, np.uint8)


def heat(peak: float, scale: float = 1.0) -> Heatmap:
    values = np.zeros((6, 6), np.float32)
    values[1, 4] = peak
    return Heatmap(values, scale, "Grad-CAM")


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "resnet18"])
def test_closed_form_equals_the_library(backbone: str) -> None:
    running = engine(ModelConfig(backbone=backbone, crop_px=64))
    pictures = crops(4)
    evidence = np.maximum(running.run(pictures).evidence, 0)

    def stretched(values: np.ndarray) -> np.ndarray:
        low = values.min(axis=(1, 2), keepdims=True)
        return (values - low) / (1e-7 + (values - low).max(axis=(1, 2), keepdims=True))

    # The library's order: stretch, enlarge, stretch.
    ours = stretched(
        np.stack([cv2.resize(m, (64, 64)) for m in stretched(evidence).astype(np.float32)])
    )
    np.testing.assert_allclose(library_grad_cam(running, pictures), ours, atol=2e-4)


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
