"""cascade.py: what facenet_pytorch finds, to a ten-thousandth of a pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from dfexplain.cascade import Cascade

PORTRAITS = sorted((Path(__file__).parent / "data" / "portraits").glob("*.jpg"))


@pytest.fixture(scope="module")
def reference() -> MTCNN:
    return MTCNN(keep_all=True, min_face_size=20, post_process=False).eval()


def crowd(heights: tuple[int, ...], size: tuple[int, int] = (360, 640)) -> NDArray[np.uint8]:
    """Portraits of these heights beside each other before noise, the last one cut off."""
    picture = np.random.default_rng(0).integers(60, 200, (*size, 3), dtype=np.uint8)
    for k, height in enumerate(heights):
        bgr = cv2.imread(str(PORTRAITS[k % len(PORTRAITS)]))
        scale = height / bgr.shape[0]
        rgb = cv2.cvtColor(cv2.resize(bgr, None, fx=scale, fy=scale), cv2.COLOR_BGR2RGB)
        left = size[1] * k // len(heights)
        rgb = rgb[: size[0], : size[1] - left]
        picture[: rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return picture


def test_a_batch_is_searched_as_the_reference_searches_it(reference: MTCNN) -> None:
    nets = (reference.pnet, reference.rnet, reference.onet)
    cascade = Cascade(*nets, reference.thresholds, min_face_px=20)
    blank = np.full((360, 640, 3), 90, np.uint8)
    frames = np.stack([crowd((200, 120, 70, 300)), blank, crowd((60, 50, 64))])
    torch.set_num_threads(2)
    wanted = reference.detect(frames, landmarks=True)
    found = cascade.detect(frames)
    assert [len(one.box_xyxy) for one in found] == [4, 0, 3]
    assert wanted[0][1] is None
    for k in (0, 2):
        boxes, sure, points = (np.asarray(part[k], np.float64) for part in wanted)
        np.testing.assert_allclose(found[k].box_xyxy, boxes, atol=1e-3)
        np.testing.assert_allclose(found[k].confidence, sure, atol=1e-5)
        np.testing.assert_allclose(found[k].points_xy, points, atol=1e-3)


def test_the_same_batch_gives_the_same_bits_and_small_frames_nothing(reference: MTCNN) -> None:
    nets = (reference.pnet, reference.rnet, reference.onet)
    cascade = Cascade(*nets, reference.thresholds, min_face_px=20)
    frames = crowd((120, 80), (200, 320))[None]
    first, second = cascade.detect(frames)[0], cascade.detect(frames)[0]
    assert len(first.box_xyxy)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    tiny = cascade.detect(np.zeros((1, 21, 40, 3), np.uint8))[0]
    assert tiny.box_xyxy.shape == (0, 4)
    assert tiny.points_xy.shape == (0, 5, 2)
