"""`dfexplain batch --queue`: files that the workers of a database do, as if no queue were there."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain.batch.queued import FORMATS
from tests import small_weights
from tests.clips import make_clip
from tests.sources import ROOT


@contextmanager
def polling_worker() -> Iterator[None]:
    """The product's own worker, with the settings of this process's environment."""
    command = [sys.executable, "-m", "dfexplain", "worker", "--poll"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as worker:
        try:
            yield
        finally:
            worker.kill()


def rows_of(run: Path) -> dict[str, dict[str, str]]:
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        return {Path(row["path"]).name: row for row in csv.DictReader(file)}


def test_a_queued_batch_is_the_batch_that_this_machine_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make_clip(source / "clip.mp4", 4)
    shutil.copy(source / "clip.mp4", source / "copy.mp4")
    (source / "text.mp4").write_text("no video")
    weights = str(small_weights.publishable(tmp_path / "weights"))
    monkeypatch.setenv("DFEXPLAIN_DATABASE", f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    monkeypatch.setenv("DFEXPLAIN_WEIGHTS", weights)
    monkeypatch.setenv("DFEXPLAIN_POLL_S", "0.05")
    asked = ["batch", str(source), "--weights", weights, "--frames", "2"]
    with polling_worker():
        # A bad file fails the run, with the status of any batch.
        assert cli.main([*asked, "--queue", "--out", str(tmp_path / "queued")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error[not-a-video]: ")
    assert "text.mp4 must hold a readable video" in said
    assert cli.main([*asked, "--workers", "1", "--out", str(tmp_path / "here")]) == 1
    queued, here = (rows_of(tmp_path / name) for name in ("queued", "here"))
    assert queued.keys() == here.keys()
    for name, row in here.items():
        for column in ("state", "code", "verdict", "reason", "score", "p_fake", "sha256"):
            assert queued[name][column] == row[column], (name, column)
    for path in (tmp_path / "queued" / "reports").iterdir():
        assert path.read_bytes() == (tmp_path / "here" / "reports" / path.name).read_bytes()
    assert len(os.listdir(tmp_path / "queued" / "reports")) == len(FORMATS)


def test_what_was_done_before_needs_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source").mkdir()
    clip = make_clip(tmp_path / "source" / "clip.mp4", 4)
    weights = str(small_weights.publishable(tmp_path / "weights"))
    monkeypatch.setenv("DFEXPLAIN_DATABASE", f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    monkeypatch.setenv("DFEXPLAIN_WEIGHTS", weights)
    monkeypatch.setenv("DFEXPLAIN_POLL_S", "0.05")
    asked = ["batch", str(clip.parent), "--weights", weights, "--frames", "2", "--queue"]
    with polling_worker():
        assert cli.main([*asked, "--out", str(tmp_path / "first")]) == 0
    assert cli.main([*asked, "--out", str(tmp_path / "second")]) == 0
    first, second = (rows_of(tmp_path / name)["clip.mp4"] for name in ("first", "second"))
    assert first == second
    assert cli.main([*asked, "--format", "csv", "--out", str(tmp_path / "third")]) == 2
    assert "--format must be json,html with --queue" in capsys.readouterr().err
