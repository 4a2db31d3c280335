"""What `train` writes about its runs and data sets, read back: histories, statistics, comparisons.

Whoever opens these files did not necessarily write them: each is bounded, strictly parsed, and told
apart by what it holds, not by its name.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfexplain.cage import printable
from dfexplain.errors import DataError, WeightsRefused
from dfexplain.untrusted import FolderReader

__all__ = ["KNOWN", "History", "ModelRow", "Part", "RunFiles", "Stats", "read", "read_folder"]

TABLE_BYTES, CONFIG_BYTES = 1 << 22, 1 << 16
MOST_ROWS, MOST_NAMES = 10_000, 64
LARGEST = 1e12
KNOWN = (
    "history.csv",
    "history.json",
    "history_with_aug.json",
    "history_no_aug.json",
    "stats.csv",
    "stats.json",
    "comparison.csv",
    "comparison.json",
    "config.yaml",
)
"""What a folder is searched for. Of two that say the same the later one counts."""
REMEDY = "Choose files that `python -m train` wrote: fit, compare or stats."


@dataclass(frozen=True)
class History:
    """One run: its epochs (E,), and each other column (E,), NaN where it holds no number."""

    name: str
    epoch: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]

    def column(self, name: str) -> NDArray[np.float64]:
        """A column (E,), all NaN where the run has none of that name."""
        return self.columns.get(name, np.full(len(self.epoch), np.nan))


@dataclass(frozen=True)
class Part:
    """The videos of one part of a data set: `by` what it was divided, and the part's `value`."""

    by: str
    value: str
    real: int
    fake: int
    unlabelled: int


@dataclass(frozen=True)
class Stats:
    """What a data set is made of. Spreads are (name, value) of durations in s and frame rates;
    `unreadable` counts videos. Of a CSV only the parts are known."""

    parts: tuple[Part, ...]
    formats: Mapping[str, int] = field(default_factory=dict)
    resolutions: Mapping[str, int] = field(default_factory=dict)
    duration_s: Mapping[str, float] = field(default_factory=dict)
    fps: Mapping[str, float] = field(default_factory=dict)
    unreadable: int = 0

    @property
    def whole(self) -> Part:
        """All videos of the data set."""
        return next((part for part in self.parts if part.by == "all"), self.parts[0])


@dataclass(frozen=True)
class ModelRow:
    """One model of a comparison, best first; numbers as in `train.compare.Row`, NaN where none."""

    name: str
    told_apart: str
    numbers: Mapping[str, float]

    def number(self, name: str) -> float:
        """A number of the row, NaN where it has none."""
        return self.numbers.get(name, math.nan)


@dataclass(frozen=True)
class RunFiles:
    """All that was found in the files."""

    histories: tuple[History, ...]
    stats: Stats | None
    models: tuple[ModelRow, ...]
    config: str | None


def read_folder(folder: Path) -> RunFiles:
    """Read the files of KNOWN that lie in a folder. Raises DataError, one line, as `read` does."""
    try:
        found = [folder / name for name in KNOWN if (folder / name).is_file()]
    except OSError as error:
        raise DataError(f"run folder must be readable, but got {error.strerror}.") from error
    if not found:
        raise DataError(
            f"run folder must hold {KNOWN[1]}, {KNOWN[5]} or {KNOWN[7]}, but {folder.name!r:.80} "
            f"holds none of them. {REMEDY}"
        )
    return read(found, folder.resolve().name)


def read(files: Iterable[Path], run_name: str = "") -> RunFiles:
    """Read files by what they hold; a history without a name of its own is called `run_name`, or
    like its file. Raises DataError, one line that names the file, for what is none of them."""
    histories: dict[str, History] = {}
    stats: Stats | None = None
    models: tuple[ModelRow, ...] = ()
    config = None
    # The CSV of a table before its JSON, which says more.
    for path in sorted(files, key=lambda p: (p.suffix.lower() == ".json", p.name)):
        reader = FolderReader(
            path.parent,
            {path.name: TABLE_BYTES},
            label="the run",
            inside=path.parent.resolve(),
            remedy=REMEDY,
        )
        try:
            if path.suffix.lower() in (".yaml", ".yml"):
                config = _text(reader, path.name, CONFIG_BYTES)
                continue
            said = _content(reader, path.name)
            if isinstance(said, Stats):
                stats = said
            elif isinstance(said, tuple):
                models = said
            else:
                own = printable(run_name or path.stem)[:80]
                histories |= {(name or own): _named(one, name or own) for name, one in said.items()}
        except WeightsRefused as error:
            raise DataError(str(error)) from error
    return RunFiles(tuple(histories.values()), stats, models, config)


def _named(history: History, name: str) -> History:
    return History(name, history.epoch, history.columns)


def _text(reader: FolderReader, name: str, limit: int) -> str:
    data = reader.bytes_of(name)
    if data is None or len(data) > limit:
        raise reader.refusal(name, f"be there and have at most {limit} bytes", "another file")
    return reader.text(name, data)


def _content(reader: FolderReader, name: str) -> dict[str, History] | Stats | tuple[ModelRow, ...]:
    """What a JSON or CSV file holds: histories by name ("" where the file has none), ..."""
    text = _text(reader, name, TABLE_BYTES)
    try:
        if name.lower().endswith(".json"):
            value = reader.json(name, text.encode())
            if isinstance(value, list):
                return {"": _history(value)}
            if isinstance(value, dict) and "counts" in value:
                return _stats(value)
            if isinstance(value, dict) and isinstance(value.get("rows"), list):
                return _models(value["rows"])
            if isinstance(value, dict) and len(value) <= MOST_NAMES:
                return {_name(key): _history(rows) for key, rows in value.items()}
            raise ValueError("no table of train")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        columns = set(rows[0]) if rows else set()
        if "epoch" in columns:
            return {"": _history(rows)}
        if {"by", "value", "real", "fake"} <= columns:
            return Stats(_parts(rows))
        if {"name", "val_auc"} <= columns:
            return _models(rows)
        raise ValueError("no table of train")
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        got = f"{str(error)!r:.100}"
        raise reader.refusal(name, "be a history, statistics or a comparison", got) from error


def _rows(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_ROWS:
        raise ValueError(f"not 1 to {MOST_ROWS} rows")
    if not all(isinstance(row, dict) for row in value):
        raise ValueError("a row that is no record")
    return value


def _name(value: object) -> str:
    name = str(value)
    if not 0 < len(name) <= 120 or not name.isprintable():
        raise ValueError("a name that is no short line of text")
    return name


def _number(value: object) -> float:
    """NaN for what is no number, or none that a run could have."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return number if abs(number) <= LARGEST else math.nan


def _count(value: object) -> int:
    number = _number(value)
    if not number >= 0 or number != int(number):
        raise ValueError("a count that is no whole number")
    return int(number)


def _history(value: object) -> History:
    rows = _rows(value)
    names = [_name(name) for name in rows[0] if name != "epoch"][:MOST_NAMES]
    columns = {name: np.array([_number(row.get(name)) for row in rows]) for name in names}
    return History("", np.array([_count(row["epoch"]) for row in rows], np.int64), columns)


def _parts(value: object) -> tuple[Part, ...]:
    return tuple(
        Part(
            _name(row["by"]),
            _name(row["value"]),
            *(_count(row.get(name) or 0) for name in ("real", "fake", "unlabelled")),
        )
        for row in _rows(value)[:MOST_NAMES]
    )


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError("counts that are no record")
    return {_name(name): _count(number) for name, number in list(value.items())[:MOST_NAMES]}


def _spread(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError("a spread that is no record")
    return {_name(name): _number(number) for name, number in list(value.items())[:MOST_NAMES]}


def _stats(value: dict[str, Any]) -> Stats:
    lost = value.get("unreadable", [])
    return Stats(
        _parts(value["counts"]),
        _counts(value.get("formats", {})),
        _counts(value.get("resolutions", {})),
        _spread(value.get("duration_s", {})),
        _spread(value.get("fps", {})),
        len(lost) if isinstance(lost, list) else 0,
    )


def _models(value: object) -> tuple[ModelRow, ...]:
    rows = _rows(value)[:MOST_NAMES]
    words = {"true": "yes", "false": "no"}
    return tuple(
        ModelRow(
            _name(row["name"]),
            words.get(str(row.get("told_apart")).lower(), "–"),
            {_name(name): _number(cell) for name, cell in row.items() if name != "name"},
        )
        for row in rows
    )
