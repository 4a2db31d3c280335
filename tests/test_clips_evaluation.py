"""The labelled clips, where present: the AUC is printed with its interval, without a bar."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfexplain import hub
from train.evaluate import evaluate

DATA = Path(os.environ.get("DFEXPLAIN_DATA", ""))


@pytest.mark.skipif(
    not (DATA / "clips.csv").is_file(),
    reason="needs the evaluation clips: set DFEXPLAIN_DATA to the folder with clips.csv",
)
def test_labelled_clips_are_scored_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    value = evaluate(hub.load("default"), DATA, say=lines.append)
    assert 0.0 <= value <= 1.0
    assert "95 % interval" in lines[-1]
    assert "chance 0.5" in lines[-1]
    with capsys.disabled():
        print(f"\n{lines[-1]}")
