"""MTCNN's three networks on a batch of frames: the numbers of facenet_pytorch for less.

The steps, thresholds and roundings are those of facenet_pytorch's `detect_face` (MIT licence),
after Zhang et al., SPL 2016, sec. II. What differs is how they are computed. All means over areas,
of the image pyramid and of every candidate, are read from one summed-area table a frame (Crow,
SIGGRAPH 1984), exact to the integer. The first convolution of P-Net is widened from 10 to 16
channels with zeros, which vectors fit, and its two outputs are one convolution. Two frames of 640 x
360 take 60 to 75 ms of CPU time and not 80 to 100. `tests/test_cascade.py` holds one against the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Cascade", "Found"]

_CELL, _STRIDE = 12, 2  # px that P-Net sees at a place, and between two places
_FACTOR = 0.709
_WITHIN_SCALE, _ACROSS, _AFTER_REFINING, _AT_THE_END = 0.5, 0.7, 0.7, 0.7
# Candidates in one pass: a multiple of this, filled up with zeros. For every new number of them
# oneDNN writes new kernels, which takes longer than running a few more.
_ROUND = 8

Float = NDArray[np.float32]
Whole = NDArray[np.int64]
Table = NDArray[np.int32]


class Found(NamedTuple):
    """The K faces of a frame, largest first: boxes (K, 4) px, confidence (K,), points (K, 5, 2)."""

    box_xyxy: Float
    confidence: Float
    points_xy: Float


class Cascade:
    """The three networks and their thresholds; `min_face_px` in px of the frames given."""

    def __init__(
        self,
        pnet: nn.Module,
        rnet: nn.Module,
        onet: nn.Module,
        thresholds: Sequence[float],
        min_face_px: int,
    ) -> None:
        self._pnet = _widened(pnet)
        self._rnet, self._onet = rnet, onet
        self._thresholds = tuple(float(t) for t in thresholds)
        self._first_scale = _CELL / min_face_px
        self._device = next(pnet.parameters()).device

    @torch.inference_mode()
    def detect(self, frames: NDArray[np.uint8]) -> list[Found]:
        """The faces of each RGB frame of a batch (N, H, W, 3)."""
        tables = [_table(frame) for frame in frames]
        boxes, owner = self._proposed(tables)
        boxes, owner = self._refined(tables, boxes, owner)
        return self._last(tables, boxes, owner)

    def _proposed(self, tables: list[Table]) -> tuple[Float, Whole]:
        """P-Net's squares (K, 4) with the frame that each is of."""
        height, width = (side - 1 for side in tables[0].shape[:2])
        scale, least = self._first_scale, min(height, width) * self._first_scale
        parts: list[list[Float]] = [[] for _ in tables]
        while least >= _CELL:
            size = (int(height * scale + 1), int(width * scale + 1))
            small = np.stack([_resized(table, size) for table in tables])
            said = self._pnet(_scaled(small, self._device))
            # Of two classes the softmax is the sigmoid of the difference.
            score = torch.sigmoid(said[:, 1] - said[:, 0])
            which, row, column = (score >= self._thresholds[0]).nonzero(as_tuple=True)
            picked = torch.cat(
                [score[which, row, column][:, None], said[which, 2:, row, column]], dim=1
            )
            owner = which.cpu().numpy()
            where = np.stack([column.cpu().numpy(), row.cpu().numpy()], axis=1).astype(np.float32)
            corner = np.floor((_STRIDE * where + 1) / np.float32(scale))
            opposite = np.floor((_STRIDE * where + _CELL) / np.float32(scale))
            boxes = np.concatenate([corner, opposite, picked.cpu().numpy()], axis=1)
            for frame, part in enumerate(parts):
                own = boxes[owner == frame]
                part.append(own[_suppressed(own[:, :4], own[:, 4], _WITHIN_SCALE)])
            scale, least = scale * _FACTOR, least * _FACTOR
        kept, owners = [], []
        for frame, part in enumerate(parts):
            own = np.concatenate(part)
            own = own[_suppressed(own[:, :4], own[:, 4], _ACROSS)]
            sides = np.tile(own[:, 2:4] - own[:, :2], 2)
            kept.append(_squares(own[:, :4] + own[:, 5:] * sides))
            owners.append(np.full(len(own), frame))
        return np.concatenate(kept), np.concatenate(owners)

    def _refined(self, tables: list[Table], boxes: Float, owner: Whole) -> tuple[Float, Whole]:
        """The squares that R-Net keeps, moved as it says."""
        boxes, owner, crops = _crops(tables, boxes, owner, 24)
        if not len(boxes):
            return boxes, owner
        shift, both = self._passed(self._rnet, crops)
        score = both[:, 1]
        sure = score > self._thresholds[1]
        boxes, owner, shift, score = boxes[sure], owner[sure], shift[sure], score[sure]
        keep = _each(owner, boxes, score, _AFTER_REFINING)
        return _squares(_moved(boxes[keep], shift[keep])), owner[keep]

    def _last(self, tables: list[Table], boxes: Float, owner: Whole) -> list[Found]:
        """O-Net's faces of each frame."""
        boxes, owner, crops = _crops(tables, boxes, owner, 48)
        if not len(boxes):
            nothing = np.zeros((0, 4), np.float32)
            points = np.zeros((0, 5, 2), np.float32)
            return [Found(nothing, nothing[:, 0], points) for _ in tables]
        shift, marks, both = self._passed(self._onet, crops)
        score = both[:, 1]
        sure = score > self._thresholds[2]
        boxes, owner, shift, score = boxes[sure], owner[sure], shift[sure], score[sure]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        points = marks[sure].reshape(-1, 2, 5).transpose(0, 2, 1)
        points = points * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, shift)
        out = []
        for frame in range(len(tables)):
            mine = np.flatnonzero(owner == frame)
            mine = mine[_suppressed_inside(boxes[mine], score[mine], _AT_THE_END)]
            area = np.prod(boxes[mine, 2:] - boxes[mine, :2], axis=1)
            mine = mine[np.argsort(area)[::-1]]
            out.append(Found(boxes[mine], score[mine], points[mine].astype(np.float32)))
        return out

    def _passed(self, network: nn.Module, crops: Float) -> list[Float]:
        whole = np.zeros((-(-len(crops) // _ROUND) * _ROUND, *crops.shape[1:]), np.float32)
        whole[: len(crops)] = crops
        said = network(_scaled(whole, self._device))
        return [part.cpu().numpy()[: len(crops)] for part in said]


def _widened(pnet: nn.Module) -> nn.Module:
    """P-Net as one row of layers, its 10 channels made 16, its outputs (N, 2 + 4, h, w)."""
    old = {name: parameter.detach() for name, parameter in pnet.named_parameters()}
    layers = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.PReLU(16),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.Conv2d(16, 16, 3),
        nn.PReLU(16),
        nn.Conv2d(16, 32, 3),
        nn.PReLU(32),
        nn.Conv2d(32, 6, 1),
    )
    state = layers.state_dict()
    for name, was in (("0", "conv1"), ("1", "prelu1"), ("3", "conv2"), ("4", "prelu2")):
        for kind in ("weight", "bias"):
            if f"{was}.{kind}" in old:
                new = torch.zeros_like(state[f"{name}.{kind}"])
                new[tuple(slice(side) for side in old[f"{was}.{kind}"].shape)] = old[
                    f"{was}.{kind}"
                ]
                state[f"{name}.{kind}"] = new
    state |= {f"5.{kind}": old[f"conv3.{kind}"] for kind in ("weight", "bias")}
    state["6.weight"] = old["prelu3.weight"]
    for kind in ("weight", "bias"):
        state[f"7.{kind}"] = torch.cat([old[f"conv4_1.{kind}"], old[f"conv4_2.{kind}"]])
    layers.load_state_dict(state)
    layers = layers.to(next(pnet.parameters()).device).eval().requires_grad_(False)
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _scaled(pixels: Float, device: torch.device) -> Tensor:
    """Pixels (N, h, w, 3), which are overwritten, as the networks take them: (N, 3, h, w), channels
    last in memory."""
    pixels -= np.float32(127.5)
    pixels *= np.float32(0.0078125)
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)


def _table(frame: NDArray[np.uint8]) -> Table:
    """Sums (H + 1, W + 1, 3) over all pixels above and to the left. They may run over; their
    differences are right as long as one area's sum fits."""
    return np.asarray(cv2.integral(frame, sdepth=cv2.CV_32S), np.int32)


def _windows(length: NDArray[np.int64], parts: int) -> tuple[Whole, Whole]:
    """Where each of `parts` windows on `length` px begins and ends: (..., parts). They cover all
    px and overlap where the length is no multiple, as adaptive pooling has it."""
    part = np.arange(parts)
    spread = length[..., None]
    return part * spread // parts, -(-(part + 1) * spread // parts)


def _resized(table: Table, size: tuple[int, int]) -> Float:
    """The frame of a table at another size (h, w, 3)."""
    (top, bottom), (left, right) = (
        _windows(np.array(side - 1), parts)
        for side, parts in zip(table.shape[:2], size, strict=True)
    )
    area = ((bottom - top)[:, None] * (right - left)).astype(np.float32)
    sums = _sums(table, top, bottom, left, right).astype(np.float32)
    sums /= area[..., None]
    return sums


def _sums(table: Table, top: Whole, bottom: Whole, left: Whole, right: Whole) -> Table:
    """The sums over areas: (h, w, 3) for h tops and bottoms, w lefts and rights."""
    low, high = int(left[0]), int(right[-1]) + 1
    rows = table[bottom, low:high] - table[top, low:high]
    # All are in range: without a check of each, taking is twice as fast.
    return rows.take(right - low, axis=1, mode="clip") - rows.take(left - low, 1, mode="clip")


def _crops(
    tables: list[Table], boxes: Float, owner: Whole, size: int
) -> tuple[Float, Whole, Float]:
    """The boxes that touch their frame, their owners, and what is in them (K, size, size, 3)."""
    height, width = (side - 1 for side in tables[0].shape[:2])
    edges = np.trunc(boxes).astype(np.int64)
    first = np.maximum(edges[:, :2], 1) - 1
    last = np.minimum(edges[:, 2:], (width, height))
    touches = np.all(last > first, axis=1)
    boxes, owner, first, last = boxes[touches], owner[touches], first[touches], last[touches]
    (left, right), (top, bottom) = (
        _windows(last[:, axis] - first[:, axis], size) for axis in (0, 1)
    )
    area = ((bottom - top)[:, :, None] * (right - left)[:, None]).astype(np.float32)
    left, right = (edge + first[:, :1] for edge in (left, right))
    top, bottom = (edge + first[:, 1:] for edge in (top, bottom))
    crops = np.empty((len(boxes), size, size, 3), np.float32)
    for k, frame in enumerate(owner):
        crops[k] = _sums(tables[frame], top[k], bottom[k], left[k], right[k])
        crops[k] /= area[k][..., None]
    return boxes, owner, crops


def _squares(boxes: Float) -> Float:
    """Boxes (K, 4) grown to squares around their middles."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True, initial=0.0)
    corner = boxes[:, :2] + sides * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([corner, corner + side], axis=1)


def _moved(boxes: Float, shift: Float) -> Float:
    """Boxes moved by shares (K, 4) of their sides, both ends counted."""
    return np.asarray(boxes + shift * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2), np.float32)


def _suppressed(boxes: Float, score: Float, overlap: float) -> Whole:
    """Which boxes stay, best first, when each takes away those that overlap it by more."""
    if not len(boxes):
        return np.zeros(0, np.int64)
    corners = boxes.copy()
    corners[:, 2:] -= corners[:, :2]
    kept = cv2.dnn.NMSBoxes(corners.tolist(), score.tolist(), 0.0, overlap)
    return np.asarray(kept, np.int64).reshape(-1)


def _each(owner: Whole, boxes: Float, score: Float, overlap: float) -> Whole:
    """`_suppressed` within each frame."""
    parts = []
    for frame in np.unique(owner):
        mine = np.flatnonzero(owner == frame)
        parts.append(mine[_suppressed(boxes[mine], score[mine], overlap)])
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _suppressed_inside(boxes: Float, score: Float, overlap: float) -> Whole:
    """The same with the share of the smaller box, both ends of a side counted."""
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    left, kept = np.argsort(score), []
    while len(left):
        best, left = left[-1], left[:-1]
        kept.append(best)
        sides = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(
            boxes[best, :2], boxes[left, :2]
        )
        shared = np.prod(np.maximum(0.0, sides + 1), axis=1)
        left = left[shared / np.minimum(area[best], area[left]) <= overlap]
    return np.array(kept, np.int64)
