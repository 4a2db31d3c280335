"""Who finds the faces of a file: a tracker in a video, a detector in a picture, or the memory of an
earlier look at the same file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.faces import FaceDetector, Faces
from dfexplain.structures import FaceTrack, Frame
from dfexplain.tracks import MIN_CONFIDENCE_ALONE, TrackedFace, Tracker, Tracks

__all__ = ["Finder", "Memory", "PictureFinder", "finder_for"]

# Of the longer side. MTCNN misses a face of which the picture cuts off the rim; with so much around
# it, it finds more of them.
_MARGIN = 0.4
_LEAST_SHOWN = 0.5  # of a face's box; of the rest one knows nothing
_MARGIN_NOTE = "a face was found only after a margin was added, which repeats the picture's edge"


class Finder(Protocol):
    """What the detector asks of whoever finds faces. See `tracks.Tracker`."""

    def update(self, frames: Sequence[Frame]) -> list[TrackedFace]:
        """Faces of the next frames, ordered by position, then by key."""

    def finish(self) -> Tracks:
        """The tracks with enough support, each with all its rows."""


def finder_for(kind: str, detector: FaceDetector) -> Finder:
    """A finder for one file of this `VideoInfo.kind`."""
    return PictureFinder(detector) if kind == "image" else Tracker(detector)


class PictureFinder:
    """Finds the faces of a single picture, each a track of one row, from left to right.

    A face counts from the confidence that the tracker asks of one seen in a frame or two. Where
    none is found the picture gets a margin, its edge repeated, and is searched again: a face crop.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._tracks = Tracks({}, (), 0)

    def update(self, frames: Sequence[Frame]) -> list[TrackedFace]:
        """The faces of the one frame (a list of one). A second picture would be a mistake."""
        (frame,) = frames
        faces, padded = self._find(frame.rgb)
        left_first = np.argsort(faces.box_xyxy[:, 0], kind="stable").tolist()
        out = [
            TrackedFace(
                track_key=key,
                row=0,
                position=0,
                frame_index=0,
                time_s=frame.time_s,
                box_xyxy=faces.box_xyxy[k],
                landmarks_xy=faces.landmarks_xy[k],
                confidence=float(faces.confidence[k]),
                detected=True,
                shot=0,
            )
            for key, k in enumerate(left_first)
        ]
        notes = (_MARGIN_NOTE,) if padded else ()
        tracks = {face.track_key: _track(face) for face in out}
        self._tracks = Tracks(tracks, (), int(bool(out)), notes)
        return out

    def finish(self) -> Tracks:
        """A track a face."""
        return self._tracks

    def _find(self, rgb: NDArray[np.uint8]) -> tuple[Faces, bool]:
        """The faces, and whether a margin was needed to find them."""
        found = _shown(self._detector.detect([rgb])[0], 0, rgb)
        if len(found):
            return found, False
        margin = round(_MARGIN * max(rgb.shape[:2]))
        wide = cv2.copyMakeBorder(rgb, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        found = _shown(self._detector.detect([np.asarray(wide, np.uint8)])[0], margin, rgb)
        return found, len(found) > 0


def _shown(found: Faces, margin: int, rgb: NDArray[np.uint8]) -> Faces:
    """Those faces that are sure and lie in the picture for the better part, in its pixels."""
    boxes = found.box_xyxy - np.float32(margin)
    edge = np.array([rgb.shape[1], rgb.shape[0]], np.float32)
    seen = np.minimum(boxes[:, 2:], edge) - np.maximum(boxes[:, :2], 0)
    share = np.prod(np.maximum(seen, 0) / np.maximum(boxes[:, 2:] - boxes[:, :2], 1), axis=1)
    keep = (found.confidence >= MIN_CONFIDENCE_ALONE) & (share >= _LEAST_SHOWN)
    points = found.landmarks_xy - np.float32(margin)
    return Faces(boxes[keep], points[keep], found.confidence[keep])


def _track(face: TrackedFace) -> FaceTrack:
    return FaceTrack(
        frame_index=np.array([face.frame_index], np.int64),
        time_s=np.array([face.time_s], np.float64),
        box_xyxy=face.box_xyxy[None],
        landmarks_xy=face.landmarks_xy[None],
        confidence=np.array([face.confidence], np.float32),
        detected=np.array([True]),
        shot=np.zeros(1, np.int64),
    )


class Memory:
    """Remembers what was found in a file, for other weights that look at the same file in the same
    chunks: finding faces costs most and does not depend on weights."""

    def __init__(self) -> None:
        self._finder: Finder | None = None
        self._said: list[list[TrackedFace]] = []
        self._tracks: Tracks | None = None
        self._next = 0

    def finder_for(self, kind: str, detector: FaceDetector) -> Finder:
        """A finder that looks the first time and remembers from then on."""
        if self._finder is None:
            self._finder = finder_for(kind, detector)
        self._next = 0
        return self

    def update(self, frames: Sequence[Frame]) -> list[TrackedFace]:
        """As `Tracker.update`, or what it said of this chunk the first time."""
        assert self._finder is not None
        if self._tracks is None:
            self._said.append(self._finder.update(frames))
        self._next += 1
        return self._said[self._next - 1]

    def finish(self) -> Tracks:
        """As `Tracker.finish`, or what it said the first time."""
        assert self._finder is not None
        if self._tracks is None:
            self._tracks = self._finder.finish()
        return self._tracks
