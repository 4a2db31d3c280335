"""Celeb-DF v1 and v2 (Li et al., CVPR 2020), and the three folders that seed 3 made of it.

    root/Celeb-real/id0_0000.mp4             person 0
    root/Celeb-synthesis/id0_id1_0000.mp4    made from id0_0000.mp4, with the face of person 1
    root/YouTube-real/00000.mp4              nobody known
    root/List_of_testing_videos.txt          "1 Celeb-real/id0_0001.mp4": here 1 is real!

    root/Celeb-Real, root/Celeb-Fake, root/Testing    the same names; Testing is unlabelled

Whatever the case, with or without a folder `videos` in between. The list makes the official test
split. It shares people with the rest: that is how the set was published, and train.leaks says so.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from dfexplain.errors import DataError
from train.importers.files import child, children, videos_below
from train.records import VideoRecord

__all__ = ["matches", "read"]

LABELS: dict[str, int | None] = {
    "celeb-real": 0,
    "youtube-real": 0,
    "celeb-synthesis": 1,
    "celeb-fake": 1,
    "testing": None,
}
LIST = "List_of_testing_videos.txt"
SWAP = re.compile(r"(id\d+)_(id\d+)_(\d+)")
ORIGINAL = re.compile(r"(id\d+)_(\d+)")


def matches(root: Path) -> bool:
    """Whether Celeb-real is there with Celeb-synthesis or Celeb-fake."""
    there = children(root)
    return "celeb-real" in there and bool({"celeb-synthesis", "celeb-fake"} & set(there))


def read(root: Path) -> list[VideoRecord]:
    """Every video of the known folders, with the official test split where the list is there.

    Raises DataError where the list and a folder disagree on a label, or on every name.
    """
    version = re.search(r"v([12])\b", root.resolve().name.lower())
    dataset = f"celeb-df-v{version[1]}" if version else "celeb-df"
    records = []
    for name, folder in children(root).items():
        if name in LABELS and folder.is_dir():
            for path in videos_below(folder):
                shown = path.relative_to(root).as_posix()
                records.append(_record(shown, name, LABELS[name], dataset))
    listed = child(root, LIST)
    return records if listed is None else _with_list(records, listed)


def _record(path: str, folder: str, label: int | None, dataset: str) -> VideoRecord:
    stem = Path(path).stem.lower()
    people: tuple[str, ...] = ()
    source = "" if label else f"{folder}/{stem}"
    if swap := SWAP.fullmatch(stem):
        people = (swap[1], swap[2])
        source = f"celeb-real/{swap[1]}_{swap[3]}"
    elif original := ORIGINAL.fullmatch(stem):
        people = (original[1],)
        source = f"celeb-real/{stem}"
    return VideoRecord(
        path=path,
        label=label,
        dataset=dataset,
        identities=tuple(f"celeb-df-{person}" for person in sorted(set(people))),
        source_id=f"celeb-df:{source}" if source else "",
        method="celeb-synthesis" if label else "",
        split="test" if label is None else "",
    )


def _place(path: str) -> str:
    """What the list calls a video: folder and name, in lower case, without `videos`."""
    parts = [p for p in path.lower().split("/") if p != "videos"]
    return f"{parts[0].replace('celeb-fake', 'celeb-synthesis')}/{parts[-1]}"


def _with_list(records: list[VideoRecord], listed: Path) -> list[VideoRecord]:
    test: dict[str, int] = {}
    for number, line in enumerate(listed.read_text("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        flag, _, path = line.strip().partition(" ")
        if flag not in ("0", "1") or "/" not in path:
            raise DataError(
                f"{listed.name}, line {number} must be '0 folder/video.mp4' or '1 ...', but got "
                f"{line.strip()!r:.60}."
            )
        test[_place(path.strip())] = 1 - int(flag)
    out = []
    found = 0
    for record in records:
        label = test.get(_place(record.path))
        if label is not None and record.label is not None and label != record.label:
            raise DataError(
                f"{record.path} must have one label, but its folder says {record.label} and "
                f"{listed.name} {label} (in that file 1 is real). Correct one."
            )
        found += label is not None
        split = "test" if label is not None or record.label is None else "train"
        out.append(replace(record, split=split))
    if test and not found:
        raise DataError(f"{listed.name} must name videos of this folder, but names none of them.")
    return out
