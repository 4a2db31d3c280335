"""Tracks of faces that never cross a shot cut, and the crops that models see.

Every eighth sampled frame is searched by full detection, and the first one of each shot. The frame
in the middle between two searches is searched as well, unless both found the same faces beyond
doubt: who is seen by neither has too little support for a track anyway. In between each known
face is followed: O-Net on the box where its last motion lets it be expected. Only a face that is
lost this way has its frame searched too. What a search finds for the first time is followed
backward over the frames since the search before it. No row is invented: MTCNN saw each of them in
that very frame.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain.faces import FaceDetector, Faces, cut_square, face_square, iou
from dfexplain.shots import CutDetector
from dfexplain.structures import FaceTrack, Frame
from dfexplain.trails import MIN_OVERLAP, Seen, Trail, near, pair_up

__all__ = ["MIN_CONFIDENCE_ALONE", "MOST_FACES", "TrackedFace", "Tracker", "Tracks", "crop_face"]

MOST_FACES = 64
"""So many faces of a frame are followed, the largest: what a file costs is bounded."""

_SEARCH_EVERY = 4  # and only every second one of these where nobody comes or goes
_MAX_UNSEEN = 8  # samples after which a face that comes back is a new trail
_SAME_FACE_IOU = 0.5  # from which two boxes of a frame are one face
_MIN_ROWS = 3
_MIN_HITS = 2
_MIN_CONFIDENCE = 0.9
MIN_CONFIDENCE_ALONE = 0.99
"""Of a face that was seen in one frame or two, and in all that there are."""
_CROWD_NOTE = f"more than {MOST_FACES} faces in a frame: the largest {MOST_FACES} were followed"


@dataclass(frozen=True)
class TrackedFace:
    """One face in one frame of a chunk, to be cropped and scored at once.

    `position` is the index of its frame in the chunk. `row` counts the faces of this `track_key`
    from 0: it is the row of the FaceTrack that `Tracker.finish` may give under this key. `detected`
    is False where the face was followed from its neighbours.
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
    """What is known at the end: supported tracks by key, times of cuts, frames with such a face.

    Small faces are among them: what they are worth is for others to say, by the size of their
    boxes. A cut's time is that of the first sampled frame after it. `notes` say what a reader
    should know of how they were found.
    """

    tracks: dict[int, FaceTrack]
    cuts_s: tuple[float, ...]
    frames_with_face: int
    notes: tuple[str, ...] = ()


class Tracker:
    """Finds and follows faces through chunks of frames given in time order; one a video.

    Chunks of any length do; multiples of eight waste no detection. The same frames in the same
    chunks give the same tracks. Frames are not kept, only boxes.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._cutter = CutDetector()
        self._live: list[Trail] = []
        self._touched: dict[int, Trail] = {}
        self._supported: dict[int, Trail] = {}
        self._keys = 0
        self._samples = 0
        self._last_s = -np.inf
        self._searched: list[int] = []  # samples on which a full detection ran
        self._shot_start = 0
        self._cuts_s: list[float] = []
        self._crowded = False

    def update(self, frames: Sequence[Frame]) -> list[TrackedFace]:
        """Faces of the next frames, ordered by position, then by key. Frames may be forgotten.

        A frame whose time does not rise above the last one's is passed over.
        """
        self._touched = {}
        rising = [p for p, frame in enumerate(frames) if self._is_next(frame)]
        cuts = {p: self._cutter.is_cut(frames[p].rgb) for p in rising}
        found = self._searches(frames, rising, cuts)
        position_of: dict[int, int] = {}
        start = self._samples
        for p in rising:
            sample = self._samples
            position_of[sample] = p
            if cuts[p]:
                self._retire(self._live)
                self._cuts_s.append(frames[p].time_s)
                start = self._shot_start = sample
            if self._step(frames[p], found.get(p)):
                for earlier in range(sample - 1, start - 1, -1):
                    self._fill_back(frames[position_of[earlier]], earlier)
                start = sample + 1
        return self._hand_out(position_of)

    def finish(self) -> Tracks:
        """The tracks with enough support, each with all its rows.

        Enough is: at least 3 rows of a mean confidence of at least 0.9, and found by at least 2 of
        the full detections, and half of those, that were made between the first row and the last.
        In a shot of only 1 or 2 samples the face must be in all of them with at least 0.99.
        """
        self._retire(self._live)
        kept = self._supported
        return Tracks(
            tracks={key: kept[key].to_track() for key in sorted(kept)},
            cuts_s=tuple(self._cuts_s),
            frames_with_face=len({row.sample for trail in kept.values() for row in trail.seen}),
            notes=(_CROWD_NOTE,) if self._crowded else (),
        )

    def _searches(
        self, frames: Sequence[Frame], rising: list[int], cuts: dict[int, bool]
    ) -> dict[int, Faces]:
        """The faces of those of the `rising` positions on which a full detection is made."""
        planned = rising[::-1][::_SEARCH_EVERY]
        first = rising[:1] if self._samples == 0 else []
        sure = sorted({*first, *planned[::2], *(p for p in rising if cuts[p])})
        found = self._detected(frames, sure)
        unsure = []
        for middle in sorted({*planned} - {*sure}):
            after = min(p for p in sure if p > middle)
            before = max((p for p in sure if p < middle), default=None)
            known = self._known(frames[after]) if before is None else found[before]
            if cuts[after] or known is None or not _same(known, found[after]):
                unsure.append(middle)
        return found | self._detected(frames, unsure)

    def _detected(self, frames: Sequence[Frame], positions: list[int]) -> dict[int, Faces]:
        faces = self._detector.detect([frames[p].rgb for p in positions])
        return dict(zip(positions, faces, strict=True))

    def _known(self, frame: Frame) -> Faces | None:
        """The faces of the last frame where they should be in one to come, without landmarks; None
        if one that is lost may come back."""
        if any(trail.seen[-1].sample < self._samples - 1 for trail in self._live):
            return None
        boxes = [trail.expected(self._samples, frame.time_s) for trail in self._live]
        return Faces(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.zeros((len(boxes), 5, 2), np.float32),
            np.array([trail.confidence for trail in self._live], np.float32),
        )

    def _is_next(self, frame: Frame) -> bool:
        last, self._last_s = self._last_s, max(self._last_s, frame.time_s)
        return frame.time_s > last

    def _step(self, frame: Frame, faces: Faces | None) -> bool:
        """Take the next frame; True where a full detection was made on it."""
        sample = self._samples
        self._samples += 1
        self._retire([t for t in self._live if sample - t.seen[-1].sample > _MAX_UNSEEN])
        fresh = [t for t in self._live if t.seen[-1].sample == sample - 1]
        if faces is None:
            lost = self._follow(fresh, frame, sample)
            if not any(trail.seen[-1].confidence >= _MIN_CONFIDENCE for trail in lost):
                return False
            faces = self._detector.detect([frame.rgb])[0]
            self._search(faces, frame, sample)
        else:
            self._search(faces, frame, sample)
            self._follow([t for t in fresh if not self._forsaken(t, sample)], frame, sample)
        return True

    def _forsaken(self, trail: Trail, sample: int) -> bool:
        """True where neither this full detection nor the one before it found the face."""
        searched = self._searched[-2:]
        return not any(row is not None and row.detected for row in map(trail.at, searched))

    def _follow(self, trails: list[Trail], frame: Frame, sample: int) -> list[Trail]:
        """Follow those of `trails` that have no row in this frame yet; give back the lost ones."""
        trails = [trail for trail in trails if trail.at(sample) is None]
        if not trails:
            return []
        expected = np.stack([trail.expected(sample, frame.time_s) for trail in trails])
        faces = self._detector.follow(frame.rgb, expected)
        agreement = np.diagonal(near(expected, faces.box_xyxy))
        lost = []
        for k in np.argsort(-agreement, kind="stable"):
            known = faces.confidence[k] > 0.0 and agreement[k] >= MIN_OVERLAP
            if known and not self._taken(faces.box_xyxy[k], sample):
                self._add(trails[k], Seen.take(faces, int(k), frame, sample, detected=False))
            else:
                lost.append(trails[k])
        return lost

    def _search(self, faces: Faces, frame: Frame, sample: int) -> None:
        """Give the faces of a full detection to the trails, and the rest to new trails."""
        self._searched.append(sample)
        self._crowded |= len(faces) > MOST_FACES
        free = set(range(min(len(faces), MOST_FACES)))
        if self._live and free:
            expected = np.stack([trail.expected(sample, frame.time_s) for trail in self._live])
            steady = np.array([trail.seen[-1].sample >= sample - 1 for trail in self._live])
            for t, k in pair_up(expected, faces.box_xyxy[:MOST_FACES], steady):
                self._add(self._live[t], Seen.take(faces, k, frame, sample, detected=True))
                free.discard(k)
        for k in sorted(free):
            if not self._taken(faces.box_xyxy[k], sample):
                self._live.append(Trail(self._keys, len(self._cuts_s)))
                self._keys += 1
                self._add(self._live[-1], Seen.take(faces, k, frame, sample, detected=True))

    def _fill_back(self, frame: Frame, sample: int) -> None:
        """Follow backward into this frame what was found in the next one and is missing here."""
        self._follow(
            [trail for trail in self._live if trail.at(sample + 1) is not None], frame, sample
        )

    def _taken(self, box: NDArray[np.float32], sample: int) -> bool:
        rows = [row.box_xyxy for row in (t.at(sample) for t in self._live) if row is not None]
        return bool(rows) and float(iou(box[None], np.stack(rows)).max()) > _SAME_FACE_IOU

    def _add(self, trail: Trail, row: Seen) -> None:
        trail.add(row)
        self._touched[trail.key] = trail

    def _retire(self, trails: list[Trail]) -> None:
        gone = {trail.key for trail in trails}
        self._live = [trail for trail in self._live if trail.key not in gone]
        self._supported |= {trail.key: trail for trail in trails if self._has_support(trail)}

    def _has_support(self, trail: Trail) -> bool:
        shot_samples = self._samples - self._shot_start
        if shot_samples < _MIN_ROWS:
            whole = len(trail.seen) == shot_samples
            return whole and trail.confidence >= MIN_CONFIDENCE_ALONE
        hits = sum(row.detected for row in trail.seen)
        first, last = trail.seen[0].sample, trail.seen[-1].sample
        searches = bisect_left(self._searched, last + 1) - bisect_left(self._searched, first)
        shot_searches = len(self._searched) - bisect_left(self._searched, self._shot_start)
        return (
            len(trail.seen) >= _MIN_ROWS
            and trail.confidence >= _MIN_CONFIDENCE
            and hits >= max(min(_MIN_HITS, shot_searches), searches / 2)
        )

    def _hand_out(self, position_of: dict[int, int]) -> list[TrackedFace]:
        out = []
        for trail in self._touched.values():
            for row in trail.seen[trail.handed_out :]:
                out.append(
                    TrackedFace(
                        track_key=trail.key,
                        row=trail.handed_out,
                        position=position_of[row.sample],
                        frame_index=row.frame_index,
                        time_s=row.time_s,
                        box_xyxy=row.box_xyxy,
                        landmarks_xy=row.landmarks_xy,
                        confidence=row.confidence,
                        detected=row.detected,
                        shot=trail.shot,
                    )
                )
                trail.handed_out += 1
        return sorted(out, key=lambda face: (face.position, face.track_key))


def _same(known: Faces, found: Faces) -> bool:
    """Whether both are the same faces, at about the same places, beyond doubt."""
    if len(known) != len(found) or len(known) > MOST_FACES:
        return False
    if any((faces.confidence < MIN_CONFIDENCE_ALONE).any() for faces in (known, found)):
        return False
    steady = np.ones(len(known), np.bool_)
    pairs = pair_up(known.box_xyxy, found.box_xyxy, steady) if len(known) else []
    return len(pairs) == len(known)


def crop_face(
    rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32], margin: float, size_px: int
) -> NDArray[np.uint8]:
    """Cut the square around a face box out of `rgb` (H, W, 3) and scale it to (S, S, 3).

    The square is centred on the box; its side is the box's longer side times 1 + 2 * margin. Where
    it leaves the frame the border is replicated.
    """
    crop = cut_square(rgb, *face_square(box_xyxy, margin), size_px)
    if crop is None:
        raise ValueError(f"box_xyxy must touch the frame, but got {box_xyxy.tolist()}.")
    return crop
