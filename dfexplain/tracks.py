"""Tracks of faces that never cross a shot cut, and the crops that models see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.faces import FaceDetector
from dfexplain.shots import CutDetector
from dfexplain.structures import FaceTrack, Frame

__all__ = ["TrackedFace", "Tracker", "Tracks", "crop_face"]


@dataclass(frozen=True)
class TrackedFace:
    """One face in one frame of a chunk, to be cropped and scored at once.

    `position` is the index of its frame in the chunk. `row` counts the faces of this `track_key`
    from 0: it is the row of the FaceTrack that `Tracker.finish` may give under this key.
    """

    track_key: int
    row: int
    position: int
    frame_index: int
    time_s: float
    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    confidence: float
    detected: bool
    shot: int


@dataclass(frozen=True)
class Tracks:
    """What is known at the end: supported tracks by key, times of cuts, frames with such a face."""

    tracks: dict[int, FaceTrack]
    cuts_s: tuple[float, ...]
    frames_with_face: int


@dataclass
class _Live:
    rows: list[TrackedFace] = field(default_factory=list)
    lost: int = 0


def iou(box_a: NDArray[np.float32], box_b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(box_a[2], box_b[2]) - max(box_a[0], box_b[0])
    height = min(box_a[3], box_b[3]) - max(box_a[1], box_b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box_a, box_b)]
    return float(width * height / (sum(areas) - width * height))


class Tracker:
    """Finds and follows faces through chunks of frames given in time order."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._cuts = CutDetector()
        self._live: dict[int, _Live] = {}
        self._all: dict[int, _Live] = {}
        self._cuts_s: list[float] = []

    def update(self, frames: Sequence[Frame]) -> list[TrackedFace]:
        """Faces of the next frames, ordered by position, then by key. Frames may be forgotten."""
        out: list[TrackedFace] = []
        for position, (frame, faces) in enumerate(
            zip(frames, self._detector.detect([f.rgb for f in frames]), strict=True)
        ):
            if self._cuts.is_cut(frame.rgb):
                self._cuts_s.append(frame.time_s)
                self._live = {}
            free = dict(self._live)
            found: list[TrackedFace] = []
            for k in range(len(faces)):
                key = max(
                    free,
                    key=lambda name: iou(free[name].rows[-1].box_xyxy, faces.box_xyxy[k]),
                    default=None,
                )
                if key is None or iou(free[key].rows[-1].box_xyxy, faces.box_xyxy[k]) < 0.2:
                    key = len(self._all)
                    self._all[key] = self._live[key] = _Live()
                else:
                    del free[key]
                track = self._live[key]
                track.lost = 0
                face = TrackedFace(
                    track_key=key,
                    row=len(track.rows),
                    position=position,
                    frame_index=-1 if frame.index is None else frame.index,
                    time_s=frame.time_s,
                    box_xyxy=faces.box_xyxy[k],
                    landmarks_xy=faces.landmarks_xy[k],
                    confidence=float(faces.confidence[k]),
                    detected=True,
                    shot=len(self._cuts_s),
                )
                track.rows.append(face)
                found.append(face)
            for key in free:
                self._live[key].lost += 1
            self._live = {k: t for k, t in self._live.items() if t.lost <= 8}
            out += sorted(found, key=lambda face: face.track_key)
        return out

    def finish(self) -> Tracks:
        """The tracks with enough support, each with all its rows."""
        kept = {key: t.rows for key, t in self._all.items() if len(t.rows) >= 3}
        return Tracks(
            tracks={key: _stack(rows) for key, rows in kept.items()},
            cuts_s=tuple(self._cuts_s),
            frames_with_face=len({row.time_s for rows in kept.values() for row in rows}),
        )


def _stack(rows: list[TrackedFace]) -> FaceTrack:
    return FaceTrack(
        frame_index=np.array([r.frame_index for r in rows], np.int64),
        time_s=np.array([r.time_s for r in rows], np.float64),
        box_xyxy=np.stack([r.box_xyxy for r in rows]),
        landmarks_xy=np.stack([r.landmarks_xy for r in rows]),
        confidence=np.array([r.confidence for r in rows], np.float32),
        detected=np.array([r.detected for r in rows], np.bool_),
        shot=np.array([r.shot for r in rows], np.int64),
    )


def crop_face(
    rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32], margin: float, size_px: int
) -> NDArray[np.uint8]:
    """Cut the square around a face box out of `rgb` (H, W, 3) and scale it to (S, S, 3).

    The square is centred on the box; its side is the box's longer side times 1 + 2 * margin. Where
    it leaves the frame the border is replicated.
    """
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = max(2, round(max(x1 - x0, y1 - y0) * (1.0 + 2.0 * margin)))
    left = round((x0 + x1 - side) / 2.0)
    top = round((y0 + y1 - side) / 2.0)
    height, width = rgb.shape[:2]
    inner = rgb[max(0, top) : max(0, min(height, top + side)), max(0, left) : max(0, left + side)]
    if inner.size == 0:
        raise ValueError(f"box_xyxy must touch the frame, but got {box_xyxy.tolist()}.")
    if inner.shape[:2] != (side, side):
        inner = cv2.copyMakeBorder(
            inner,
            max(0, -top),
            max(0, top + side - height),
            max(0, -left),
            max(0, left + side - width),
            cv2.BORDER_REPLICATE,
        )
    shrink = side > size_px
    return np.asarray(
        cv2.resize(
            inner,
            (size_px, size_px),
            interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR,
        ),
        np.uint8,
    )
