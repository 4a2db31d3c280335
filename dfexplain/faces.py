"""Faces in frames: MTCNN boxes, five landmarks and confidence (Zhang et al., SPL 2016).

`detect` runs the three networks on frames scaled down to 640 px, which finds the faces of 60 px and
more that the full frame gives at a sixth of its cost. `follow` runs the last one (O-Net) on boxes
that are known from a neighbouring frame, at about a thirtieth of a detection, and looks around them
with the second one (R-Net) where that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dfexplain import mtcnn
from dfexplain.cascade import Cascade
from dfexplain.errors import SettingError

__all__ = ["FaceDetector", "Faces", "cut_square", "face_square", "iou"]

_SMALLEST_FRAME_PX = 20
_BATCH = 8
# Where R-Net looks for a face that is not where it was expected: in sides of the expected square.
_SHIFTS = (-0.35, 0.0, 0.35)
_GROWTHS = (0.8, 1.0, 1.25)
_SETTLED_IOU = 0.7


@dataclass(frozen=True)
class Faces:
    """The K faces of one frame: boxes (K, 4) px, landmarks (K, 5, 2) px, confidence (K,) in 0..1.

    Landmarks are the eyes, the tip of the nose and the corners of the mouth, those on the left of
    the picture first. A box may reach over the border of the frame; its centre is inside.
    """

    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.box_xyxy)


def face_square(box_xyxy: NDArray[np.float32], margin: float) -> tuple[int, int, int]:
    """The square (left, top, side) in px around a box: side = longer side * (1 + 2 * margin)."""
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = max(2, round(max(x1 - x0, y1 - y0) * (1.0 + 2.0 * margin)))
    return round((x0 + x1 - side) / 2.0), round((y0 + y1 - side) / 2.0), side


def iou(boxes_a: NDArray[np.float32], boxes_b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of every box (K, 4) with every box (M, 4): (K, M) in 0..1."""
    a, b = boxes_a[:, None].astype(np.float64), boxes_b[None].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=-1)
    areas = [np.prod(np.maximum(c[..., 2:] - c[..., :2], 0.0), axis=-1) for c in (a, b)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9), np.float64)


def cut_square(
    rgb: NDArray[np.uint8], left: int, top: int, side: int, size_px: int
) -> NDArray[np.uint8] | None:
    """Cut a square out of `rgb` (H, W, 3), border replicated, and scale it to (S, S, 3).

    None where the square does not touch the frame.
    """
    height, width = rgb.shape[:2]
    inner = rgb[max(0, top) : max(0, min(height, top + side)), max(0, left) : max(0, left + side)]
    if inner.size == 0:
        return None
    if inner.shape[:2] != (side, side):
        inner = cv2.copyMakeBorder(
            inner,
            max(0, -top),
            max(0, top + side - height),
            max(0, -left),
            max(0, left + side - width),
            cv2.BORDER_REPLICATE,
        )
    how = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inner, (size_px, size_px), interpolation=how), np.uint8)


class FaceDetector:
    """MTCNN on copies of the frames whose longer side is at most `detect_px`.

    `min_face_px` is the smallest face looked for, in px of those copies: 20 px at 640 px is 60 px
    in a frame of 1920 px. The same frames in the same batches give the same faces.
    """

    def __init__(self, *, detect_px: int = 640, min_face_px: int = 20, device: str = "cpu") -> None:
        if not 64 <= detect_px <= 4096:
            raise SettingError(
                f"detect_px must be 64 to 4096, but got {detect_px}. 640 suits most videos."
            )
        if not 12 <= min_face_px <= detect_px:
            raise SettingError(
                f"min_face_px must be 12 to detect_px, but got {min_face_px}. 20 is the default."
            )
        self.detect_px = detect_px
        self._device = torch.device(device)
        pnet, self._rnet, self._onet = mtcnn.load(self._device)
        self._cascade = Cascade(pnet, self._rnet, self._onet, mtcnn.THRESHOLDS, min_face_px)
        self._smallest_px = max(_SMALLEST_FRAME_PX, min_face_px)
        _, self._rnet_threshold, self._onet_threshold = mtcnn.THRESHOLDS

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Find every face of each RGB frame (H, W, 3), largest first; sizes may differ.

        A frame whose shorter side is under 20 px has no face.
        """
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, rgb in enumerate(frames):
            by_shape.setdefault(rgb.shape, []).append(index)
        found = [_no_faces() for _ in frames]
        for shape, indices in by_shape.items():
            if min(shape[:2]) < self._smallest_px:
                continue
            for first in range(0, len(indices), _BATCH):
                batch = indices[first : first + _BATCH]
                for index, faces in zip(
                    batch, self._detect_equal([frames[i] for i in batch]), strict=True
                ):
                    found[index] = faces
        return found

    def _detect_equal(self, frames: list[NDArray[np.uint8]]) -> list[Faces]:
        height, width = frames[0].shape[:2]
        scale = min(1.0, self.detect_px / max(height, width))
        # MTCNN raises below its smallest face: a very flat frame is scaled down less.
        scale = max(scale, self._smallest_px / min(height, width))
        if scale < 1.0:
            size = (
                max(self._smallest_px, round(width * scale)),
                max(self._smallest_px, round(height * scale)),
            )
            frames = [_reduced(rgb, size) for rgb in frames]
        to_frame = np.array([width / frames[0].shape[1], height / frames[0].shape[0]], np.float32)
        out = []
        for found in self._cascade.detect(np.stack(frames)):
            box_xyxy = found.box_xyxy * np.tile(to_frame, 2)
            keep = _plausible(box_xyxy, height, width)
            points = (found.points_xy * to_frame)[keep]
            out.append(Faces(box_xyxy[keep], points, found.confidence[keep]))
        return out

    def follow(self, frame: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Faces:
        """Refine expected boxes (K, 4) in an RGB frame: K faces, row by row.

        A face that is not found keeps its expected box and has confidence 0.
        """
        found = self._refine(frame, boxes)
        settled = np.diagonal(iou(boxes, found.box_xyxy))
        again: dict[int, NDArray[np.float32]] = {}
        for k in range(len(boxes)):
            if found.confidence[k] == 0.0:
                nearby = self._look_around(frame, boxes[k])
                if nearby is not None:
                    again[k] = nearby
            elif settled[k] < _SETTLED_IOU:
                again[k] = found.box_xyxy[k]
        if again:
            better = self._refine(frame, np.stack(list(again.values())))
            for row, k in enumerate(again):
                if better.confidence[row] > 0.0:
                    found.box_xyxy[k] = better.box_xyxy[row]
                    found.landmarks_xy[k] = better.landmarks_xy[row]
                    found.confidence[k] = better.confidence[row]
        return found

    def _refine(self, frame: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Faces:
        """O-Net on the squares of `boxes` (K, 4)."""
        out = Faces(
            boxes.astype(np.float32, copy=True),
            np.zeros((len(boxes), 5, 2), np.float32),
            np.zeros(len(boxes), np.float32),
        )
        cuts = _cut_all(frame, [face_square(box, 0.0) for box in boxes], 48)
        if not cuts:
            return out
        with torch.inference_mode():
            shift, points, score = self._onet(self._batch([crop for _, _, crop in cuts]))
        for (row, square, _), d, p, s in zip(
            cuts, shift.cpu().numpy(), points.cpu().numpy(), score.cpu().numpy(), strict=True
        ):
            box = _regressed(square, d)
            if s[1] > self._onet_threshold and _plausible(box[None], *frame.shape[:2])[0]:
                out.box_xyxy[row] = box
                out.landmarks_xy[row] = np.array(square[:2]) + p.reshape(2, 5).T * square[2]
                out.confidence[row] = s[1]
        return out

    def _look_around(
        self, frame: NDArray[np.uint8], box: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """The best of R-Net's boxes on shifted and scaled squares around `box`, if any passes."""
        left, top, side = face_square(box, 0.0)
        squares = []
        for growth, right, down in product(_GROWTHS, _SHIFTS, _SHIFTS):
            larger = max(2, round(side * growth))
            slack = (side - larger) / 2.0
            squares.append(
                (round(left + slack + right * side), round(top + slack + down * side), larger)
            )
        cuts = _cut_all(frame, squares, 24)
        if not cuts:
            return None
        with torch.inference_mode():
            shift, score = self._rnet(self._batch([crop for _, _, crop in cuts]))
        best = int(score[:, 1].argmax())
        if float(score[best, 1]) <= self._rnet_threshold:
            return None
        return _regressed(cuts[best][1], shift[best].cpu().numpy())

    def _batch(self, crops: list[NDArray[np.uint8]]) -> torch.Tensor:
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(self._device)
        return (pixels.float() - 127.5) * 0.0078125  # as facenet_pytorch scales them


def _reduced(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`rgb` at a smaller size (W, H) by the means of areas, as `cv2.INTER_AREA` has it.

    Of blocks of 3 x 3, from 1920 to 640 px, a box filter has the same means to the bit in half the
    time; of larger ones it takes longer, or rounds a mean that lies in the middle another way.
    """
    height, width = rgb.shape[:2]
    if (width, height) == (3 * size[0], 3 * size[1]):
        means = cv2.blur(rgb, (3, 3), anchor=(0, 0))
        return np.asarray(cv2.resize(means, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _no_faces() -> Faces:
    return Faces(
        np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32)
    )


def _cut_all(
    frame: NDArray[np.uint8], squares: list[tuple[int, int, int]], size_px: int
) -> list[tuple[int, tuple[int, int, int], NDArray[np.uint8]]]:
    """Row, square and crop of those squares that touch the frame."""
    cuts = [
        (row, square, cut_square(frame, *square, size_px)) for row, square in enumerate(squares)
    ]
    return [(row, square, crop) for row, square, crop in cuts if crop is not None]


def _regressed(square: tuple[int, int, int], shift: NDArray[np.float32]) -> NDArray[np.float32]:
    left, top, side = square
    corners = np.array([left, top, left + side, top + side], np.float32)
    return np.asarray(corners + shift * side, np.float32)


def _plausible(boxes: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
    """Which boxes (K, 4) have a centre inside the frame and at least 4 px a side."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2.0
    inside = np.all((centre >= 0.0) & (centre < np.array([width, height])), axis=1)
    return np.asarray(inside & np.all(boxes[:, 2:] - boxes[:, :2] >= 4.0, axis=1), np.bool_)
