"""What one set of weights reached in `python -m train evaluate`: tables of measured numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Cell", "Evaluation", "EvaluationTable", "Number"]


@dataclass(frozen=True)
class Number:
    """A measured number with its 95 % interval `low` to `high`, beside what chance would reach.

    `value` None: not measured. `n` is the number of samples that it rests on, 0 for what is no
    estimate, such as a size in MB. The interval may be missing, but not by halves, and need not
    hold the value: that of a biased measure does not.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    chance: float | None

    def __post_init__(self) -> None:
        known = [x for x in (self.value, self.low, self.high, self.chance) if x is not None]
        if not all(math.isfinite(x) for x in known):
            raise ValueError(f"Number must hold finite numbers, but got {known}.")
        if self.n < 0:
            raise ValueError(f"Number.n must be 0 or more, but got {self.n}.")
        if (self.low is None) != (self.high is None):
            raise ValueError("Number.low and .high must come together, but one is None.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"Number.low must not pass .high, but got {self.low} > {self.high}.")
        if self.value is None and self.low is not None:
            raise ValueError("Number must have a value where it has an interval, but has none.")


# What stands in a table; None stands for what was not measured.
Cell = str | Number | None


def _check_text(name: str, text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{name} must be one line of printable text, but got {text!r:.60}.")


@dataclass(frozen=True)
class EvaluationTable:
    """One table: `key` names it for programs, `title` for people; `note` says in one or two
    sentences what was measured, on how many samples, and what chance would reach. Each row has a
    cell for each column; the first cell of a row names it. Texts are one line, and not empty."""

    key: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError(f"EvaluationTable {self.key} must have columns, but has none.")
        texts = [cell for row in (self.columns, *self.rows) for cell in row]
        for text in (self.key, self.title, self.note, *texts):
            if isinstance(text, str):
                _check_text("EvaluationTable", text)
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"EvaluationTable {self.key} must have {len(self.columns)} cells a row, but "
                    f"got {len(row)}."
                )


@dataclass(frozen=True)
class Evaluation:
    """All tables of one set of weights, named by the sha256 of its tensors (empty until they
    are written beside their weights). `measured_on` says in one sentence which data that was."""

    weights_sha256: str
    measured_on: str
    tables: tuple[EvaluationTable, ...]

    def __post_init__(self) -> None:
        _check_text("Evaluation.measured_on", self.measured_on)
        keys = [table.key for table in self.tables]
        if len(set(keys)) < len(keys):
            raise ValueError(f"Evaluation must have a key a table, but got {keys}.")
