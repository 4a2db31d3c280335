"""regions.py and its words: parts of the face, what lies on them, and when which one leads (G7)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain.explain import regions
from dfexplain.face_shape import MEAN_POINTS
from dfexplain.report import words
from dfexplain.structures import FaceTrack, Lane, RegionSpan, Segment, TrackScores
from dfexplain.tracks import crop_face
from tests.calibrations import make_calibration

SIZE, EYES_PX = 96, 30.0
LANDMARKS = (MEAN_POINTS * EYES_PX + np.array((48, 38))).astype(np.float32)
PARTS = regions.masks(LANDMARKS, SIZE)
AREAS = dict(zip(regions.REGIONS, PARTS.mean(axis=(1, 2)), strict=True))


def at(x: float, y: float, landmarks: NDArray[np.float32] = LANDMARKS) -> str:
    """The region at a pixel."""
    found = regions.masks(landmarks, SIZE)[:, round(y), round(x)]
    return regions.REGIONS[int(np.argmax(found))]


def spot(name: str, peak: float = 1.0) -> NDArray[np.float32]:
    """A map that is hot in one region and nowhere else."""
    return np.where(PARTS[regions.REGIONS.index(name)], peak, 0.0).astype(np.float32)


@pytest.mark.parametrize("turn", [0.0, 35.0, 180.0])
def test_every_pixel_is_in_one_region(turn: float) -> None:
    matrix = cv2.getRotationMatrix2D((48, 48), turn, 1.2)
    parts = regions.masks(cv2.transform(LANDMARKS[None], matrix)[0], SIZE)
    assert parts.shape == (len(regions.REGIONS), SIZE, SIZE)
    np.testing.assert_array_equal(parts.sum(axis=0), 1)
    assert parts.mean(axis=(1, 2)).sum() == pytest.approx(1.0)
    assert (parts.mean(axis=(1, 2)) > 0.01).all()


def test_regions_lie_where_their_names_say() -> None:
    names = ("left eye", "right eye", "nose", "mouth", "mouth")
    points = LANDMARKS + np.float32([(0, 0), (0, 0), (0, 0), (2, 0), (-2, 0)])
    assert tuple(at(x, y) for x, y in points) == names
    places = ((-0.8, 0.5), (0.8, 0.5), (0.0, 1.6), (0.0, -0.6), (0.0, -1.2))
    wanted = ("left cheek", "right cheek", "jaw line", "forehead", "hair")
    for (x, y), name in zip(places, wanted, strict=True):
        assert at(48 + x * EYES_PX, 38 + y * EYES_PX) == name
    assert at(1, 94) == "background"
    for left in ("left eye", "left cheek"):
        assert AREAS[left] == pytest.approx(AREAS[left.replace("left", "right")], rel=0.1)


def test_a_face_far_outside_of_the_crop_leaves_background() -> None:
    parts = regions.masks(LANDMARKS + 1e7, SIZE)
    assert parts[regions.REGIONS.index("background")].all()
    np.testing.assert_array_equal(regions.masks(np.zeros((5, 2), np.float32), SIZE).sum(axis=0), 1)


def test_heat_is_shared_out() -> None:
    shares = regions.heat_shares(spot("mouth"), PARTS, toward_real=False)
    assert shares is not None
    assert dict(zip(regions.REGIONS, shares, strict=True))["mouth"] == 1.0
    assert regions.face_share(shares) == 1.0
    off = regions.heat_shares(spot("hair"), PARTS, toward_real=False)
    assert regions.face_share(off) == 0.0
    even = regions.heat_shares(np.ones((6, 6), np.float32), PARTS, toward_real=False)
    np.testing.assert_allclose(even, list(AREAS.values()))
    small = regions.heat_shares(
        np.arange(36, dtype=np.float32).reshape(6, 6), PARTS, toward_real=False
    )
    assert small.sum() == pytest.approx(1.0)


def test_heat_is_what_speaks_for_the_prediction() -> None:
    both = spot("nose") - 3 * spot("mouth")
    toward_fake = regions.heat_shares(both, PARTS, toward_real=False)
    toward_real = regions.heat_shares(both, PARTS, toward_real=True)
    assert regions.REGIONS[int(np.argmax(toward_fake))] == "nose"
    assert regions.REGIONS[int(np.argmax(toward_real))] == "mouth"
    unsigned = regions.heat_shares(both, PARTS, toward_real=True, signed=False)
    np.testing.assert_array_equal(unsigned, toward_fake)
    assert regions.heat_shares(-spot("nose"), PARTS, toward_real=False) is None
    assert regions.face_share(None) is None


def test_evidence_has_a_line_a_region() -> None:
    found = regions.evidence(PARTS, None, np.arange(10.0))
    assert tuple(one.name for one in found) == regions.REGIONS
    assert [one.covered_logit for one in found] == list(range(10))
    assert all(one.heat_share is None for one in found)
    assert sum(one.area_share for one in found) == pytest.approx(1.0)


def lane(names: list[str | None], margin: float = 0.2) -> Lane:
    """A lane of a face that drifts through the frame; each row's map is hot in the named region."""
    rows = len(names)
    shift = np.arange(rows)[:, None] * np.array((3.0, 1.0))
    centre = 300.0 + shift
    # The square around this box is SIZE * 2 px wide, so landmarks are those of the crop, twice.
    half = SIZE / (1 + 2 * margin)
    box = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    landmarks = (centre - SIZE)[:, None, :] + 2.0 * LANDMARKS[None]
    maps = [np.zeros((SIZE, SIZE), np.float32) if n is None else spot(n) + 0.1 for n in names]
    track = FaceTrack(
        frame_index=np.arange(rows),
        time_s=np.arange(rows) / 10.0,
        box_xyxy=box,
        landmarks_xy=landmarks.astype(np.float32),
        confidence=np.ones(rows, np.float32),
        detected=np.ones(rows, np.bool_),
        shot=np.zeros(rows, np.int64),
    )
    scores = TrackScores(
        np.full(rows, 2.0), np.stack(maps), np.zeros((rows, 4), np.float32), (b"",) * rows
    )
    return Lane("A", track, scores, 2.0, None)


def test_landmarks_on_the_crop_are_those_of_the_crop() -> None:
    moving = lane(["mouth"] * 3)
    for row in range(3):
        placed = regions.landmarks_on_crop(moving.track, row, 0.2, SIZE)
        np.testing.assert_allclose(placed, LANDMARKS, atol=0.6)
    frame = np.zeros((600, 600, 3), np.uint8)
    x, y = np.round(moving.track.landmarks_xy[1, 2]).astype(int)
    frame[y - 3 : y + 4, x - 3 : x + 4] = 255
    crop = crop_face(frame, moving.track.box_xyxy[1], 0.2, SIZE)[..., 0]
    bright = np.argwhere(crop > 128).mean(axis=0)[::-1]
    np.testing.assert_allclose(bright, LANDMARKS[2], atol=1.0)


def test_spans_say_which_region_leads_when() -> None:
    names = ["nose", "mouth", "mouth", "mouth", "left eye", "left eye", None, "mouth", "nose"]
    found = regions.spans(
        lane(names),
        [Segment("A", 0.1, 0.7, 2.0, None), Segment("B", 0.0, 0.9, 2.0, None)],
        0.2,
        SIZE,
    )
    assert [(s.name, round(s.start_s, 3), round(s.end_s, 3)) for s in found] == [
        ("mouth", 0.1, 0.35),
        ("left eye", 0.35, 0.55),
        ("mouth", 0.65, 0.7),
    ]
    assert all(s.track_id == "A" and 0.2 < s.heat_share < 1.0 for s in found)
    assert regions.spans(lane(names), [], 0.2, SIZE) == ()
    said = words.carried(found)
    assert said.startswith("mouth 0:00.1–0:00.4 (")
    assert said.count("of the heat") == 3


def test_a_large_region_does_not_lead_by_being_large() -> None:
    wide = lane(["mouth"] * 2)
    weak = 0.25 * spot("mouth") + 0.2
    wide.scores.evidence[:] = weak
    shares = regions.heat_shares(weak, PARTS, toward_real=False)
    assert regions.REGIONS[int(np.argmax(shares))] != "mouth"
    assert regions.spans(wide, [Segment("A", 0.0, 0.1, 2.0, None)], 0.2, SIZE)[0].name == "mouth"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (2.307, -0.4, "the score drops from 2.31 to -0.40 when the mouth is covered"),
        (-1.0, 1.0, "the score rises from -1.00 to 1.00 when the mouth is covered"),
        (0.5, 0.504, "the score stays at 0.50 when the mouth is covered"),
        (0.001, -0.001, "the score stays at 0.00 when the mouth is covered"),
    ],
)
def test_the_effect_of_covering_in_words(before: float, after: float, said: str) -> None:
    assert words.covering("mouth", before, after, None) == said


def test_calibrated_scores_are_said_as_probabilities() -> None:
    said = words.covering("left eye", 2.3, -0.5, make_calibration("0" * 64))
    assert said == "the score drops from 0.91 to 0.35 when the left eye is covered"


def test_heat_on_the_face_in_words() -> None:
    assert words.face_share(0.84) == "84 % of the heat lies on the face"
    assert words.face_share(None) == "the map has no heat"
    assert words.carried([RegionSpan("A", "nose", 61.0, 62.0, 0.5)]) == (
        "nose 1:01.0–1:02.0 (50 % of the heat)"
    )
