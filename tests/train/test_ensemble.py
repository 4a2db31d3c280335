"""ensemble.py: the mean of several models, and no number where a member has none (C12)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import small_weights as small
from tests.train.crops import crops_data
from train import ensemble
from train.__main__ import main as run
from train.records import VideoRecord, write_crops
from train.scores import ScoredVideo


def scored(name: str, logits: dict[int, float], *, index: bool = True) -> ScoredVideo:
    frames = list(logits)
    return ScoredVideo(
        VideoRecord(name, 1, "d"),
        float(np.mean(list(logits.values()))),
        frame_logits=np.array(list(logits.values())),
        frame_time_s=np.array(frames) / 5,
        frame_index=np.array(frames if index else [-1] * len(frames)),
        frame_track=("A",) * len(frames),
    )


def test_scores_and_common_frames_are_averaged() -> None:
    one, two = scored("v", {0: 1.0, 4: 3.0, 8: 5.0}), scored("v", {4: -1.0, 8: 1.0, 12: 9.0})
    (both,) = ensemble.mean([[one], [two]])
    assert both.score == pytest.approx(3.0)
    np.testing.assert_array_equal(both.frame_index, [4, 8])
    np.testing.assert_allclose(both.frame_logits, [1.0, 3.0])
    (same,) = ensemble.mean([[one]])
    np.testing.assert_array_equal(same.frame_logits, one.frame_logits)


def test_frames_without_a_number_go_by_their_place() -> None:
    one, two = (scored("v", logits, index=False) for logits in ({0: 1.0, 1: 2.0}, {0: 3.0, 1: 6.0}))
    (both,) = ensemble.mean([[one], [two]])
    np.testing.assert_allclose(both.frame_logits, [2.0, 4.0])


def test_a_video_that_a_member_cannot_score_has_no_score() -> None:
    record = VideoRecord("v", 1, "d")
    (both,) = ensemble.mean([[scored("v", {0: 1.0})], [ScoredVideo(record, None, "no_face")]])
    assert (both.score, both.reason) == (None, "no_face")
    with pytest.raises(ValueError, match="same videos"):
        ensemble.mean([[scored("v", {0: 1.0})], [scored("w", {0: 1.0})]])


def test_evaluate_takes_an_ensemble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = crops_data(tmp_path / "crops")
    write_crops(tmp_path / "test.csv", data.val)
    members = [str(small.publishable(tmp_path / name, seed=s)) for s, name in enumerate("ab")]
    where = ["--csv", str(tmp_path / "test.csv"), "--image-root", str(data.image_root)]
    few = ["--resamples", "50"]
    for weights, out in ((members[:1], "a"), (members[1:], "b"), (members, "both")):
        words = ["evaluate", "--weights", weights[0], *where, *few, "--out", str(tmp_path / out)]
        assert run(words + (["--with", *weights[1:]] if weights[1:] else [])) == 0

    def scores(out: str) -> list[float]:
        lines = (tmp_path / out / "videos.csv").read_text().splitlines()[1:]
        return [float(line.split(",")[4]) for line in lines]

    mean = np.mean([scores("a"), scores("b")], axis=0)
    np.testing.assert_allclose(scores("both"), mean, rtol=1e-4)
    assert json.loads((tmp_path / "both" / "results.json").read_text())["method"] is None
