"""A picture through the detector and into every report: a score, never a probability."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import cast

import jsonschema
import numpy as np
import pytest

from dfexplain import hub, report
from dfexplain.detector import Detector
from dfexplain.faces import FaceDetector, Faces, cut_square, face_square
from dfexplain.finders import PictureFinder
from dfexplain.hub import Weights
from dfexplain.report import words
from dfexplain.structures import Frame, Outcome, Reason, VideoReport
from tests import small_weights
from tests.portraits import portrait
from tests.stills import Image, corners, encoded

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "report.schema.json").read_text("utf-8"))


@cache
def weights(folder: Path) -> Weights:
    """Small weights, calibrated on (made) videos."""
    return hub.load(small_weights.publishable(folder / "w"))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return Detector(weights(tmp_path_factory.mktemp("weights")))


def analysed(detector: Detector, folder: Path, rgb: Image) -> VideoReport:
    (folder / "photo.png").write_bytes(encoded(rgb, ".png"))
    *_, found = detector.analyze(folder / "photo.png")
    assert isinstance(found, VideoReport)
    return found


def head(which: int, rim: float) -> Image:
    """A square cut out of a portrait: the face with a rim of its size around it, or less of it."""
    box = np.array([60, 70, 275, 330], np.float32)
    cut = cut_square(portrait(which), *face_square(box, rim), 160)
    assert cut is not None
    return cut


@pytest.fixture(scope="module")
def found(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> VideoReport:
    """The report of a picture of two people."""
    both = np.hstack([portrait(0), portrait(1)])
    return analysed(detector, tmp_path_factory.mktemp("both"), both)


def test_each_face_of_a_picture_is_a_lane_with_a_score_and_no_probability(
    found: VideoReport,
) -> None:
    assert found.info.kind == "image"
    assert [len(lane) for lane in found.lanes] == [1, 1]
    first, second = (lane.track.box_xyxy[0] for lane in found.lanes)
    assert first[2] < 335 < second[0]
    scores = [float(lane.scores.logit[0]) for lane in found.lanes]
    assert found.verdict.score == max(scores)
    assert [lane.score for lane in found.lanes] == scores
    # The weights are calibrated, but on videos.
    assert found.weights.calibrated
    assert (found.calibration, found.verdict.p_fake) == (None, None)
    assert (found.verdict.outcome, found.verdict.reason) == (
        Outcome.UNCERTAIN,
        Reason.UNCALIBRATED,
    )
    assert found.verdict.score_interval is None
    assert not found.segments
    assert "no calibration for pictures" in " ".join(found.notes)
    assert not {"sound and voices", "whether lips match the words"} & set(found.not_checked)
    assert words.one_line(found).startswith("photo.png: cannot tell (uncalibrated), score ")
    assert "not measured on pictures" in words.explanation(found)


def test_a_face_crop_is_scored_and_what_was_made_up_around_it_is_said(
    detector: Detector, tmp_path: Path
) -> None:
    tight = analysed(detector, tmp_path, head(0, 0.0))
    assert len(tight.lanes) == 1
    assert "% of the crop's side repeat its edge" in " ".join(tight.notes)
    assert "margin was added" not in " ".join(tight.notes)


class Shy:
    """A detector that finds one face, at (40, 40, 120, 120) in a picture of 160 px, only where
    there is room around it; and a second one that lies mostly outside of the picture."""

    def detect(self, frames: Sequence[Image]) -> list[Faces]:
        (rgb,) = frames
        room = (len(rgb) - 160) // 2
        rows = 2 * (room > 0)
        boxes = np.array([[40, 40, 120, 120], [130, 10, 230, 90]], np.float32) + room
        points = np.full((2, 5, 2), 80 + room, np.float32)
        return [Faces(boxes[:rows], points[:rows], np.ones(rows, np.float32))]


def test_a_margin_helps_to_find_a_face_and_is_said() -> None:
    finder = PictureFinder(cast("FaceDetector", Shy()))
    (face,) = finder.update([Frame(0, 0.0, np.zeros((160, 160, 3), np.uint8))])
    assert face.box_xyxy.tolist() == [40, 40, 120, 120]
    assert face.landmarks_xy[0].tolist() == [80, 80]
    tracks = finder.finish()
    assert (len(tracks.tracks), tracks.frames_with_face) == (1, 1)
    assert "only after a margin was added" in " ".join(tracks.notes)


def test_a_picture_without_a_face_has_no_number(detector: Detector, tmp_path: Path) -> None:
    found = analysed(detector, tmp_path, corners())
    assert (found.verdict.outcome, found.verdict.reason) == (
        Outcome.NOT_ANALYSABLE,
        Reason.NO_FACE,
    )
    assert found.verdict.score is None
    assert words.one_line(found) == (
        "photo.png: no face found (no_face), no face was found in the picture"
    )


def test_the_reports_of_a_picture(found: VideoReport) -> None:
    document = json.loads(report.to_json(found))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["kind"] == "image"
    assert document["operating_point"] is None
    assert all(track["score"] is not None for track in document["tracks"])
    page = report.to_html(found)
    assert "The faces of the picture" in page
    assert "Over time" not in page
    assert "without a calibration for pictures" in page
    assert len(report.shown_frames(found)) == 2
    assert len(report.frames_csv(found).splitlines()) == 3
