"""One face through time: its rows, where it should be next, and which detection is it.

Detections are given to trails best first by the overlap of enlarged boxes, first enlarged a little,
then more for what is left (Yang et al., "Hard to track objects with irregular motions and similar
appearances? Make it easier by buffering the matching space", WACV 2023). A face moves with constant
velocity, as in SORT (Bewley et al., ICIP 2016), by at most half its size a sample.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfexplain.faces import Faces, iou
from dfexplain.structures import FaceTrack, Frame

__all__ = ["Seen", "Trail", "near", "pair_up"]

MIN_OVERLAP = 0.3  # of enlarged boxes
_ENLARGED = 0.3  # of a box's width and height, on each side: equal boxes up to 0.86 widths apart
_ENLARGED_MORE = 0.8  # 1.4 widths apart
_MOST_STEP = 0.5  # of a box's longer side that motion may move an expected box
_MOTION_S = 1.0  # motion seen longer ago says nothing


@dataclass(frozen=True)
class Seen:
    """A face in one frame; `sample` counts the frames of the video in the order they came."""

    sample: int
    frame_index: int
    time_s: float
    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    confidence: float
    detected: bool

    @classmethod
    def take(cls, faces: Faces, k: int, frame: Frame, sample: int, *, detected: bool) -> Seen:
        """Face `k` of `faces` as seen in `frame`."""
        return cls(
            sample=sample,
            frame_index=-1 if frame.index is None else frame.index,
            time_s=frame.time_s,
            box_xyxy=faces.box_xyxy[k],
            landmarks_xy=faces.landmarks_xy[k],
            confidence=float(faces.confidence[k]),
            detected=detected,
        )


@dataclass
class Trail:
    """The rows of one face in one shot, by sample."""

    key: int
    shot: int
    seen: list[Seen] = field(default_factory=list)
    handed_out: int = 0

    @property
    def confidence(self) -> float:
        """Mean over the rows, 0..1."""
        return float(np.mean([row.confidence for row in self.seen]))

    def at(self, sample: int) -> Seen | None:
        """The row of that sample, if there is one."""
        i = self._place(sample)
        return self.seen[i] if i < len(self.seen) and self.seen[i].sample == sample else None

    def add(self, row: Seen) -> None:
        """Put a row in its place; a detected one replaces the followed one of its frame."""
        i = self._place(row.sample)
        self.seen[i : i + (self.at(row.sample) is not None)] = [row]

    def expected(self, sample: int, time_s: float) -> NDArray[np.float32]:
        """The box (4,) the face should have: between the rows around `sample`, or moved on."""
        i = self._place(sample)
        if 0 < i < len(self.seen):
            a, b = self.seen[i - 1], self.seen[i]
            w = (time_s - a.time_s) / (b.time_s - a.time_s)
            return np.asarray((1.0 - w) * a.box_xyxy + w * b.box_xyxy, np.float32)
        near, far = (self.seen[0], self.seen[1:2]) if i == 0 else (self.seen[-1], self.seen[-2:-1])
        if not far or abs(near.time_s - far[0].time_s) > _MOTION_S:
            return near.box_xyxy
        pace = (near.box_xyxy - far[0].box_xyxy) / (near.time_s - far[0].time_s)
        step = (pace[:2] + pace[2:]) / 2.0 * (time_s - near.time_s)
        most = _MOST_STEP * float(np.max(near.box_xyxy[2:] - near.box_xyxy[:2]))
        return np.asarray(near.box_xyxy + np.tile(np.clip(step, -most, most), 2), np.float32)

    def to_track(self) -> FaceTrack:
        """All rows as parallel arrays."""
        return FaceTrack(
            frame_index=np.array([row.frame_index for row in self.seen], np.int64),
            time_s=np.array([row.time_s for row in self.seen], np.float64),
            box_xyxy=np.stack([row.box_xyxy for row in self.seen]),
            landmarks_xy=np.stack([row.landmarks_xy for row in self.seen]),
            confidence=np.array([row.confidence for row in self.seen], np.float32),
            detected=np.array([row.detected for row in self.seen], np.bool_),
            shot=np.full(len(self.seen), self.shot, np.int64),
        )

    def _place(self, sample: int) -> int:
        return bisect_left(self.seen, sample, key=lambda row: row.sample)


def near(
    boxes_a: NDArray[np.float32], boxes_b: NDArray[np.float32], enlarged: float = _ENLARGED
) -> NDArray[np.float64]:
    """Overlap (K, M) of boxes (K, 4) and (M, 4) after each is enlarged on every side, 0..1."""
    outward = enlarged * np.array([-1.0, -1.0, 1.0, 1.0])
    a, b = (
        np.asarray(boxes + np.tile(boxes[:, 2:] - boxes[:, :2], 2) * outward, np.float32)
        for boxes in (boxes_a, boxes_b)
    )
    return iou(a, b)


def pair_up(
    expected: NDArray[np.float32], boxes: NDArray[np.float32], steady: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Pairs (trail, box) of expected boxes (T, 4) and found ones (K, 4), each used once.

    Trails that are `steady` (T,), seen a moment ago, may also take a box further away of those that
    the others left.
    """
    pairs: list[tuple[int, int]] = []
    for overlap in (
        near(expected, boxes),
        near(expected, boxes, _ENLARGED_MORE) * steady[:, None],
    ):
        for flat in np.argsort(-overlap, axis=None, kind="stable"):
            t, k = divmod(int(flat), len(boxes))
            if overlap[t, k] < MIN_OVERLAP:
                break
            if all(t != trail and k != box for trail, box in pairs):
                pairs.append((t, k))
    return pairs
