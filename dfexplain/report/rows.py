"""What a table of many files says of each: made of the JSON of its report, or of its error.

The batch of the command line, the queue and the Batch tab of the page show the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dfexplain.errors import DfExplainError
from dfexplain.report import words
from dfexplain.report.table import VIDEO_COLUMNS, Cell, cell, summary, written
from dfexplain.structures import Outcome, Reason, Segment, Verdict

__all__ = ["COLUMNS", "FileRow", "complaint", "of_error", "of_report", "to_csv"]

_FOUND = VIDEO_COLUMNS[1:]
COLUMNS = ("path", "also", "state", "code", "message", "report", *_FOUND, "spans")
"""The columns of results.csv. Those of videos.csv are among them, with the same meaning."""


@dataclass(frozen=True)
class FileRow:
    """One file: `state` is "done", "failed" or "cancelled".

    `path` is the file as it was named and `also` the other names of the same bytes; `report` is the
    stem of the report files. `found` has the columns of videos.csv, and is empty without a report;
    `spans` are the flagged spans in words. `code` and `message` say why a file failed.
    """

    path: str
    state: str
    sha256: str | None = None
    report: str | None = None
    code: str | None = None
    message: str | None = None
    spans: str = ""
    also: tuple[str, ...] = ()
    found: Mapping[str, Cell] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The path in one line, without control characters."""
        return words.plain(self.path)

    @property
    def verdict(self) -> str:
        """The verdict within a line, or the state of a file that has none."""
        if not self.found:
            return self.state
        reason = self.found["reason"]
        outcome = Outcome(str(self.found["verdict"]))
        known = None if reason is None else Reason(str(reason))
        return words.headline(Verdict(outcome, known, None, None)).lower()

    @property
    def why(self) -> str:
        """The reason of the verdict, or the error with its code."""
        if self.code is not None:
            return f"error[{self.code}]: {self.message}"
        return str(self.found.get("reason") or "")

    def values(self) -> dict[str, Cell]:
        """The row in the columns COLUMNS."""
        return {
            "path": self.path,
            "also": " | ".join(self.also),
            "state": self.state,
            "code": self.code,
            "message": self.message,
            "report": self.report,
            **{name: self.found.get(name) for name in _FOUND},
            "sha256": self.sha256,
            "spans": self.spans,
        }

    def line(self) -> str:
        """The row as one line of JSON, with its line break; bytes of a name that are no text
        become "?"."""
        values = self.values() | {"also": list(self.also)}
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def complaint(error: DfExplainError) -> str:
    """An error in a table, in the words of the command line."""
    return f"error[{error.code}]: {error}"


def of_error(path: str, code: str, message: str, sha256: str | None = None) -> FileRow:
    """The row of a file that could not be analysed."""
    return FileRow(path, "failed", sha256, code=code, message=message)


def of_report(path: str, document: Mapping[str, Any], report: str) -> FileRow:
    """The row of a file whose report is the JSON `document`, written under the stem `report`."""
    return FileRow(
        path,
        "done",
        document["sha256"],
        report,
        spans=words.spans([Segment(**span) for span in document["segments"]]),
        found=summary(document),
    )


def to_csv(rows: Iterable[FileRow]) -> str:
    """The rows as CSV with the columns COLUMNS, as safe in a spreadsheet as videos.csv."""
    return written(COLUMNS, ([cell(value) for value in row.values().values()] for row in rows))
