"""FaceForensics++, plain folders, tables, and which of the layouts a folder has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfexplain.errors import DataError, IdentityLeak, SourceLeak
from tests.train import trees
from train import importers, leaks, splits
from train.records import VideoRecord, write_videos
from train.splitting import SplitRequest, split_tables


def test_faceforensics_methods_compressions_and_the_official_split(tmp_path: Path) -> None:
    records = importers.read(trees.faceforensics(tmp_path, trees.FF_PAIRS))
    found = {r.path: r for r in records}
    assert len(found) == 2 * (6 + 6) + 2
    fake = found["manipulated_sequences/Deepfakes/c23/videos/001_870.mp4"]
    assert (fake.label, fake.method, fake.compression, fake.split) == (1, "Deepfakes", "c23", "val")
    assert fake.identities == ("ff-001", "ff-870")
    # The copies of one sequence and what was made of it have one source.
    assert (
        fake.source_id
        == found["original_sequences/youtube/raw/videos/001.mp4"].source_id
        == found["original_sequences/youtube/c23/videos/001.mp4"].source_id
    )
    place = "manipulated_sequences/DeepFakeDetection/c23/videos/"
    actors = found[f"{place}01_02__exit_phone_room__YVGY8LOK.mp4"]
    assert (actors.identities, actors.split) == (("dfd-01", "dfd-02"), "")
    original = found["original_sequences/actors/c23/videos/01__exit_phone_room.mp4"]
    assert actors.source_id == original.source_id
    made = splits.make(records)
    assert made.official == 24
    assert leaks.audit(made.videos) == []


def test_a_leak_planted_in_faceforensics_is_refused(tmp_path: Path) -> None:
    torn = {"train": [["000", "001"]], "val": [["003", "006"]], "test": [["002", "870"]]}
    root = trees.faceforensics(tmp_path, torn)
    with pytest.raises(IdentityLeak, match="person ff-"):
        split_tables(SplitRequest(input_dir=root, out=tmp_path / "out"), say=lambda _: None)
    doubled = trees.FF_PAIRS | {"test": [["000", "006"]]}
    with pytest.raises(DataError, match="sequence 000 must be in one official split"):
        importers.read(trees.faceforensics(tmp_path, doubled))


def test_plain_folders(tmp_path: Path) -> None:
    records = importers.read(trees.folder(tmp_path / "mine"))
    assert [(r.path, r.label, r.method) for r in records[:1] + records[-1:]] == [
        ("Real/0.mp4", 0, ""),
        ("fake/swap/3.avi", 1, "swap"),
    ]
    assert (len(records), records[0].dataset) == (8, "mine")


def test_a_leak_planted_in_a_folder_is_refused_by_its_frames(tmp_path: Path) -> None:
    clip = (Path(__file__).parents[2] / "examples/no_face.mp4").read_bytes()
    root = tmp_path / "in"
    names = ("real/a.mp4", "real/b.mp4", "fake/c.mp4", "fake/d.mp4")
    trees.touch(root, *names)
    for name in names:
        (root / name).write_bytes(clip)
    request = SplitRequest(
        input_dir=root, out=tmp_path, into=("train", "test"), split_ratio=0.5, check_frames=True
    )
    with pytest.raises(SourceLeak, match="differ in 0 of 255 bits"):
        split_tables(request, say=lambda _: None)


@pytest.mark.parametrize("kind", ["csv", "json", "map"])
def test_tables_of_videos(tmp_path: Path, kind: str) -> None:
    rows = [
        {"video_id": "a.mp4", "label": "real", "source_dataset": "one", "identity": "p"},
        {"video_id": "b.mp4", "label": "1", "source_dataset": "two", "original": "a.mp4"},
        {"video_id": "c.mp4", "label": "", "source_dataset": "two", "split": "validation"},
    ]
    if kind == "csv":
        columns = sorted({k for row in rows for k in row})
        lines = [",".join(row.get(c, "") for c in columns) for row in rows]
        (tmp_path / "videos.csv").write_text("\n".join([",".join(columns).upper(), *lines]))
    else:
        said = rows if kind == "json" else {row.pop("video_id"): row for row in rows}
        (tmp_path / "videos.json").write_text(json.dumps(said))
    assert importers.read(tmp_path) == [
        VideoRecord("a.mp4", 0, "one", ("p",), "one:a.mp4"),
        VideoRecord("b.mp4", 1, "two", (), "two:a.mp4"),
        VideoRecord("c.mp4", None, "two", split="val"),
    ]


def test_a_leak_planted_in_a_table_is_refused(tmp_path: Path) -> None:
    rows = [
        VideoRecord(f"{label}{k}.mp4", label, "t", (f"p{k}",), split="test" if k == 3 else "train")
        for k in range(4)
        for label in (0, 1)
    ]
    leaking = VideoRecord("x.mp4", 1, "t", ("p0",), split="test")
    write_videos(tmp_path / "videos.csv", [*rows, leaking])
    request = SplitRequest(
        label_file=tmp_path / "videos.csv", out=tmp_path / "out", into=("train", "test")
    )
    with pytest.raises(IdentityLeak, match=r"person p0.*00\.mp4 is in train and t:x\.mp4"):
        split_tables(request, say=lambda _: None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id,label\na.mp4,perhaps\n", "row 2: label must be"),
        ("video_id,label\na.mp4,1\na.mp4,0\n", "name each video once"),
        ("video_id,label,split\na.mp4,1,dev\n", "split must be"),
        ("video_id,label\n,1\n", "video_id must name"),
        ("name,label\na.mp4,1\n", "must have the layout table"),
    ],
)
def test_mistakes_in_a_table_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "videos.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        importers.read(tmp_path, "table")


def test_what_a_folder_is_taken_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="but has none"):
        importers.recognise(tmp_path)
    with pytest.raises(DataError, match="Check it"):
        importers.recognise(tmp_path / "nowhere")
    trees.folder(tmp_path)
    assert importers.recognise(tmp_path) == "folder"
    trees.celeb_df(tmp_path)
    with pytest.raises(DataError, match=r"several \(celeb-df, folder\)"):
        importers.read(tmp_path)
    assert len(importers.read(tmp_path, "folder")) == 8
    with pytest.raises(DataError, match="must be auto or one of"):
        importers.read(tmp_path, "vox")
    with pytest.raises(DataError, match="must have the layout dfdc"):
        importers.read(tmp_path, "dfdc")
    trees.touch(tmp_path / "empty", "real/notes.txt", "fake/notes.txt")
    with pytest.raises(DataError, match="holds none"):
        importers.read(tmp_path / "empty")


def test_two_folders_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    trees.touch(tmp_path, "real/a.mp4", "Real/b.mp4", "fake/c.mp4")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system does not tell upper and lower case apart")
    with pytest.raises(DataError, match="has Real and real"):
        importers.read(tmp_path)
