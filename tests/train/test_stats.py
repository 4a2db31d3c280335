"""stats.py: counts by hand, the chance line, and a report that is saved as it is said."""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfexplain.errors import SettingError
from dfexplain.plots.dataset import DatasetTable, dataset
from tests.train import trees
from train import stats, video_facts
from train.commands import stats as command
from train.extract import ExtractSettings, extract
from train.records import VideoRecord, write_videos

EXAMPLES = Path(__file__).parents[2] / "examples"


def seed_3(tmp_path: Path) -> Path:
    """Its layout: 2 real, 5 fake, 15 to test; two of them can be read."""
    root = tmp_path / "celeb"
    trees.touch(root, *(f"Celeb-Real/id{k}_0000.mp4" for k in range(2)))
    trees.touch(root, *(f"Celeb-Fake/id{k}_id9_0000.mp4" for k in range(5)))
    trees.touch(root, *(f"Testing/{k}.avi" for k in range(15)))
    shutil.copy(EXAMPLES / "two_people.mp4", root / "Celeb-Fake/id3_id9_0000.mp4")
    shutil.copy(EXAMPLES / "no_face.mp4", root / "Celeb-Real/id1_0000.mp4")
    return root


def run(*given: str) -> None:
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    command.run(parser.parse_args(list(given)))


def test_the_report_of_seed_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = seed_3(tmp_path), tmp_path / "out"
    run("--input-dir", str(root), "--out", str(out))
    said = json.loads((out / "stats.json").read_text())
    assert [said[k] for k in ("videos", "real", "fake", "unlabelled")] == [22, 2, 5, 15]
    assert said["always_fake_accuracy"] == pytest.approx(5 / 7)
    assert said["suffixes"] == {".avi": 15, ".mp4": 7}
    assert said["resolutions"] == {"480 x 270": 1, "768 x 384": 1}
    assert said["formats"] == {"mov h264": 2}
    assert said["duration_s"]["total"] == pytest.approx(12.0)
    assert said["fps"]["median"] == pytest.approx(25.0)
    assert len(said["unreadable"]) == 20
    assert [(f["depth"], f["name"], f["videos"]) for f in said["folders"]] == [
        (0, "celeb", 0),
        (1, "Celeb-Fake", 5),
        (1, "Celeb-Real", 2),
        (1, "Testing", 15),
    ]
    # The first that can be read; empty files come before it.
    assert said["sample"] == {"video": "Celeb-Fake/id3_id9_0000.mp4", "shape": [384, 768, 3]}
    assert cv2.imread(str(out / "sample_frame.png")).shape == (384, 768, 3)
    assert cv2.imread(str(out / "dataset.png")).shape[2] == 3
    lines = capsys.readouterr().out.splitlines()
    assert "always answering fake is right 71.43%; 2.50 fakes a real video" in lines
    assert "    Testing/ 15" in lines


def test_the_chance_line_of_493_and_5582() -> None:
    records = [VideoRecord(f"{k}", int(k >= 493), "celeb") for k in range(6075)]
    made = stats.summarise(records, {})
    assert (made.real, made.fake) == (493, 5582)
    assert made.always_fake_accuracy == pytest.approx(0.91885, abs=1e-5)
    assert made.fakes_per_real == pytest.approx(11.32, abs=0.01)


def test_counts_by_data_set_split_method_and_compression(tmp_path: Path) -> None:
    records = [
        VideoRecord("a", 0, "x", split="train"),
        VideoRecord("b", 1, "x", method="m", compression="c23", split="train"),
        VideoRecord("c", 1, "y", method="m", compression="c40"),
        VideoRecord("d", None, "y"),
    ]
    made = stats.summarise(records, {})
    stats.write(made, {}, tmp_path)
    with (tmp_path / "stats.csv").open() as handle:
        rows = {f"{r['by']} {r['value']}": r for r in csv.DictReader(handle)}
    counts = {k: [int(r[c]) for c in ("real", "fake", "unlabelled")] for k, r in rows.items()}
    assert counts == {
        "all all": [1, 2, 1],
        "dataset x": [1, 1, 0],
        "dataset y": [0, 1, 1],
        "split train": [1, 1, 0],
        "method m": [0, 2, 0],
        "compression c23": [0, 1, 0],
        "compression c40": [0, 1, 0],
    }
    assert float(rows["dataset x"]["always_fake_accuracy"]) == 0.5
    table = stats.table_of(made, {})
    assert table.parts["dataset y"] == (0, 1, 1)
    assert json.loads((tmp_path / "stats.json").read_text())["sample"] is None


def test_extracted_folders_and_splits_are_counted_without_opening_a_video(tmp_path: Path) -> None:
    root = tmp_path / "in"
    trees.touch(root, "gone.mp4")
    shutil.copy(EXAMPLES / "untouched.mp4", root / "a.mp4")
    records = [VideoRecord("a.mp4", 0, "d"), VideoRecord("gone.mp4", 1, "d", method="m")]
    extract(records, root, tmp_path / "x", ExtractSettings(fps=None, frames=3, crop_px=32))
    write_videos(tmp_path / "s" / "metadata_test.csv", records[:1])
    shutil.rmtree(root)
    given = ("--image-root", str(tmp_path / "x"), "--split-dir", str(tmp_path / "s"))
    run(*given, "--out", str(tmp_path / "o"))
    said = json.loads((tmp_path / "o" / "stats.json").read_text())
    assert (said["real"], said["fake"], said["resolutions"]) == (1, 1, {"384 x 384": 1})
    assert [u["path"] for u in said["unreadable"]] == ["gone.mp4"]
    assert [r["videos"] for r in said["counts"] if r["by"] == "split"] == [1]


def test_a_table_alone_is_counted_and_one_source_is_asked_for(tmp_path: Path) -> None:
    root = trees.kaggle(tmp_path / "k")
    run("--label-file", str(root / "metadata34.csv"), "--out", str(tmp_path / "o"))
    assert json.loads((tmp_path / "o" / "stats.json").read_text())["fake"] == 7
    with pytest.raises(SettingError, match="has 0 of them"):
        run()
    with pytest.raises(SettingError, match="has 2 of them"):
        run("--label-file", "a", "--input-dir", "b")


def test_the_figure_draws_its_table() -> None:
    table = DatasetTable(
        parts={"dataset a": (3, 9, 0), "dataset b": (1, 1, 4)},
        formats={"mov h264": 10, "avi mpeg4": 8},
        resolutions={f"{k} x {k}": k for k in range(1, 20)},
        duration_s=np.array([1.0, 2.0, math.nan]),
        fps=np.full(3, 25.0),
        always_fake=10 / 14,
    )
    parts, formats, sizes, lengths, rates = dataset(table).axes
    assert parts.get_title() == "answering fake always is right 71.4% of the time"
    bars = [[p.get_width() for p in group] for group in parts.containers]
    assert bars == [[3, 1], [9, 1], [0, 4]]
    assert [p.get_width() for p in formats.patches] == [10, 8]
    widths = [p.get_width() for p in sizes.patches]
    assert (widths[:2], widths[-1]) == ([19, 18], sum(range(1, 8)))
    assert sum(p.get_height() for p in lengths.patches) == 2
    assert sum(p.get_height() for p in rates.patches) == 3


def test_skipped_videos_keep_their_labels(tmp_path: Path) -> None:
    (tmp_path / "skipped.csv").write_text(
        "dataset,path,label,code,reason\nd,a.mp4,1,no-face,none\nd,b.mp4,,not-a-video,broken\n"
    )
    assert [(r.key, r.label) for r in video_facts.read_skipped(tmp_path)] == [
        ("d:a.mp4", 1),
        ("d:b.mp4", None),
    ]
