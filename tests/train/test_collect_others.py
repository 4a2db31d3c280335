"""scripts/collect_others.py and docs/others.csv: what weights were measured on can be had again."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dfexplain import video
from dfexplain.structures import Sampling
from scripts import collect_others
from tests.sources import ROOT
from train import importers

COLUMNS = ("repository", "blob", "half", "label", "kind", "split", "people", "original")


def listed() -> list[dict[str, str]]:
    with (ROOT / "docs" / "others.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def collected(tmp_path: Path, rows: list[tuple[str, ...]]) -> tuple[int, str, str]:
    table = tmp_path / "listed.csv"
    with table.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([COLUMNS, *rows])
    command = [sys.executable, str(ROOT / "scripts/collect_others.py")]
    command += ["--repositories", str(tmp_path / "clones"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--listed", str(table)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def cloned(tmp_path: Path) -> str:
    """A bare clone with one clip, dark on the left and bright on the right; its object's name."""
    picture = np.full((64, 96, 3), 40, np.uint8)
    picture[:, 48:] = 200
    clip = video.write(tmp_path / "clip.mp4", [picture] * 6, 12.0)
    content = clip.read_bytes()
    bare = tmp_path / "clones" / "someone" / "swaps.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    name = subprocess.run(
        ["git", "-C", str(bare), "hash-object", "-w", "--stdin"],
        input=content, capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    assert name == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return name


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_files_and_halves_come_out_of_clones(tmp_path: Path, cloned: str) -> None:
    rows = [
        ("someone/swaps", cloned, "", "0", "webcam", "val", "p001", ""),
        ("someone/swaps", cloned, "left", "0", "DeepFaceLive", "val", "p002", ""),
        ("someone/swaps", cloned, "right", "1", "swap, live", "val", "p002", f"{cloned}/left"),
    ]
    status, said, _ = collected(tmp_path, rows)
    assert status == 0
    assert "3 of 3 videos" in said
    videos = {record.path: record for record in importers.read(tmp_path / "out")}
    whole, left, right = (videos[collect_others.file_of(cloned, h)] for h in ("", "left", "right"))
    assert (tmp_path / "out" / whole.path).read_bytes() == (tmp_path / "clip.mp4").read_bytes()
    assert right.source_id == left.source_id != whole.source_id
    assert (right.method, right.split) == ("swap, live", "val")
    assert [v.identities for v in (whole, left)] == [("p001",), ("p002",)]
    for record, grey in ((left, 40), (right, 200)):
        with video.sample(tmp_path / "out" / record.path, Sampling(frames=2)) as stream:
            frames = list(stream)
        assert frames[0].rgb.shape == (64, 48, 3)
        assert abs(float(frames[0].rgb.mean()) - grey) < 4
    assert not list((tmp_path / "out").glob("*.whole"))


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_no_clone_holds_is_named(tmp_path: Path, cloned: str) -> None:
    rows = [
        ("someone/swaps", cloned, "", "0", "webcam", "val", "p001", ""),
        ("someone/swaps", "0" * 40, "", "0", "webcam", "val", "p001", ""),
        ("nobody/nothing", "1" * 40, "", "1", "swap", "val", "p001", ""),
    ]
    status, said, complaint = collected(tmp_path, rows)
    assert status == 1
    assert "1 of 3 videos" in said
    assert "nobody/nothing, someone/swaps" in complaint
    assert len(importers.read(tmp_path / "out")) == 1


def test_the_list_is_whole() -> None:
    rows = listed()
    keys = [(r["blob"], r["half"]) for r in rows]
    assert len(set(keys)) == len(keys)
    genuine = {collect_others.file_of(r["blob"], r["half"]) for r in rows if r["label"] == "0"}
    table = [collect_others.table_row(r) for r in rows]
    pairs = [row for row in table if row[1] == "1" and row[5]]
    assert {row[5].removeprefix("others:") for row in pairs} <= genuine
    # Nobody is both among those that may choose and those that are kept.
    people: dict[str, set[str]] = {"val": set(), "test": set()}
    for row in rows:
        people[row["split"]].update(row["people"].split("|"))
    assert not people["val"] & people["test"]
    counts = Counter(r["label"] for r in rows)
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert f"{counts['0']} genuine clips and {counts['1']} deepfakes" in text.replace("\n", " ")
    for kind in ("swap", "swap, live", "re-enacted", "animated picture"):
        number = sum(r["label"] == "1" and r["kind"] == kind for r in rows)
        assert f"| {kind} | {number} |" in text
