"""The labelled clips, where present: the AUC is printed with its interval, without a bar."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfexplain import hub
from train import eval_report
from train.evaluate import evaluate
from train.scores import clip_records, score_videos

DATA = Path(os.environ.get("DFEXPLAIN_DATA", ""))


@pytest.mark.skipif(
    not (DATA / "clips.csv").is_file(),
    reason="needs the evaluation clips: set DFEXPLAIN_DATA to the folder with clips.csv",
)
def test_labelled_clips_are_scored_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    weights = hub.load("default")
    records = clip_records(DATA)
    scored = score_videos(weights, records, DATA)
    assert [s.record for s in scored] == records
    result = evaluate(scored, calibration=weights.calibration, name="clips")
    assert result.total == len(records)
    assert result.video.n + sum(result.reasons.values()) == result.total
    measured = result.video.measures["auc"]
    assert measured.value is not None
    assert measured.low is not None
    assert measured.high is not None
    assert 0.0 <= measured.low <= measured.value <= measured.high <= 1.0
    told = eval_report.lines(result)
    assert "chance: auc 0.500" in told[-1]
    with capsys.disabled():
        print("", *told, sep="\n")
