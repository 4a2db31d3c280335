"""Tracks: who is linked to whom, what counts, what is forgotten, what is searched how often."""

from __future__ import annotations

import gc
import os
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.faces import FaceDetector, Faces, iou
from dfexplain.structures import Frame, Sampling
from dfexplain.tracks import TrackedFace, Tracker, Tracks, crop_face
from tests.portraits import Image, backdrop, paste

STEP_S = 0.3
WIDTH, HEIGHT = 640, 360
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


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def room(seed: int) -> Image:
    return backdrop(seed, WIDTH, HEIGHT)


def moving(
    seed: int,
    paths: Sequence[Callable[[int], tuple[float, float] | None]],
    count: int,
    width_px: float = 120,
) -> list[Frame]:
    """Heads 0, 1, 2 on their paths through a room; a path may answer None: not there."""
    pictures = []
    for i in range(count):
        scene = room(seed)
        for who, path in enumerate(paths):
            spot = path(i)
            if spot is not None:
                scene = paste(scene, who, spot, width_px)
        pictures.append(scene)
    return timed(pictures)


def centres(boxes: Boxes) -> NDArray[np.float64]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float64)


# with MTCNN


def test_one_moving_face_is_one_track_close_to_full_resolution() -> None:
    counting = Counting()
    frames = moving(1, [lambda i: (120 + 20 * i, 160 + 30 * np.sin(i / 3))], 20)
    result, _ = track(frames, counting)
    (face,) = result.tracks.values()
    assert len(face) == 20
    assert result.cuts_s == ()
    assert result.frames_with_face == 20
    assert counting.searched == 1 + 20 // 4
    assert face.detected.sum() == counting.searched
    plain = MTCNN(keep_all=True, post_process=False)
    for row in (1, 6, 13, 18):
        assert not face.detected[row]
        boxes, _ = plain.detect(frames[row].rgb)
        assert iou(face.box_xyxy[row : row + 1], np.asarray(boxes, np.float32)).max() > 0.8
    assert face.confidence.min() > 0.9


def test_three_faces_are_three_tracks_at_the_price_of_one() -> None:
    counting = Counting()
    paths = [
        lambda i: (110 + 4 * i, 120),
        lambda i: (320, 110 + 8 * i),
        lambda i: (540 - 6 * i, 240 - 4 * i),
    ]
    result, _ = track(moving(2, paths, 16), counting)
    assert [len(face) for face in result.tracks.values()] == [16, 16, 16]
    assert counting.searched == 5


def test_two_faces_that_cross_keep_their_names() -> None:
    paths = [lambda i: (80 + 26 * i, 150), lambda i: (560 - 26 * i, 210)]
    result, _ = track(moving(3, paths, 19, 90), FaceDetector())
    ends = {}
    for face in result.tracks.values():
        if len(face) < 12:
            continue
        x = centres(face.box_xyxy)[:, 0]
        ends[round(float(x[0]))] = float(x[-1] - x[0])
    assert len(ends) == 2, "each of both stays one long track"
    from_left, from_right = (ends[start] for start in sorted(ends))
    assert from_left > 350
    assert from_right < -350


def test_a_face_hidden_for_a_moment_goes_on_without_made_up_rows(detector: FaceDetector) -> None:
    gone = range(6, 10)
    frames = moving(4, [lambda i: None if i in gone else (200 + 8 * i, 180)], 18)
    result, _ = track(frames, detector)
    (face,) = result.tracks.values()
    assert list(face.frame_index) == [i for i in range(18) if i not in gone]
    assert result.frames_with_face == 14


def test_no_track_over_a_cut(detector: FaceDetector) -> None:
    pictures = [paste(room(5), 0, (300 + 3 * i, 180), 130) for i in range(7)]
    pictures += [paste(room(6), 1, (320 + 3 * i, 180), 130) for i in range(7)]
    result, _ = track(timed(pictures), detector)
    assert result.cuts_s == (7 * STEP_S,)
    first, second = result.tracks.values()
    assert list(first.frame_index) == [*range(7)]
    assert list(second.frame_index) == [*range(7, 14)]
    assert (first.shot[0], second.shot[0]) == (0, 1)


def test_key_frames_minutes_apart_each_of_its_own_shot(detector: FaceDetector) -> None:
    pictures = [paste(room(30 + i), i % 3, (250 + 20 * i, 180), 150) for i in range(8)]
    result, _ = track(timed(pictures, step_s=240.0), detector)
    assert len(result.cuts_s) == 7
    assert [len(face) for face in result.tracks.values()] == [1] * 8


def test_a_face_that_enters_is_followed_back_to_where_it_came_in(detector: FaceDetector) -> None:
    # Frames 0 and 3, 7, 11 ... are searched: it comes at 5, is found at 7.
    frames = moving(7, [lambda i: None if i < 5 else (150 + 15 * i, 180)], 16)
    result, _ = track(frames, detector)
    (face,) = result.tracks.values()
    assert list(face.frame_index) == [*range(5, 16)]
    assert list(face.detected[:3]) == [False, False, True]


def test_no_face_no_track(detector: FaceDetector) -> None:
    result, told = track(timed([room(8)] * 12), detector)
    assert result == Tracks({}, (), 0)
    assert not told


def test_frames_of_changing_and_tiny_size(detector: FaceDetector) -> None:
    pictures = [paste(room(9), 0, (300, 180), 130)] * 6
    pictures += [np.zeros((8, 8, 3), np.uint8)] * 3
    pictures += [paste(backdrop(9, 480, 270), 0, (230, 140), 100)] * 6
    result, _ = track(timed(pictures), detector)
    assert [len(face) for face in result.tracks.values()][:1] == [6]
    assert result.frames_with_face == 12


def test_chunks_of_any_length_find_the_same_face(detector: FaceDetector) -> None:
    frames = moving(10, [lambda i: (200 + 10 * i, 180)], 11)
    for chunk in (1, 5, 11):
        result, _ = track(frames, detector, chunk)
        (face,) = result.tracks.values()
        assert len(face) == 11


def test_same_frames_same_bits() -> None:
    frames = moving(11, [lambda i: (150 + 12 * i, 150), lambda i: (450 - 9 * i, 220)], 12, 90)
    runs = [track(frames, FaceDetector())[0] for _ in range(2)]
    assert runs[0].tracks.keys() == runs[1].tracks.keys()
    for a, b in zip(runs[0].tracks.values(), runs[1].tracks.values(), strict=True):
        for name in ("box_xyxy", "landmarks_xy", "confidence", "time_s", "detected"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes()


# scripted: what counts as a track

HERE = (100.0, 100.0, 150.0, 160.0)
THERE = (300.0, 100.0, 350.0, 160.0)


def test_a_face_found_once_is_not_a_track() -> None:
    script = {i: [(HERE, 0.999)] for i in range(16)}
    script[7].append((THERE, 0.97))
    result, told = track(numbered(16), Scripted(script))
    assert len(told) == 2
    assert [len(face) for face in result.tracks.values()] == [16]


def test_a_face_that_is_followed_but_not_found_again_is_not_a_track() -> None:
    felt = {i: [(HERE, 0.99)] for i in range(24)}
    result, told = track(numbered(24), Scripted({3: [(HERE, 0.99)]}, felt))
    assert not result.tracks
    # It was followed back to the first frame and on past one search that missed it, not for ever.
    assert [face.frame_index for face in told[0]] == [*range(1, 11)]


def test_a_doubtful_face_is_not_a_track() -> None:
    doubtful, _ = track(numbered(16), Scripted({i: [(HERE, 0.85)] for i in range(16)}))
    sure, _ = track(numbered(16), Scripted({i: [(HERE, 0.95)] for i in range(16)}))
    assert not doubtful.tracks
    assert len(sure.tracks) == 1


@pytest.mark.parametrize(("confidence", "kept"), [(0.999, 1), (0.97, 0)])
def test_a_shot_of_two_samples_needs_a_sure_face_in_both(confidence: float, kept: int) -> None:
    script = {i: [(HERE, confidence)] for i in range(2)}
    assert len(track(numbered(2), Scripted(script))[0].tracks) == kept
    assert not track(numbered(2), Scripted({1: [(HERE, 0.999)]}))[0].tracks


def test_a_lost_face_has_its_frame_searched_once() -> None:
    script = {i: [(HERE, 0.99), (THERE, 0.99)] for i in range(16)}
    felt = {i: rows if i != 5 else rows[:1] for i, rows in script.items()}
    scripted = Scripted(script, felt)
    result, _ = track(numbered(16), scripted)
    assert sorted(scripted.searches) == [0, 3, 5, 7, 11, 15]
    assert [len(face) for face in result.tracks.values()] == [16, 16]
    assert all(face.detected[5] for face in result.tracks.values())


def test_a_face_that_left_costs_one_search() -> None:
    scripted = Scripted({i: [(HERE, 0.99)] for i in range(9)})
    result, _ = track(numbered(24), scripted)
    assert sorted(scripted.searches) == [0, 3, 7, 9, 11, 15, 19, 23]
    (face,) = result.tracks.values()
    assert len(face) == 9


def test_a_doubtful_face_does_not_have_its_frame_searched() -> None:
    script = {i: [(HERE, 0.8)] for i in range(8)}
    scripted = Scripted(script, {i: script[i] for i in (0, 3, 7)})
    track(numbered(8), scripted)
    assert sorted(scripted.searches) == [0, 3, 7]


def test_a_face_away_for_long_is_a_new_track() -> None:
    short = {i: [(HERE, 0.99)] for i in range(40) if not 8 <= i < 15}
    long = {i: [(HERE, 0.99)] for i in range(40) if not 8 <= i < 20}
    assert len(track(numbered(40), Scripted(short))[0].tracks) == 1
    assert len(track(numbered(40), Scripted(long))[0].tracks) == 2


def test_two_boxes_on_one_face_are_one_row() -> None:
    nested = (102.0, 98.0, 153.0, 161.0)
    script = {i: [(HERE, 0.99), (nested, 0.9)] for i in range(12)}
    result, _ = track(numbered(12), Scripted(script))
    assert [len(face) for face in result.tracks.values()] == [12]


def test_a_fast_face_is_linked_by_its_motion() -> None:
    script = {
        i: [((40.0 * i, 100.0, 40.0 * i + 50, 160.0), 0.99)] for i in range(16)
    }  # 0.8 widths a sample
    result, _ = track(numbered(16), Scripted(script))
    (face,) = result.tracks.values()
    assert len(face) == 16


def test_frames_whose_time_does_not_rise_are_passed_over() -> None:
    frames = numbered(12)
    frames[5] = Frame(5, frames[4].time_s, frames[5].rgb)
    frames[8] = Frame(8, 0.0, frames[8].rgb)
    result, _ = track(frames, Scripted({i: [(HERE, 0.99)] for i in range(12)}))
    (face,) = result.tracks.values()
    assert list(face.frame_index) == [0, 1, 2, 3, 4, 6, 7, 9, 10, 11]


def test_uncounted_frames_have_index_minus_one() -> None:
    frames = [Frame(None, f.time_s, f.rgb) for f in numbered(4)]
    faces = Tracker(Scripted({i: [(HERE, 0.99)] for i in range(4)})).update(frames)
    assert {face.frame_index for face in faces} == {-1}


def test_frames_are_forgotten() -> None:
    tracker = Tracker(Scripted({i: [(HERE, 0.99)] for i in range(8)}))
    frames = numbered(8)
    pixels = [weakref.ref(frame.rgb) for frame in frames]
    tracker.update(frames)
    del frames
    gc.collect()
    assert not any(ref() is not None for ref in pixels)
    assert len(tracker.finish().tracks) == 1


def test_nothing_given_nothing_found() -> None:
    tracker = Tracker(Scripted({}))
    assert tracker.update([]) == []
    assert tracker.finish() == Tracks({}, (), 0)


# crops


@pytest.mark.parametrize(
    "box",
    [(200, 100, 300, 240), (-40, -30, 90, 110), (560, 250, 700, 420), (300.4, 99.6, 340.2, 150)],
)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_crop_is_the_square_around_the_box(box: tuple[float, ...], margin: float) -> None:
    scene = room(12)
    crop = crop_face(scene, np.array(box, np.float32), margin, 64)
    # The same by hand: pad the whole frame by its border, slice, resize.
    x0, y0, x1, y1 = np.array(box, np.float32).astype(float)
    side = round(max(x1 - x0, y1 - y0) * (1 + 2 * margin))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    padded = np.pad(scene, ((400, 400), (400, 400), (0, 0)), mode="edge")
    square = padded[top + 400 : top + 400 + side, left + 400 : left + 400 + side]
    how = cv2.INTER_AREA if side > 64 else cv2.INTER_LINEAR
    np.testing.assert_array_equal(crop, cv2.resize(square, (64, 64), interpolation=how))


def test_crop_outside_of_the_frame() -> None:
    with pytest.raises(ValueError, match="must touch the frame"):
        crop_face(room(12), np.array([900, 10, 950, 60], np.float32), 0.0, 32)


# recordings

DATA = os.environ.get("DFEXPLAIN_DATA")


@pytest.mark.skipif(DATA is None, reason="DFEXPLAIN_DATA does not point at the evaluation clips")
def test_faces_of_60_px_in_recordings_are_in_supported_tracks() -> None:
    """Recall against MTCNN at full resolution, on a few frames of a few short clips."""
    folder = Path(str(DATA)) / "clips"
    plain = MTCNN(keep_all=True, post_process=False)
    seen = wanted = 0
    for name in ("c_fake_2", "c_fake_3", "d_real_2"):
        with video.sample(folder / f"{name}.mp4", Sampling(frames=16)) as stream:
            frames = list(stream)
        result, _ = track(frames, FaceDetector())
        for frame in frames[2::8]:
            boxes, scores = plain.detect(frame.rgb)
            here = [face.box_xyxy[face.time_s == frame.time_s] for face in result.tracks.values()]
            rows = np.concatenate([np.zeros((0, 4), np.float32), *here])
            for box, score in zip(boxes if boxes is not None else (), scores, strict=False):
                if score > 0.95 and min(box[2] - box[0], box[3] - box[1]) >= 60:
                    wanted += 1
                    near = iou(np.asarray(box, np.float32)[None], rows)
                    seen += bool(near.size and near.max() > 0.5)
    assert wanted >= 10
    assert seen >= 0.9 * wanted, f"{seen} of {wanted} faces"
