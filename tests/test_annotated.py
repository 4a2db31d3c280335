"""The annotated video: what it shows at which moment, and that it is the video it says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dfexplain import annotated, video
from dfexplain.errors import InputChanged
from dfexplain.plots import PALETTE
from dfexplain.structures import Sampling, VideoReport
from tests.clips import make_clip
from tests.reports import REPORTS


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds in the shape of the drawn reports, two frames a second."""
    times = [number / 2 for number in range(20)]
    return make_clip(
        tmp_path_factory.mktemp("clip") / "two people.mp4", 20, size=(320, 180), times_s=times
    )


def of(clip: Path, name: str = "two_faces") -> VideoReport:
    made = REPORTS[name]()
    sha256 = video.probe(clip).sha256
    return dataclasses.replace(made, info=dataclasses.replace(made.info, sha256=sha256))


def test_each_moment_shows_the_nearest_analysed_frame_before_it() -> None:
    made = REPORTS["two_faces"]()
    moments, times = annotated.Moments(made), [p.time_s for p in made.previews]
    first = moments.at(times[0] - 0.05)
    assert first.boxes == ()
    assert first.source == "before the first analysed frame; the first is at 0:00.2"
    lanes = {lane.track_id: lane for lane in made.lanes}
    for at, seen in ((times[5], times[5]), (times[6] - 0.01, times[5]), (99.0, times[-1])):
        shown = moments.at(at)
        boxes = {box.text[0]: box for box in shown.boxes}
        rows = {n: np.flatnonzero(lane.track.time_s == seen) for n, lane in lanes.items()}
        assert set(boxes) == {name for name, row in rows.items() if len(row)}
        for name, box in boxes.items():
            assert np.allclose(box.xyxy, lanes[name].track.box_xyxy[rows[name][0]])
            assert box.text == f"{name}  p {lanes[name].p_fake[rows[name][0]]:.2f}"  # type: ignore[index]
        assert shown.source.startswith("analysed frame" if at == seen else "between analysed")
    # Lane B is gone for a while, and no box stays behind.
    assert [box.text[0] for box in moments.at(5.9).boxes] == ["A"]
    assert moments.at(5.95).source.endswith("values of 0:05.8, a cut follows")
    sides = {box.text[0]: box.side for box in moments.at(4.0).boxes}
    assert sides == {"A": "real", "B": "fake"}


@pytest.mark.parametrize("name", ["uncalibrated", "out_of_distribution"])
def test_without_a_probability_there_is_a_grey_score(name: str) -> None:
    boxes = annotated.Moments(REPORTS[name]()).at(4.0).boxes
    assert boxes
    assert {box.side for box in boxes} == {"uncertain"}
    assert all(" score " in box.text for box in boxes)


def test_the_copy_plays_and_holds_the_boxes(clip: Path, tmp_path: Path) -> None:
    made = of(clip)
    path = annotated.make_annotated(made, clip, tmp_path / "new")
    assert path.name == "two people.annotated.mp4"
    with video.sample(path, Sampling(frames=None, every=1)) as stream:
        info, frames = stream.info, list(stream)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    # Twice as large, because it was too small for words, and three lines of text below.
    assert info.width_px == 640
    assert info.height_px > 360
    assert [frame.time_s for frame in frames] == pytest.approx([k / 2 for k in range(20)], abs=1e-3)
    plain = {name: bytes.fromhex(colour[1:]) for name, colour in PALETTE.items()}
    assert not painted(frames[0].rgb, plain["real"])
    assert painted(frames[8].rgb, plain["real"])
    assert painted(frames[8].rgb, plain["fake"])
    assert not painted(frames[16].rgb, plain["fake"])
    # The three lines are there on every frame.
    assert all((frame.rgb[360:].max(axis=2) > 150).mean() > 0.01 for frame in frames)


def painted(rgb: np.ndarray, colour: bytes) -> bool:
    """Whether a good part of the picture has that colour, as far as H.264 keeps it."""
    distance = np.abs(rgb.astype(int) - np.frombuffer(colour, np.uint8)).max(axis=2)
    return bool((distance < 25).mean() > 0.003)


def test_without_a_face_there_is_a_copy_without_boxes(clip: Path, tmp_path: Path) -> None:
    path = annotated.write_annotated(of(clip, "no_face"), clip, tmp_path / "out.mp4")
    with video.sample(path, Sampling(frames=1)) as stream:
        rgb = next(iter(stream)).rgb
    assert not painted(rgb, bytes.fromhex(PALETTE["fake"][1:]))
    assert not painted(rgb[:360], bytes.fromhex(PALETTE["uncertain"][1:]))


def test_another_file_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(InputChanged, match="must be the file that was analysed"):
        annotated.write_annotated(REPORTS["two_faces"](), clip, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
