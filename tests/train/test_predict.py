"""predict: DFDC's table, what is left out of it and said so, and every frame's score."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain import calibration, hub
from dfexplain.errors import SettingError
from tests import small_weights as small
from tests.train.crops_table import made_scores
from train.__main__ import main
from train.predict import predict, videos_below, write
from train.records import VideoRecord, write_videos
from train.scores import ScoredVideo

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FITTED = small.calibration()


def unlabelled() -> list[ScoredVideo]:
    scored = [replace(s, record=replace(s.record, label=None)) for s in made_scores(4)]
    return [*scored, ScoredVideo(VideoRecord("deep/x.mp4", None, "one"), None, "no_face")]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_row_is_the_name_and_the_probability(tmp_path: Path) -> None:
    scored = unlabelled()
    found = predict(scored, FITTED)
    assert [name for name, _ in found.rows] == [f"{i:04d}.mp4" for i in range(4)]
    expected = calibration.p_fake(FITTED, np.array([s.score for s in scored[:4]]))
    assert [p for _, p in found.rows] == expected.tolist()
    written = write(tmp_path / "out" / "submission.csv", found)
    rows = read(written[0])
    assert list(rows[0]) == ["filename", "label"]
    assert [float(r["label"]) for r in rows] == pytest.approx(expected.tolist(), abs=1e-6)
    # What could not be analysed is left out, and listed.
    assert written[1].name == "submission_not_analysable.csv"
    assert read(written[1]) == [{"filename": "x.mp4", "reason": "no_face"}]
    assert len(write(written[0], predict(scored[:4], FITTED))) == 1
    assert not written[1].exists()


def test_filling_in_is_asked_for_and_still_listed() -> None:
    found = predict(unlabelled(), FITTED, fill=0.5)
    assert found.rows[-1] == ("x.mp4", 0.5)
    assert found.missing == [("x.mp4", "no_face")]
    for fill in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingError, match=r"--fill must lie in 0\.\.1"):
            predict([], FITTED, fill)


def test_files_of_one_name_keep_their_paths() -> None:
    scored = [
        replace(s, record=replace(s.record, path=f"{i % 2}/same.mp4" if i < 2 else s.record.path))
        for i, s in enumerate(unlabelled())
    ]
    names = [name for name, _ in predict(scored, FITTED).rows]
    assert names == ["0/same.mp4", "1/same.mp4", "0002.mp4", "0003.mp4"]


def test_scores_are_no_probabilities() -> None:
    with pytest.raises(SettingError, match="must be calibrated to predict"):
        predict(unlabelled(), None)


def test_videos_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/c.MOV", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = videos_below(tmp_path)
    assert [v.path for v in found] == ["a/c.MOV", "b.mp4"]
    assert {v.label for v in found} == {None}
    (tmp_path / "empty").mkdir()
    for folder, said in (("none", "must be a folder"), ("empty", "must hold videos")):
        with pytest.raises(SettingError, match=said):
            videos_below(tmp_path / folder)


def test_the_command_writes_the_table_and_the_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights"
    hub.save(
        weights, config=small.CONFIG, state=small.state(), heat_scale=1.0, card="small",
        calibration=small.calibration(),
    )  # fmt: skip
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(EXAMPLES / "forged.mp4", videos / "one.mp4")
    (videos / "two.mp4").write_bytes(b"not a video")
    out, frames = tmp_path / "submission.csv", tmp_path / "frames.csv"
    run = ["predict", "--weights", str(weights), "--input-dir", str(videos), "--out", str(out)]
    assert main([*run, "--frames-out", str(frames)]) == 0
    assert "1 of 2 videos analysed" in capsys.readouterr().out
    assert [r["filename"] for r in read(out)] == ["one.mp4"]
    assert 0.0 < float(read(out)[0]["label"]) < 1.0
    missing = read(tmp_path / "submission_not_analysable.csv")
    assert missing == [{"filename": "two.mp4", "reason": "not-a-video"}]
    rows = read(frames)
    assert len(rows) >= 8
    assert {r["video"] for r in rows} == {"videos:one.mp4"}
    assert all(r["logit"] and r["p_fake"] and r["time_s"] for r in rows)
    # A table instead of a folder, and a number for what cannot be analysed.
    write_videos(videos / "videos.csv", [VideoRecord("two.mp4", None, "x")])
    run = ["predict", "--weights", str(weights), "--videos", str(videos / "videos.csv")]
    assert main([*run, "--out", str(out), "--fill", "0.5"]) == 0
    assert "carry 0.5, which says nothing" in capsys.readouterr().out
    assert read(out) == [{"filename": "two.mp4", "label": "0.500000"}]
    assert main([*run, "--out", str(out), "--fill", "2"]) == 2
    assert "--fill must lie in 0..1" in capsys.readouterr().err
