"""Plain folders: root/real/** and root/fake/**, whatever the case. Nothing is known of people."""

from __future__ import annotations

from pathlib import Path

from train.importers.files import children, videos_below
from train.records import VideoRecord

__all__ = ["matches", "read"]

LABELS = {"real": 0, "fake": 1}


def matches(root: Path) -> bool:
    """Whether both folders are there."""
    there = children(root)
    return all(name in there and there[name].is_dir() for name in LABELS)


def read(root: Path) -> list[VideoRecord]:
    """Every video of the two folders; a folder inside of fake/ names the method."""
    records = []
    for name, label in LABELS.items():
        top = children(root)[name]
        for path in videos_below(top):
            inner = path.relative_to(top).parts[:-1]
            shown = path.relative_to(root).as_posix()
            dataset = root.resolve().name
            records.append(
                VideoRecord(
                    path=shown,
                    label=label,
                    dataset=dataset,
                    source_id=f"{dataset}:{shown}" if label == 0 else "",
                    method=inner[0] if label and inner else "",
                )
            )
    return records
