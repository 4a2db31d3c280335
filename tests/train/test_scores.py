"""Scores of crops tables and of videos: the app's rule, reasons instead of numbers, CSV files."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dfexplain import aggregate, calibration, hub
from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from tests import small_weights as small
from tests.train.crops_table import made_scores, table
from train.records import VideoRecord
from train.scores import (
    ScoredVideo,
    clip_records,
    engine_of_run,
    score_crops,
    score_videos,
    write_frames,
    write_videos,
)

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@cache
def engine() -> Engine:
    return Engine(small.CONFIG, small.state())


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_video_has_the_score_of_its_highest_track(tmp_path: Path) -> None:
    rows = table(tmp_path, videos=2)
    # A second face in the same video, whose crops are those of the forged one.
    other = [replace(r, video=rows[0].video, track="B") for r in rows if r.video.label == 1]
    stray = [replace(other[0], track="C", frame_index=99)]
    first, second = score_crops(engine(), rows + other + stray, tmp_path)
    assert [s.record for s in (first, second)] == [rows[0].video, rows[-1].video]
    by_track = {name: first.frame_logits[[t == name for t in first.frame_track]] for name in "ABC"}
    assert [len(v) for v in by_track.values()] == [9, 9, 1]
    lanes = [aggregate.lane_score(by_track[name]) for name in "AB"]
    # One crop is too few to decide where other faces have enough.
    assert first.score == max(lanes)
    assert second.score == pytest.approx(lanes[1], abs=1e-6)
    assert first.frame_index.tolist()[:9] == [3 * i for i in range(9)]
    assert second.face_px == 50.0
    assert first.crop_jpeg is not None
    assert first.crop_jpeg[:2] == b"\xff\xd8"


def test_frames_count_in_their_order_and_not_in_the_tables(tmp_path: Path) -> None:
    rows = table(tmp_path, videos=2)
    straight, turned = (score_crops(engine(), r, tmp_path) for r in (rows, rows[::-1]))
    for one in straight:
        other = next(s for s in turned if s.record == one.record)
        np.testing.assert_array_equal(one.frame_index, other.frame_index)
        np.testing.assert_allclose(one.frame_logits, other.frame_logits, atol=1e-6)


def test_short_tracks_decide_where_there_are_no_longer_ones(tmp_path: Path) -> None:
    (scored,) = score_crops(engine(), table(tmp_path, videos=1, frames=3), tmp_path)
    assert scored.score == aggregate.lane_score(scored.frame_logits)
    assert len(scored.frame_logits) == 3


def test_unreadable_crops_are_counted_and_a_video_of_them_has_a_reason(tmp_path: Path) -> None:
    rows = table(tmp_path, videos=2)
    for row in rows[:9]:
        (tmp_path / row.file).write_bytes(b"no picture")
    (tmp_path / rows[9].file).unlink()
    (tmp_path / rows[10].file).write_bytes(b"")
    seen: list[tuple[int, int]] = []
    first, second = score_crops(
        engine(), rows, tmp_path, progress=lambda done, total: seen.append((done, total))
    )
    assert (first.score, first.reason, first.unread) == (None, "no_crop_readable", 9)
    assert len(first.frame_logits) == 0
    assert (second.reason, second.unread, len(second.frame_logits)) == (None, 2, 7)
    assert seen == [(1, 2), (2, 2)]


def test_wear_changes_what_the_model_sees(tmp_path: Path) -> None:
    rows = table(tmp_path, videos=1)
    (plain,) = score_crops(engine(), rows, tmp_path)
    (black,) = score_crops(
        engine(), rows, tmp_path, wear=lambda frames: [np.zeros_like(f) for f in frames]
    )
    assert len(set(black.frame_logits.round(6))) == 1
    assert plain.score != black.score


def test_a_score_or_a_reason() -> None:
    record = VideoRecord("a.mp4", 0, "drawn")
    for score, reason in ((None, None), (1.0, "no_face")):
        with pytest.raises(ValueError, match="a score or a reason"):
            ScoredVideo(record, score, reason)
    with pytest.raises(ValueError, match="one track"):
        ScoredVideo(record, 1.0, frame_logits=np.zeros(2))


def test_videos_are_scored_as_the_app_does_and_others_have_reasons(tmp_path: Path) -> None:
    weights = hub.save(
        tmp_path / "w", config=small.CONFIG, state=small.state(), heat_scale=1.0, card="small"
    )
    (tmp_path / "broken.mp4").write_bytes(b"not a video at all")
    names = {"forged.mp4": EXAMPLES, "broken.mp4": tmp_path, "missing.mp4": tmp_path}
    scored = []
    for name, root in names.items():
        scored += score_videos(weights, [VideoRecord(name, 1, "shipped")], root)
    forged, broken, missing = scored
    assert forged.score is not None
    assert forged.face_px is not None
    assert forged.crop_jpeg is not None
    assert np.all(np.diff(forged.frame_time_s) > 0)
    assert len(forged.frame_logits) >= 8
    assert (broken.score, broken.reason) == (None, "not-a-video")
    assert (missing.score, missing.reason) == (None, "file-refused")


def test_the_tables_hold_every_video_and_every_frame(tmp_path: Path) -> None:
    scored = made_scores(6)
    scored.append(ScoredVideo(VideoRecord("x.mp4", None, "one"), None, "no_face"))
    fitted = small.calibration()
    write_videos(tmp_path / "a" / "videos.csv", scored, fitted)
    write_frames(tmp_path / "frames.csv", scored, fitted)
    videos, frames = read(tmp_path / "a" / "videos.csv"), read(tmp_path / "frames.csv")
    assert [v["video"] for v in videos] == [s.record.key for s in scored]
    assert (videos[6]["score"], videos[6]["p_fake"], videos[6]["label"]) == ("", "", "")
    assert videos[6]["reason"] == "no_face"
    expected = calibration.p_fake(fitted, np.array([scored[0].score]))[0]
    assert float(videos[0]["p_fake"]) == pytest.approx(expected, rel=1e-5)
    assert list(frames[0]) == ["video", "track", "frame_index", "time_s", "logit", "p_fake"]
    assert len(frames) == 24
    assert float(frames[5]["logit"]) == pytest.approx(scored[1].frame_logits[1], rel=1e-5)
    write_videos(tmp_path / "plain.csv", scored)
    assert {v["p_fake"] for v in read(tmp_path / "plain.csv")} == {""}
    unknown = replace(
        scored[0], frame_time_s=np.full(4, math.nan), frame_index=np.full(4, -1, np.int64)
    )
    write_frames(tmp_path / "unknown.csv", [unknown])
    assert {(r["frame_index"], r["time_s"]) for r in read(tmp_path / "unknown.csv")} == {("", "")}


def test_clips_with_one_original_share_a_source(tmp_path: Path) -> None:
    text = "file,label,original,note\na.mp4,0,,\nb.mp4,1,a.mp4,\n"
    (tmp_path / "clips.csv").write_text(text, encoding="utf-8")
    real, fake = clip_records(tmp_path)
    assert real.source_id == fake.source_id == real.key
    assert (fake.path, fake.label) == ("clips/b.mp4", 1)
    with pytest.raises(SettingError, match=r"must hold clips\.csv"):
        clip_records(tmp_path / "none")


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="must hold a checkpoint 'best'"):
        engine_of_run(tmp_path)
