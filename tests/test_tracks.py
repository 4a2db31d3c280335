"""Tracks of made scenes and of recordings: who is linked to whom, what becomes of cuts and gaps."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.faces import FaceDetector, iou
from dfexplain.structures import Frame, Sampling
from dfexplain.tracks import Tracks, crop_face
from tests.portraits import Image, backdrop, paste
from tests.tracking import STEP_S, Boxes, Counting, timed, track

WIDTH, HEIGHT = 640, 360


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


def test_one_moving_face_is_one_track_close_to_full_resolution() -> None:
    counting = Counting()
    frames = moving(1, [lambda i: (120 + 20 * i, 160 + 30 * np.sin(i / 3))], 20)
    result, _ = track(frames, counting)
    (face,) = result.tracks.values()
    assert len(face) == 20
    assert result.cuts_s == ()
    assert result.frames_with_face == 20
    # It goes further than its width from search to search: the middles are searched as well.
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
    assert counting.searched == 3


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
