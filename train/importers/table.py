"""A table that says it all: CSV or JSON with video_id, label, source_dataset.

`label` is 0, 1, real or fake; empty is unlabelled. Optional columns: identities (joined by `|`),
source_id or original, method, compression, split. JSON is a list of objects or maps video_id to
one. `root` is the table, or a folder with a videos.csv or videos.json of this kind; `video_id` is
the path below that folder, with or without the suffix. The videos.csv that this project writes
(train.records) is read as it is.
"""

from __future__ import annotations

from pathlib import Path

from dfexplain.errors import DataError
from train.importers.files import keyed, read_json, read_rows
from train.records import VIDEO_COLUMNS, VideoRecord, read_videos

__all__ = ["find", "matches", "read"]

NAMES = ("videos.csv", "videos.json")
LABELS = {"": None, "0": 0, "real": 0, "1": 1, "fake": 1, "0.0": 0, "1.0": 1}
OFFICIAL = {"": "", "train": "train", "val": "val", "validation": "val", "test": "test"}


def find(root: Path) -> Path | None:
    """The table of a root: itself, or the first of the known names of this kind."""
    if root.is_file():
        return root if root.suffix.lower() in (".csv", ".json") else None
    return next((root / n for n in NAMES if (root / n).is_file() and _is_table(root / n)), None)


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix.lower() == ".csv":
        return read_rows(path)
    said = read_json(path)
    if isinstance(said, dict):
        said = [{"video_id": k, **v} for k, v in said.items() if isinstance(v, dict)]
    if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
        raise DataError(f"{path.name} must hold a list of objects, one a video.")
    return [
        keyed({k: "|".join(v) if isinstance(v, list) else _text(v) for k, v in row.items()})
        for row in said
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _is_table(path: Path) -> bool:
    rows = _rows(path)
    return bool(rows) and (
        {"video_id", "label"} <= set(rows[0]) or set(VIDEO_COLUMNS) <= set(rows[0])
    )


def matches(root: Path) -> bool:
    """Whether `root` is such a table or holds one."""
    return find(root) is not None


def read(root: Path) -> list[VideoRecord]:
    """The videos of the table. Raises DataError naming the line that is wrong."""
    path = find(root)
    assert path is not None
    rows = _rows(path)
    if rows and set(VIDEO_COLUMNS) <= set(rows[0]):
        return read_videos(path)
    if not rows or not {"video_id", "label"} <= set(rows[0]):
        raise DataError(
            f"{path.name} must have the columns video_id, label and source_dataset, but has "
            f"{', '.join(rows[0]) if rows else 'no row'}."
        )
    keys: dict[str, int] = {}
    records = []
    for number, row in enumerate(rows, start=2):
        record = _record(row, f"{path.name}, row {number}", path.parent.resolve().name)
        if keys.setdefault(record.key, number) != number:
            raise DataError(
                f"{path.name} must name each video once, but rows {keys[record.key]} and {number} "
                f"are both {record.key}."
            )
        records.append(record)
    return records


def _record(row: dict[str, str], where: str, folder: str) -> VideoRecord:
    label, split = row["label"].lower(), row.get("split", "").lower()
    if label not in LABELS:
        raise DataError(f"{where}: label must be 0, 1, real, fake or empty, but got {label!r:.40}.")
    if split not in OFFICIAL:
        raise DataError(f"{where}: split must be train, val, test or empty, but got {split!r:.40}.")
    dataset = row.get("source_dataset") or row.get("dataset") or folder
    video = row["video_id"].replace("\\", "/")
    if not video:
        raise DataError(f"{where}: video_id must name a video, but is empty.")
    source = row.get("source_id") or row.get("original") or ""
    if source and ":" not in source:
        source = f"{dataset}:{source}"
    if not source and LABELS[label] == 0:
        source = f"{dataset}:{video}"
    names = row.get("identities") or row.get("identity") or ""
    return VideoRecord(
        path=video,
        label=LABELS[label],
        dataset=dataset,
        identities=tuple(n.strip() for n in names.split("|") if n.strip()),
        source_id=source,
        method=row.get("method", ""),
        compression=row.get("compression", ""),
        split=OFFICIAL[split],
    )
