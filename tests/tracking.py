"""Trackers under watch: a detector that counts, one with a script, and checks of every run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfexplain.faces import FaceDetector, Faces, iou
from dfexplain.structures import Frame
from dfexplain.tracks import TrackedFace, Tracker, Tracks
from tests.portraits import Image

STEP_S = 0.3
Boxes = NDArray[np.float32]


class Counting(FaceDetector):
    """The real detector, with a count of the frames that it searched."""

    searched = 0

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.searched += len(frames)
        return super().detect(frames)


class Scripted(FaceDetector):
    """Says what a script holds: per frame (told apart by its first pixel) boxes and confidences.

    `found` is what a full detection sees, `felt` what following confirms near an expected box.
    """

    def __init__(
        self,
        found: dict[int, list[tuple[Sequence[float], float]]],
        felt: dict[int, list[tuple[Sequence[float], float]]] | None = None,
    ) -> None:
        self.found, self.felt = found, found if felt is None else felt
        self.searches: list[int] = []

    def detect(self, frames: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        numbers = [int(rgb[0, 0, 0]) for rgb in frames]
        self.searches += numbers
        return [self._faces(self.found.get(n, [])) for n in numbers]

    def follow(self, frame: NDArray[np.uint8], boxes: Boxes) -> Faces:
        here = self._faces(self.felt.get(int(frame[0, 0, 0]), []))
        out = self._faces([(box, 0.0) for box in boxes])
        if len(here):
            overlap = iou(boxes, here.box_xyxy)
            for k, best in enumerate(overlap.argmax(axis=1)):
                if overlap[k, best] > 0:
                    out.box_xyxy[k] = here.box_xyxy[best]
                    out.confidence[k] = here.confidence[best]
        return out

    def _faces(self, rows: Sequence[tuple[Sequence[float] | Boxes, float]]) -> Faces:
        return Faces(
            np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
            np.zeros((len(rows), 5, 2), np.float32),
            np.array([c for _, c in rows], np.float32),
        )


def numbered(count: int, step_s: float = STEP_S) -> list[Frame]:
    """Plain frames of one shot, each carrying its number in its first pixel."""
    frames = []
    for i in range(count):
        rgb = np.tile(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (48, 1, 3))
        rgb[0, 0] = i
        frames.append(Frame(i, i * step_s, rgb))
    return frames


def timed(pictures: Sequence[Image], step_s: float = STEP_S) -> list[Frame]:
    return [Frame(i, i * step_s, rgb) for i, rgb in enumerate(pictures)]


def track(
    frames: Sequence[Frame], detector: FaceDetector, chunk: int = 8
) -> tuple[Tracks, dict[int, list[TrackedFace]]]:
    """Run a tracker; check on the way what holds for every run."""
    tracker = Tracker(detector)
    told: dict[int, list[TrackedFace]] = defaultdict(list)
    for start in range(0, len(frames), chunk):
        part = frames[start : start + chunk]
        faces = tracker.update(part)
        order = [(f.position, f.track_key) for f in faces]
        assert order == sorted(set(order))
        for face in faces:
            frame = part[face.position]
            assert (face.frame_index, face.time_s) == (frame.index, frame.time_s)
            assert face.row == len(told[face.track_key])
            told[face.track_key].append(face)
    result = tracker.finish()
    for key, rows in result.tracks.items():
        assert len(rows) == len(told[key])
        for i, face in enumerate(told[key]):
            assert rows.time_s[i] == face.time_s
            assert rows.frame_index[i] == face.frame_index
            assert rows.detected[i] == face.detected
            assert rows.shot[i] == face.shot
            np.testing.assert_array_equal(rows.box_xyxy[i], face.box_xyxy)
            np.testing.assert_array_equal(rows.landmarks_xy[i], face.landmarks_xy)
        assert not set(result.cuts_s) & set(rows.time_s[1:]), "a track went over a cut"
        assert len(set(rows.shot)) == 1
    times = {t for rows in result.tracks.values() for t in rows.time_s}
    assert result.frames_with_face == len(times)
    return result, told
