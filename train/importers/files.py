"""What the importers share: which files are videos, and names that differ in case only."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from dfexplain.errors import DataError

__all__ = ["child", "children", "keyed", "locate", "read_json", "read_rows", "videos_below"]

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "3gp", "mkv", "webm", "avi", "flv"),
        *("wmv", "asf", "mpg", "mpeg", "ts", "ogv", "gif"),
    )
)
"""The containers that dfexplain.video opens."""


def children(root: Path) -> dict[str, Path]:
    """The entries of a folder by their names in lower case; none where it is no folder.

    Raises DataError for two folders whose names differ in case only: one would be overlooked.
    """
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        other = found.setdefault(path.name.lower(), path)
        if other is not path and other.is_dir() and path.is_dir():
            raise DataError(
                f"'{root.name}' must have folders of different names, but has {other.name} and "
                f"{path.name}. Put their files into one."
            )
    return found


def child(root: Path, name: str) -> Path | None:
    """The entry of that name, whatever its case."""
    return children(root).get(name.lower())


def videos_below(root: Path) -> list[Path]:
    """Every video file below a folder, hidden ones left out, in order."""
    return sorted(
        p
        for p in root.rglob("*")
        if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith(".")
    )


def locate(root: Path, path: str) -> Path:
    """The file of a record, which some tables name without its suffix."""
    plain = root / path
    if plain.is_file():
        return plain
    near = plain.parent
    named = (near / f"{plain.name}{suffix}" for suffix in sorted(SUFFIXES))
    return next((p for p in named if p.is_file()), plain)


def keyed(row: dict[str, str | None]) -> dict[str, str]:
    """A row with its column names in lower case and its cells stripped."""
    return {str(k).strip().lower(): str(v or "").strip() for k, v in row.items()}


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, `keyed`. Raises DataError where it is no such file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            return [keyed(row) for row in csv.DictReader(handle, restval="")]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} must be a CSV file in UTF-8, but got: {error}.") from error


def read_json(path: Path) -> object:
    """The content of a JSON file. Raises DataError where it is none."""
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path.name} must be a JSON file, but got: {error}.") from error
