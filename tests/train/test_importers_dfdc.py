"""DFDC: parts with metadata.json, the Kaggle sheet with crops that are cut already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfexplain.errors import DataError, SourceLeak
from tests.train import trees
from train import importers, leaks, splits
from train.importers import dfdc
from train.records import VideoRecord
from train.splitting import SplitRequest, read_split, split_tables


def by_name(records: list[VideoRecord]) -> dict[str, VideoRecord]:
    return {r.path.rpartition("/")[2]: r for r in records}


def test_parts_are_read_with_originals_wherever_they_lie(tmp_path: Path) -> None:
    said: list[str] = []
    records = importers.read(trees.dfdc(tmp_path / "dfdc"), say=said.append)
    found = by_name(records)
    assert said == ["dfdc: dfdc, 7 videos (3 real, 4 fake, 0 unlabelled)"]
    assert sorted(found) == [f"{c * 4}.mp4" for c in "abcdefg"]
    assert found["bbbb.mp4"] == VideoRecord(
        "dfdc_train_part_0/bbbb.mp4",
        1,
        "dfdc",
        source_id="dfdc:dfdc_train_part_0/aaaa.mp4",
        split="train",
    )
    # The original of this one lies in another part.
    assert found["ffff.mp4"].source_id == found["aaaa.mp4"].source_id == found["aaaa.mp4"].key


@pytest.mark.parametrize("depth", ["", "dfdc_train_part_00"])
def test_a_part_alone_and_unpacked_archives_are_roots_too(tmp_path: Path, depth: str) -> None:
    trees.dfdc(tmp_path / depth)
    root = tmp_path if depth else tmp_path / "dfdc_train_part_1"
    assert len(importers.read(root)) == (7 if depth else 4)


def test_train_alone_is_no_official_split_and_fakes_go_with_their_originals(tmp_path: Path) -> None:
    records = importers.read(trees.dfdc(tmp_path))
    made = splits.make(records, into=("train", "test"), split_ratio=0.6)
    assert made.official == 0
    assert made.groups == 3
    assert not [f for f in leaks.audit(made.videos) if f.code != "DFX003"]


def test_a_planted_leak_is_refused(tmp_path: Path) -> None:
    root = trees.dfdc(tmp_path / "in", splits={"bbbb.mp4": "test", "gggg.mp4": "test"})
    with pytest.raises(SourceLeak, match=r"aaaa\.mp4.*in train.*bbbb\.mp4 in test") as refused:
        split_tables(SplitRequest(input_dir=root, out=tmp_path, into=("train", "test")))
    assert refused.value.code == "DFX002"
    assert not list(tmp_path.glob("*.csv"))
    audit = json.loads((tmp_path / "leaks.json").read_text())
    assert audit["counts"] == {"DFX001": 0, "DFX002": 1, "DFX003": 0}
    assert [v[-8:] for v in audit["findings"][0]["videos"]] == ["aaaa.mp4", "bbbb.mp4"]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"a.mp4": {"label": "MAYBE"}}, "FAKE or REAL, but got 'MAYBE'"),
        ({"a.mp4": {"label": "FAKE"}}, "none of 1 does"),
        (["a.mp4"], "map each video"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, facts: object, message: str) -> None:
    (tmp_path / "metadata.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=message):
        importers.read(tmp_path)


def test_the_kaggle_sheet_gives_crops_without_extraction(tmp_path: Path) -> None:
    root = trees.kaggle(tmp_path / "kaggle")
    records = importers.read(root)
    found = dfdc.find_sheet(root)
    assert found == (root / "metadata34.csv", root / "archive" / "images")
    crops = dfdc.sheet_crops(records, found[1])
    assert len(records) == 13
    assert [(c.file, c.frame_index) for c in crops if c.video.path == "real1.mp4"] == [
        ("real1/frame_0.jpg", 0),
        ("real1/frame_30.jpg", 30),
        ("real1/frame_270.jpg", 270),
    ]
    assert len(crops) == 36  # "lost.mp4" has none


def test_the_flags_of_seed_0_write_its_three_tables(tmp_path: Path) -> None:
    root = trees.kaggle(tmp_path / "kaggle")
    said: list[str] = []
    request = SplitRequest(
        label_file=root / "metadata34.csv",
        image_root=root / "archive" / "images",
        out=tmp_path / "out",
        split_ratio=0.5,
    )
    split_tables(request, say=said.append)
    tables = {p.name: read_split(p) for p in (tmp_path / "out").glob("*.csv")}
    assert sorted(tables) == ["metadata_test.csv", "metadata_train.csv", "metadata_val.csv"]
    assert sum(len(rows) for rows in tables.values()) == 36
    assert said[0] == "1 videos without a crop are left out"


def test_a_sheet_whose_crops_are_elsewhere_is_refused(tmp_path: Path) -> None:
    root = trees.kaggle(tmp_path)
    with pytest.raises(DataError, match="folder of pictures"):
        dfdc.sheet_crops(dfdc.read_sheet(root / "metadata34.csv"), root)
    (root / "twice.csv").write_text("filename,label\na.mp4,REAL\na.mp4,FAKE\n")
    with pytest.raises(DataError, match="names one twice"):
        dfdc.read_sheet(root / "twice.csv")
