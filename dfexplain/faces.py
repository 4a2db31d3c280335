"""Faces in frames: MTCNN boxes, five landmarks and confidence (Zhang et al., SPL 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

__all__ = ["FaceDetector", "Faces"]


@dataclass(frozen=True)
class Faces:
    """The K faces of one frame: boxes (K, 4) px, landmarks (K, 5, 2) px, confidence (K,) in 0..1."""

    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.box_xyxy)


class FaceDetector:
    """MTCNN on copies of the frames whose longer side is at most `detect_px`."""

    def __init__(self, *, detect_px: int = 640, min_face_px: int = 20) -> None:
        self.detect_px = detect_px
        self._mtcnn = MTCNN(keep_all=True, min_face_size=min_face_px, post_process=False)

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Find every face of each RGB frame (H, W, 3), frames of equal size."""
        out = []
        for rgb in frames:
            scale = min(1.0, self.detect_px / max(rgb.shape[:2]))
            small = rgb
            if scale < 1.0:
                size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
                small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            boxes, probs, points = self._mtcnn.detect(small, landmarks=True)
            if boxes is None:
                out.append(
                    Faces(
                        np.zeros((0, 4), np.float32),
                        np.zeros((0, 5, 2), np.float32),
                        np.zeros(0, np.float32),
                    )
                )
                continue
            out.append(
                Faces(
                    np.asarray(boxes, np.float32) / scale,
                    np.asarray(points, np.float32) / scale,
                    np.asarray(probs, np.float32),
                )
            )
        return out
