"""extract.py: the app's own crops, whatever the workers; resumable; what is skipped is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfexplain import detector, video
from dfexplain.errors import DataError, SettingError
from dfexplain.faces import FaceDetector
from dfexplain.structures import Sampling
from dfexplain.tracks import Tracker, crop_face
from tests.train.faces import portraits
from train import extract as extraction
from train import faces_of_video
from train.extract import ExtractSettings, extract, read_settings
from train.importers.files import read_rows
from train.records import VideoRecord, read_crops, read_videos

EXAMPLES = Path(__file__).parents[2] / "examples"
SETTINGS = ExtractSettings(fps=None, frames=4, crop_px=48, margin=0.1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for name in ("two_people", "no_face", "untouched"):
        shutil.copy(EXAMPLES / f"{name}.mp4", root / f"{name}.mp4")
    whole = (EXAMPLES / "forged.mp4").read_bytes()
    (root / "broken.mp4").write_bytes(whole[:3000])
    return root


RECORDS = [
    VideoRecord("two_people.mp4", 1, "d", ("p", "q"), "d:x", "blend"),
    VideoRecord("untouched", 0, "d"),  # as tables name it, without the suffix
    VideoRecord("no_face.mp4", 0, "d"),
    VideoRecord("broken.mp4", 1, "d"),
    VideoRecord("lost.mp4", None, "d"),
]


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    extract(RECORDS, root, out, SETTINGS)
    return out


def contents(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_tables_say_what_was_cut_and_what_was_not(made: Path) -> None:
    crops = read_crops(made / "crops.csv")
    assert [(c.file, c.track) for c in crops[:5:4]] == [
        ("crops/two_people.mp4/A_000000.png", "A"),
        ("crops/two_people.mp4/B_000000.png", "B"),
    ]
    assert len(crops) == 12
    assert crops[0].video == RECORDS[0]
    assert read_videos(made / "videos.csv") == RECORDS[:2]
    assert all(150 < c.face_px < 250 and c.frame_index >= 0 for c in crops)
    skipped = {row["path"]: row for row in read_rows(made / "skipped.csv")}
    assert {path: (row["label"], row["code"]) for path, row in skipped.items()} == {
        "broken.mp4": ("1", "not-a-video"),
        "lost.mp4": ("", "file-refused"),
        "no_face.mp4": ("0", "no-face"),
    }
    assert "4 frames" in skipped["no_face.mp4"]["reason"]
    info = {row["path"]: row for row in read_rows(made / "info.csv")}
    # B9: frames without a face are counted, never cut.
    read = {path: (row["frames_read"], row["frames_with_face"]) for path, row in info.items()}
    assert read == {
        "two_people.mp4": ("4", "4"),
        "untouched": ("4", "4"),
        "no_face.mp4": ("4", "0"),
    }


def test_crops_are_those_that_the_app_scores(made: Path, root: Path) -> None:
    assert faces_of_video.CHUNK == detector.CHUNK
    tracker = Tracker(FaceDetector())
    with video.sample(root / "two_people.mp4", Sampling(frames=4)) as stream:
        frames = list(stream)
    tracker.update(frames)
    tracks = tracker.finish().tracks
    rows = [r for r in read_crops(made / "crops.csv") if r.video.path == "two_people.mp4"]
    assert len(rows) == sum(len(t) for t in tracks.values())
    at = 0
    for track in tracks.values():
        for frame, box in zip(frames, track.box_xyxy, strict=True):
            bgr = cv2.imread(str(made / rows[at].file))
            wanted = crop_face(frame.rgb, box, 0.1, 48)
            # Boxes of another number of threads may differ in their last bits.
            assert np.abs(bgr[..., ::-1].astype(int) - wanted).mean() < 1.0
            assert rows[at].time_s == pytest.approx(frame.time_s, abs=1e-5)
            at += 1


def test_any_number_of_workers_gives_the_same(made: Path, root: Path, tmp_path: Path) -> None:
    extract(RECORDS[::-1], root, tmp_path, SETTINGS, workers=2)
    assert contents(tmp_path) == contents(made)


def test_a_cut_run_is_resumed_and_leaves_nothing_half(
    made: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    real = extraction.cut_video
    asked: list[str] = []

    def cut(path: Path, folder: Path, *rest: object) -> dict[str, object]:
        asked.append(path.name)
        if len(asked) == 2:
            folder.mkdir(parents=True)
            (folder / "0-0.png").write_bytes(b"half a picture")
            raise KeyboardInterrupt
        return real(path, folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(extraction, "cut_video", cut)
    with pytest.raises(KeyboardInterrupt):
        extract(RECORDS, root, out, SETTINGS)
    assert asked == ["two_people.mp4", "untouched.mp4"]
    # Killed after the pictures were in place and before that was written down:
    shutil.copytree(made / "crops/untouched", out / "crops/untouched")
    (out / "crops/untouched/Z_000000.png").write_bytes(b"stale")
    heard: list[tuple[int, int]] = []
    extract(RECORDS, root, out, SETTINGS, progress=lambda *done: heard.append(done))
    assert asked[2:] == ["untouched.mp4", "no_face.mp4", "broken.mp4", "lost.mp4"]
    assert heard == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert contents(out) == contents(made)
    extract(RECORDS, root, out, SETTINGS)
    assert len(asked) == 6


def test_a_video_that_changed_is_done_again(root: Path, tmp_path: Path) -> None:
    work = tmp_path / "in"
    work.mkdir()
    shutil.copy(root / "broken.mp4", work / "a.mp4")
    record = VideoRecord("a.mp4", 0, "d")
    assert extract([record], work, tmp_path / "out", SETTINGS).skipped
    shutil.copy(root / "untouched.mp4", work / "a.mp4")
    result = extract([record], work, tmp_path / "out", SETTINGS)
    assert (len(result.crops), result.skipped) == (4, [])


def test_other_settings_in_the_same_folder_are_refused(made: Path, root: Path) -> None:
    assert read_settings(made) == SETTINGS
    other = ExtractSettings(fps=None, frames=4, crop_px=48, margin=0.2)
    with pytest.raises(SettingError, match=r"margin must be 0\.1 .* but got 0\.2"):
        extract(RECORDS, root, made, other)
    said = json.loads((made / "extract.json").read_text())
    assert said["settings"]["align"] is False
    with pytest.raises(DataError, match=r"extract\.json"):
        read_settings(root)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 4}, "given once"),
        ({"fps": None}, "given once"),
        ({"fps": 0.0}, "above 0"),
        ({"crop_px": 8}, "crop_px must lie"),
        ({"margin": 2.0}, "margin must lie"),
        ({"format": "gif"}, "png or jpg"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ExtractSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["../a.mp4", "/a.mp4", "a/../../b.mp4"])
def test_a_table_cannot_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match="stay below"):
        extract([VideoRecord(path, 0, "d")], tmp_path, tmp_path / "out")


def test_aligned_faces_have_their_eyes_level_and_in_place() -> None:
    portrait = portraits()[0]
    height, width = portrait.rgb.shape[:2]
    turned = []
    for degrees, zoom in ((0.0, 1.0), (25.0, 0.8), (-15.0, 1.3)):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
        rgb = np.asarray(
            cv2.warpAffine(portrait.rgb, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )
        points = np.asarray(cv2.transform(portrait.landmarks_xy[None], matrix)[0], np.float32)
        turned.append(faces_of_video.align_face(rgb, points, 0.3, 160))
    (found,) = FaceDetector().detect(turned[:1])
    eyes = found.landmarks_xy[0][:2]
    assert abs(eyes[0, 1] - eyes[1, 1]) < 4
    assert abs(eyes[:, 0].mean() - 80) < 5
    side = float(np.max(found.box_xyxy[0][2:] - found.box_xyxy[0][:2]))
    assert side == pytest.approx(160 / 1.6, rel=0.12)  # as large as crop_face makes it
    inner = [t[30:130, 30:130].astype(int) for t in turned]
    assert np.abs(inner[0] - inner[1]).mean() < 8
    assert np.abs(inner[0] - inner[2]).mean() < 8


def test_aligned_jpegs_are_cut_and_recorded(root: Path, tmp_path: Path) -> None:
    settings = ExtractSettings(fps=0.5, crop_px=64, align=True, format="jpg")
    result = extract(RECORDS[1:2], root, tmp_path, settings)
    assert [c.file.rpartition(".")[2] for c in result.crops] == ["jpg"] * 4
    assert read_settings(tmp_path).align
    assert cv2.imread(str(tmp_path / result.crops[0].file)).shape == (64, 64, 3)


def test_the_command_recognises_extracts_and_limits(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse

    from train.commands import extract as command

    for k in range(3):
        for label in ("real", "fake"):
            (tmp_path / "in" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(root / "broken.mp4", tmp_path / "in" / label / f"{k}.mp4")
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    given = ["--input-dir", str(tmp_path / "in"), "--output-dir", str(tmp_path / "out")]
    command.run(parser.parse_args([*given, "--limit", "2"]))
    said = capsys.readouterr()
    assert "in: folder, 6 videos (3 real, 3 fake" in said.out
    assert "0 crops of 0 videos, 4 skipped" in said.out
    assert "extract: 100%" in said.err
    assert read_settings(tmp_path / "out") == ExtractSettings()
