"""DFDC (Dolhansky et al., "The DeepFake Detection Challenge Dataset", 2020).

    root/dfdc_train_part_N/metadata.json     {"a.mp4": {"label": "FAKE", "split": "train",
    root/dfdc_train_part_N/*.mp4                        "original": "b.mp4"}, ...}

One part alone (the Kaggle sample is one) is a root too, and so is a folder of unpacked archives
(dfdc_train_part_00/dfdc_train_part_0). `split` is "train" throughout in what Kaggle gave out: it
says nothing, and train.splits treats it so. The people are not named; a fake and its original are
bound by `original`.

Kaggle also has parts whose faces are cut already, as seed 0 uses one:

    root/metadata34.csv                      filename,label,split,original
    root/archive/images/<video>/<any>_#.jpg  or root/images/...
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dfexplain.errors import DataError
from train.importers.files import child, children, read_json, read_rows
from train.records import CropRow, VideoRecord

__all__ = ["find_sheet", "matches", "read", "read_sheet", "sheet_crops"]

NAME = "dfdc"
LABELS = {"real": 0, "0": 0, "fake": 1, "1": 1}
OFFICIAL = {"train": "train", "validation": "val", "val": "val", "test": "test"}
PICTURES = {".jpg", ".jpeg", ".png"}


def _metadata(root: Path) -> list[Path]:
    """metadata.json of the root, of its folders or of theirs."""
    found = [p for depth in ("", "*/", "*/*/") for p in sorted(root.glob(f"{depth}metadata.json"))]
    return [p for p in found if p.is_file()]


def find_sheet(root: Path) -> tuple[Path, Path] | None:
    """The Kaggle sheet of a root and the folder of its crops, where both are there."""
    images = child(root, "images")
    archive = child(root, "archive")
    if archive is not None and images is None:
        images = child(archive, "images")
    places = [root] if archive is None else [root, archive]
    sheets = [p for at in places for p in children(at).values() if _is_sheet(p)]
    return (sheets[0], images) if images is not None and len(sheets) == 1 else None


def _is_sheet(path: Path) -> bool:
    if not re.fullmatch(r"metadata\d*\.csv", path.name.lower()) or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as handle:
        header = handle.readline().lower().split(",")
    return {"filename", "label"} <= {cell.strip().strip('"') for cell in header}


def matches(root: Path) -> bool:
    """Whether there is a metadata.json, or a Kaggle sheet with its crops."""
    return root.is_dir() and (bool(_metadata(root)) or find_sheet(root) is not None)


def read(root: Path) -> list[VideoRecord]:
    """The videos that the metadata names and that are there.

    Raises DataError for a label that is neither FAKE nor REAL and where not one video is there.
    """
    files = _metadata(root)
    if not files:
        sheet = find_sheet(root)
        assert sheet is not None
        return read_sheet(sheet[0])
    entries = list(_entries(root, files))
    places = {path.rpartition("/")[2]: path for path, _ in entries}
    records = [_record(path, said, places) for path, said in entries]
    there = [r for r in records if (root / r.path).is_file()]
    if not there:
        raise DataError(
            f"the videos that {files[0].parent.name}/metadata.json names must lie beside it, but "
            f"none of {len(records)} does. Unpack them there."
        )
    return there


def _entries(root: Path, files: list[Path]) -> Iterator[tuple[str, dict[str, str]]]:
    for file in files:
        said = read_json(file)
        if not isinstance(said, dict) or not all(isinstance(v, dict) for v in said.values()):
            raise DataError(f"{file.parent.name}/metadata.json must map each video to its facts.")
        for name, facts in said.items():
            lower = {str(k).lower(): "" if v is None else str(v) for k, v in facts.items()}
            yield (file.parent / name).relative_to(root).as_posix(), lower


def _record(path: str, said: dict[str, str], places: dict[str, str]) -> VideoRecord:
    """One record; `places` finds an original by its name, in whichever part it lies."""
    label = LABELS.get(said.get("label", "").strip().lower())
    if label is None:
        raise DataError(f"label of {path} must be FAKE or REAL, but got {said.get('label')!r:.40}.")
    folder, slash, _ = path.rpartition("/")
    name = said.get("original", "").strip()
    if label == 0 or name.lower() in ("", "nan", "none"):
        source = path if label == 0 else ""
    else:
        source = places.get(name, f"{folder}{slash}{name}")
    split = OFFICIAL.get(said.get("split", "").strip().lower(), "")
    return VideoRecord(
        path, label, NAME, source_id=f"{NAME}:{source}" if source else "", split=split
    )


def read_sheet(sheet: Path) -> list[VideoRecord]:
    """The videos of a Kaggle sheet, in its order. Raises DataError for what it lacks."""
    rows = read_rows(sheet)
    if not rows or not {"filename", "label"} <= set(rows[0]):
        raise DataError(f"{sheet.name} must have the columns filename and label, and a row.")
    places = {row["filename"]: row["filename"] for row in rows}
    if len(places) != len(rows):
        raise DataError(f"{sheet.name} must name each video once, but names one twice.")
    return [_record(row["filename"], row, places) for row in rows]


def sheet_crops(videos: list[VideoRecord], images: Path) -> list[CropRow]:
    """The crops of `images`/<video>/, ordered by frame; `file` is below `images`.

    A folder is named like its video, with or without the suffix. The last number in a picture's
    name is the frame. Videos without a folder give no row. Raises DataError where none has one.
    """
    folders = children(images)
    rows = []
    for video in videos:
        name = video.path.rpartition("/")[2].lower()
        folder = folders.get(name.rpartition(".")[0]) or folders.get(name)
        if folder is None:
            continue
        pictures = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES]
        for frame, picture in sorted((_frame(p), p) for p in pictures):
            rows.append(CropRow(video, picture.relative_to(images).as_posix(), frame_index=frame))
    if not rows:
        raise DataError(
            f"'{images.name}' must hold a folder of pictures for the videos of the table, but has "
            "none of them. Pass the folder of <video>/frame_#.jpg as --image-root."
        )
    return rows


def _frame(picture: Path) -> int:
    numbers = re.findall(r"\d+", picture.stem)
    return int(numbers[-1]) if numbers else -1
