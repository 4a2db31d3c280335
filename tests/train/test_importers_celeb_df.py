"""Celeb-DF in its published layout and in the three folders of seed 3."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfexplain.errors import DataError, IdentityLeak
from tests.train import trees
from train import importers, leaks, splits
from train.records import VideoRecord
from train.splitting import SplitRequest, split_tables

LIST = "1 YouTube-real/00002.mp4\n1 Celeb-real/id3_0000.mp4\n0 Celeb-synthesis/id2_id3_0000.mp4\n"


def test_people_sources_and_the_test_list(tmp_path: Path) -> None:
    records = importers.read(trees.celeb_df(tmp_path / "Celeb-DF-v2", listed=LIST))
    found = {r.path: r for r in records}
    assert len(found) == 14
    assert found["Celeb-synthesis/id1_id0_0001.mp4"] == VideoRecord(
        "Celeb-synthesis/id1_id0_0001.mp4",
        1,
        "celeb-df-v2",
        ("celeb-df-id0", "celeb-df-id1"),
        "celeb-df:celeb-real/id1_0001",
        "celeb-synthesis",
        split="train",
    )
    assert found["Celeb-real/id1_0001.mp4"].source_id == "celeb-df:celeb-real/id1_0001"
    assert found["YouTube-real/00002.mp4"].identities == ()
    # In the list 1 is real; here 0 is.
    tested = {r.path: r.label for r in records if r.split == "test"}
    assert tested == {
        "YouTube-real/00002.mp4": 0,
        "Celeb-real/id3_0000.mp4": 0,
        "Celeb-synthesis/id2_id3_0000.mp4": 1,
    }


def test_case_and_an_inner_folder_do_not_matter(tmp_path: Path) -> None:
    plain = importers.read(trees.celeb_df(tmp_path / "a", listed=LIST))
    inner = trees.celeb_df(tmp_path / "b", listed=LIST, inner="videos/")
    for folder in ("Celeb-real", "Celeb-synthesis", "YouTube-real"):
        (inner / folder).rename(inner / folder.upper())
    (inner / "List_of_testing_videos.txt").rename(inner / "LIST_OF_TESTING_VIDEOS.TXT")
    again = importers.read(inner)
    facts = [[(r.label, r.identities, r.source_id, r.split) for r in rs] for rs in (plain, again)]
    assert sorted(facts[0]) == sorted(facts[1])


def test_the_folders_of_seed_3(tmp_path: Path) -> None:
    trees.touch(tmp_path, *(f"Celeb-Real/id{k}_0000.mp4" for k in range(3)))
    trees.touch(tmp_path, *(f"Celeb-Fake/id{k}_id{k + 5}_0000.mp4" for k in range(4)))
    trees.touch(tmp_path, *(f"Testing/id{k}_0007.mp4" for k in range(15)))
    records = importers.read(tmp_path)
    assert [sum(r.label == label for r in records) for label in (0, 1, None)] == [3, 4, 15]
    made = splits.make(records, into=("train", "test"))
    assert (len(made.unlabelled), made.official) == (15, 0)


def test_the_published_split_leaks_and_is_reported_as_published(tmp_path: Path) -> None:
    root = trees.celeb_df(tmp_path / "in", listed=LIST)
    request = SplitRequest(input_dir=root, out=tmp_path, into=("train", "test"))
    said: list[str] = []
    with pytest.raises(
        IdentityLeak, match=r"person celeb-df-id2.*id2_0000.*in train.*id2_id3.*in test.*published"
    ):
        split_tables(request, say=said.append)
    assert said[1].startswith("DFX001 (published so): ")
    allowed = SplitRequest(**{**vars(request), "allow_official_leaks": True})
    made = split_tables(allowed, say=said.append)
    assert [len(v) for v in made.videos.values()] == [11, 3]
    assert made.official == 14
    assert {f.official for f in leaks.audit(made.videos)} == {True}


def test_everybody_swapped_with_everybody_is_divisible_without_bridges(tmp_path: Path) -> None:
    people = range(12)
    trees.touch(tmp_path, *(f"Celeb-real/id{k}_000{n}.mp4" for k in people for n in range(2)))
    swaps = [(a, b) for a in people for b in people if a != b]
    trees.touch(tmp_path, *(f"Celeb-synthesis/id{a}_id{b}_0000.mp4" for a, b in swaps))
    records = importers.read(tmp_path)
    with pytest.raises(DataError, match="--drop-bridges"):
        splits.make(records, into=("train", "test"))
    kept, dropped = splits.without_bridges(records, into=("train", "test"), split_ratio=0.5)
    made = splits.make(kept, into=("train", "test"), split_ratio=0.5)
    assert leaks.audit(made.videos) == []
    assert (len(kept), len(dropped)) == (24 + 60, 72)
    assert all(v.label == 1 for v in dropped)


def test_a_list_that_contradicts_the_folders_is_refused(tmp_path: Path) -> None:
    root = trees.celeb_df(tmp_path / "a", listed="0 Celeb-real/id0_0000.mp4\n")
    with pytest.raises(DataError, match="in that file 1 is real"):
        importers.read(root)
    with pytest.raises(DataError, match="names none of them"):
        importers.read(trees.celeb_df(tmp_path / "b", listed="1 Celeb-real/id77_0000.mp4\n"))
    with pytest.raises(DataError, match="line 1"):
        importers.read(trees.celeb_df(tmp_path / "c", listed="Celeb-real/id0_0000.mp4\n"))
