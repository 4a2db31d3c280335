"""Faces: the fast search against MTCNN at full resolution, following, and what MTCNN chokes on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from dfexplain.errors import SettingError
from dfexplain.faces import FaceDetector, Faces, _reduced, cut_square, face_square, iou
from tests.portraits import Image, backdrop, paste


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def full_resolution(rgb: Image) -> NDArray[np.float32]:
    """Boxes (K, 4) of plain MTCNN on the whole frame."""
    boxes, _ = MTCNN(keep_all=True, post_process=False).detect(rgb)
    return np.zeros((0, 4), np.float32) if boxes is None else np.asarray(boxes, np.float32)


@pytest.fixture(scope="module")
def truth() -> NDArray[np.float32]:
    return full_resolution(three_faces())


def three_faces() -> Image:
    scene = paste(backdrop(1), 0, (300, 300), 220)
    scene = paste(scene, 1, (700, 400), 130)
    return paste(scene, 2, (1000, 250), 300)


def check_empty(faces: Faces) -> None:
    assert len(faces) == 0
    assert faces.box_xyxy.shape == (0, 4)
    assert faces.landmarks_xy.shape == (0, 5, 2)
    assert faces.confidence.shape == (0,)
    assert {a.dtype for a in (faces.box_xyxy, faces.landmarks_xy, faces.confidence)} == {
        np.dtype(np.float32)
    }


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (5, 4), (641, 361)])
@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_frames_are_reduced_as_opencv_does_it_to_the_bit(size: tuple[int, int], times: int) -> None:
    wide, high = (times * side for side in size)
    noise = np.random.default_rng(times).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    for rgb in (noise, np.ascontiguousarray(noise[:, ::-1]), 255 - noise // 2):
        wanted = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        assert np.array_equal(_reduced(rgb, size), wanted)


def test_small_copies_show_the_faces_of_the_full_resolution(
    detector: FaceDetector, truth: NDArray[np.float32]
) -> None:
    (found,) = detector.detect([three_faces()])
    assert len(found) == len(truth) == 3
    overlap = iou(truth, found.box_xyxy)
    assert overlap.max(axis=1).min() > 0.8
    assert sorted(overlap.argmax(axis=1)) == [0, 1, 2]
    assert found.confidence.min() > 0.95
    for box, points in zip(found.box_xyxy, found.landmarks_xy, strict=True):
        assert np.all((points > box[:2]) & (points < box[2:]))
        left_eye, right_eye, nose, left_mouth, right_mouth = points
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_faces_come_largest_first(detector: FaceDetector) -> None:
    (found,) = detector.detect([three_faces()])
    areas = np.prod(found.box_xyxy[:, 2:] - found.box_xyxy[:, :2], axis=1)
    assert list(areas) == sorted(areas, reverse=True)


def test_no_face_gives_empty_arrays(detector: FaceDetector) -> None:
    for faces in detector.detect([backdrop(2), np.zeros((90, 160, 3), np.uint8)]):
        check_empty(faces)


@pytest.mark.parametrize("shape", [(1, 1), (19, 19), (19, 400), (400, 19), (20, 20), (30, 2000)])
def test_tiny_and_flat_frames_have_no_face(detector: FaceDetector, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    (faces,) = detector.detect([noise])
    check_empty(faces)


def test_nothing_to_search(detector: FaceDetector) -> None:
    assert detector.detect([]) == []


def test_a_face_in_a_very_wide_frame_is_found(detector: FaceDetector) -> None:
    wide = paste(backdrop(4, 3000, 100), 0, (1500, 50), 80)
    (faces,) = detector.detect([wide])
    truth = full_resolution(wide)
    assert len(faces) == len(truth) == 1
    assert iou(truth, faces.box_xyxy)[0, 0] > 0.5


def test_mixed_sizes_in_one_call(detector: FaceDetector) -> None:
    frames = [
        paste(backdrop(5), 0, (400, 300), 200),
        paste(backdrop(5, 480, 360), 1, (200, 180), 150),
        np.zeros((10, 10, 3), np.uint8),
        paste(backdrop(6), 2, (800, 400), 240),
    ]
    together = detector.detect(frames)
    assert [len(faces) for faces in together] == [1, 1, 0, 1]
    for frame, faces in zip(frames, together, strict=True):
        (alone,) = detector.detect([frame])
        np.testing.assert_allclose(alone.box_xyxy, faces.box_xyxy, atol=0.01)


def test_a_batch_larger_than_the_networks_take_at_once(detector: FaceDetector) -> None:
    frames = [paste(backdrop(7), 0, (300 + 20 * i, 300), 200) for i in range(10)]
    found = detector.detect(frames)
    centres = [float(f.box_xyxy[0, [0, 2]].mean()) for f in found]
    np.testing.assert_allclose(np.diff(centres), 20, atol=6)


def test_same_frames_same_bits(detector: FaceDetector) -> None:
    frames = [three_faces(), backdrop(8)]
    first, second = detector.detect(frames), FaceDetector().detect(frames)
    for a, b in zip(first, second, strict=True):
        assert a.box_xyxy.tobytes() == b.box_xyxy.tobytes()
        assert a.landmarks_xy.tobytes() == b.landmarks_xy.tobytes()
        assert a.confidence.tobytes() == b.confidence.tobytes()
    boxes = first[0].box_xyxy + 12
    a, b = detector.follow(frames[0], boxes), FaceDetector().follow(frames[0], boxes)
    assert a.box_xyxy.tobytes() == b.box_xyxy.tobytes()


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3, 0.45])
def test_follow_finds_the_face_near_where_it_was_expected(
    detector: FaceDetector, truth: NDArray[np.float32], shift: float
) -> None:
    scene = three_faces()
    sides = (truth[:, 2:] - truth[:, :2]).max(axis=1, keepdims=True)
    expected = truth + sides * np.array([shift, -shift / 2] * 2, np.float32)
    found = detector.follow(scene, expected)
    assert len(found) == len(truth)
    assert found.confidence.min() > 0.9
    assert np.diagonal(iou(truth, found.box_xyxy)).min() > 0.75
    (searched,) = detector.detect([scene])
    order = iou(found.box_xyxy, searched.box_xyxy).argmax(axis=1)
    eyes = np.linalg.norm(
        searched.landmarks_xy[:, 0] - searched.landmarks_xy[:, 1], axis=1, keepdims=True
    )[order]
    apart = np.linalg.norm(found.landmarks_xy - searched.landmarks_xy[order], axis=2)
    assert (apart / eyes).max() < 0.25


def test_follow_gives_up_where_there_is_no_face(detector: FaceDetector) -> None:
    scene = paste(backdrop(9), 0, (300, 300), 200)
    (face,) = detector.detect([scene])
    boxes = np.array(
        [[900, 300, 1050, 500], face.box_xyxy[0], [5000, 5000, 5100, 5100]], np.float32
    )
    found = detector.follow(scene, boxes)
    assert found.confidence[0] == 0.0
    assert found.confidence[2] == 0.0
    assert found.confidence[1] > 0.95
    np.testing.assert_array_equal(found.box_xyxy[[0, 2]], boxes[[0, 2]])
    assert iou(found.box_xyxy[1:2], face.box_xyxy)[0, 0] > 0.85


def test_follow_nothing(detector: FaceDetector) -> None:
    check_empty(detector.follow(backdrop(1), np.zeros((0, 4), np.float32)))


def test_follow_leaves_its_input_alone(detector: FaceDetector, truth: NDArray[np.float32]) -> None:
    boxes = truth.copy()
    detector.follow(three_faces(), boxes)
    np.testing.assert_array_equal(boxes, truth)


def test_a_face_that_leaves_the_frame_has_its_centre_inside(detector: FaceDetector) -> None:
    frames = [paste(backdrop(3), 0, (x, 300), 240) for x in (100, 60, 20, -20, -60, -120)]
    found = detector.detect(frames)
    assert len(found[0]) == 1
    assert len(found[-1]) == 0
    for faces in found:
        centre = (faces.box_xyxy[:, :2] + faces.box_xyxy[:, 2:]) / 2
        assert np.all(centre >= 0)


@pytest.mark.parametrize(
    "bad", [{"detect_px": 10}, {"detect_px": 9000}, {"min_face_px": 3}, {"min_face_px": 700}]
)
def test_settings_out_of_range(bad: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="must be"):
        FaceDetector(**bad)  # type: ignore[arg-type]


def test_iou_by_hand() -> None:
    a = np.array([[0, 0, 10, 10], [20, 20, 30, 40]], np.float32)
    b = np.array([[5, 0, 15, 10], [0, 0, 10, 10], [90, 90, 95, 95]], np.float32)
    np.testing.assert_allclose(iou(a, b), [[1 / 3, 1, 0], [0, 0, 0]])
    assert iou(a, np.zeros((0, 4), np.float32)).shape == (2, 0)


def test_square_around_a_box() -> None:
    assert face_square(np.array([10, 20, 30, 60], np.float32), 0.0) == (0, 20, 40)
    assert face_square(np.array([10, 20, 30, 60], np.float32), 0.25) == (-10, 10, 60)


def test_cut_replicates_the_border() -> None:
    rgb = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    crop = cut_square(rgb, -2, -1, 4, 4)
    assert crop is not None
    padded = np.pad(rgb, ((1, 0), (2, 0), (0, 0)), mode="edge")
    np.testing.assert_array_equal(crop, padded[:4, :4])
    assert cut_square(rgb, 5, 0, 3, 4) is None
    assert cut_square(rgb, 0, -3, 3, 4) is None
