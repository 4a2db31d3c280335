"""The naive reference: what a straightforward script does to score a video and explain its frames.

Frames are reached by OpenCV seeks, faces are found by MTCNN on one full frame at a time, each crop
goes through EfficientNet-B0 alone, and pytorch-grad-cam runs a second pass for each of them.
`tests/test_benchmarks.py` fixes this file and the random weights of the network, so that a ratio
measured against it means the same from one version of the project to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from torch import Tensor, nn

Image = NDArray[np.uint8]

SEED = 0
CROP_PX = 224
MARGIN = 0.3
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class NaiveFace:
    """One face of one frame: its box (4,) px, its score, crop and frame with the heatmap."""

    frame: int
    box_xyxy: NDArray[np.float32]
    score: float
    crop_overlay: Image
    frame_overlay: Image


class Fake:
    """The target of the explanation: the one logit."""

    def __call__(self, output: Tensor) -> Tensor:
        return output[-1]


def build_b0() -> nn.Module:
    """EfficientNet-B0 with one logit and random weights that are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model: nn.Module = timm.create_model("efficientnet_b0", pretrained=False, num_classes=1)
    return model.eval()


def read_frames(path: str | Path, count: int) -> list[tuple[int, Image]]:
    """`count` frames spread over the file, RGB, each by a seek."""
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for k in range(count):
        index = int((k + 0.5) * total / count)
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, bgr = capture.read()
        if read:
            frames.append((index, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)))
    capture.release()
    return frames


def find_faces(detector: MTCNN, rgb: Image) -> NDArray[np.float32]:
    """Boxes (K, 4) of one full frame."""
    boxes, _ = detector.detect(rgb)
    return np.zeros((0, 4), np.float32) if boxes is None else np.asarray(boxes, np.float32)


def cut_out(rgb: Image, box: NDArray[np.float32]) -> tuple[Image, tuple[int, int, int, int]]:
    """The face with a margin, (S, S, 3), and where it was cut, cropped at the frame's border."""
    x0, y0, x1, y1 = (float(v) for v in box)
    wide, high = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left, top = max(0, int(x0 - wide)), max(0, int(y0 - high))
    right, bottom = min(rgb.shape[1], int(x1 + wide)), min(rgb.shape[0], int(y1 + high))
    crop = cv2.resize(rgb[top:bottom, left:right], (CROP_PX, CROP_PX))
    return np.asarray(crop, np.uint8), (left, top, right, bottom)


class NaiveDetector:
    """The models of the reference, loaded once."""

    def __init__(self) -> None:
        self.faces = MTCNN(keep_all=True)
        self.model = build_b0()
        self.cam = GradCAM(model=self.model, target_layers=[self.model.conv_head])

    def score(self, crop: Image) -> tuple[float, NDArray[np.float32]]:
        """Probability of fake of one crop, and its heatmap (S, S) in 0..1."""
        pixels = (crop.astype(np.float32) / 255 - MEAN) / STD
        batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        with torch.no_grad():
            score = float(torch.sigmoid(self.model(batch))[0, 0])
        return score, self.cam(input_tensor=batch, targets=[Fake()])[0]

    def analyze(self, path: str | Path, count: int = 32) -> list[NaiveFace]:
        """Score and explain every face of `count` frames."""
        found = []
        for index, rgb in read_frames(path, count):
            for box in find_faces(self.faces, rgb):
                crop, (left, top, right, bottom) = cut_out(rgb, box)
                score, heat = self.score(crop)
                drawn = show_cam_on_image(crop.astype(np.float32) / 255, heat, use_rgb=True)
                frame = rgb.copy()
                frame[top:bottom, left:right] = cv2.resize(drawn, (right - left, bottom - top))
                found.append(NaiveFace(index, box, score, drawn, frame))
        return found
