"""scripts/make_small_dataset.py: what it makes is read, split and told apart by a simple rule."""

from __future__ import annotations

import csv
import os
import runpy
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dfexplain import video
from dfexplain.structures import Sampling
from scripts import make_small_dataset
from train import importers, leaks, splits
from train.extract import ExtractSettings, extract


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From the people who ship, whether portraits are there or not."""
    out = tmp_path_factory.mktemp("small")
    before = os.environ.pop("DFEXPLAIN_DATA", None)
    try:
        assert make_small_dataset.make(out, people=8) == 16
    finally:
        if before is not None:
            os.environ["DFEXPLAIN_DATA"] = before
    return out


def test_it_is_read_with_people_and_sources(small: Path) -> None:
    records = importers.read(small)
    assert [sum(r.label == label for r in records) for label in (0, 1)] == [8, 8]
    assert len({p for r in records for p in r.identities}) == 7
    assert all(
        (small / r.path).is_file() and r.source_id.startswith("small:real/") for r in records
    )
    with video.sample(small / records[0].path, Sampling(frames=None, every=1)) as stream:
        frames = list(stream)
    assert (len(frames), frames[0].rgb.shape) == (18, (240, 220, 3))


def test_its_people_can_be_split_and_its_fakes_be_seen(small: Path, tmp_path: Path) -> None:
    records = importers.read(small)
    made = splits.make(records, into=("train", "test"), split_ratio=0.7)
    leaks.check(made.videos)
    result = extract(records, small, tmp_path, ExtractSettings(fps=None, frames=3, crop_px=96))
    assert result.skipped == []
    # Fakes were made coarsely: little detail at the eyes and the mouth beside that of the border.
    detail: dict[str, list[float]] = {}
    for crop in result.crops:
        grey = cv2.imread(str(tmp_path / crop.file), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        detail.setdefault(crop.video.key, []).append(-float(edges[30:66, 30:66].mean()))
    labels = np.array([r.label for r in records])
    scores = np.array([np.mean(detail[r.key]) for r in records])
    assert roc_auc_score(labels, scores) > 0.8


def test_the_layout_of_dfdc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DFEXPLAIN_DATA", raising=False)
    make_small_dataset.make(tmp_path, people=2, layout="dfdc")
    assert importers.recognise(tmp_path) == "dfdc"
    records = importers.read(tmp_path)
    assert [(Path(r.path).name, r.label) for r in records] == [
        ("p000_0f.mp4", 1),
        ("p000_0r.mp4", 0),
        ("p001_0f.mp4", 1),
        ("p001_0r.mp4", 0),
    ]
    assert records[0].source_id == records[1].key
    with (tmp_path / "people.csv").open() as handle:
        assert len({row["identities"] for row in csv.DictReader(handle)}) == 2


def test_portraits_are_one_a_person_and_swapped_in_pairs(tmp_path: Path) -> None:
    if "DFEXPLAIN_DATA" not in os.environ:
        pytest.skip("needs portraits: DFEXPLAIN_DATA names their folder")
    make_small_dataset.make(tmp_path, people=6)
    records = importers.read(tmp_path)
    assert Counter(r.method for r in records) == {"": 6, "swap": 4, "self-blend": 2}
    assert sorted(map(len, splits.groups(records))) == [2, 2, 4, 4]
    assert not list(make_small_dataset.ROOT.glob("**/portraits_skipped.csv"))


def test_the_documented_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DFEXPLAIN_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["x", "--out", str(tmp_path), "--people", "1"])
    runpy.run_path(make_small_dataset.__file__, run_name="__main__")
    assert capsys.readouterr().out == f"{tmp_path}: 2 clips\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fake", "real", "videos.csv"]
