"""A report as CSV: one row a face and frame, and one row a video.

Cells are empty where there is no number, never 0.5. Comma, CRLF and UTF-8 (RFC 4180). The columns
are described in `docs/report_schema.md`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfexplain.errors import SettingError
from dfexplain.report import words
from dfexplain.report.document import (
    content,
    file_name,
    shows_probability,
)
from dfexplain.report.numbers import BOX_DIGITS, rounded
from dfexplain.structures import VideoReport

__all__ = [
    "FRAME_COLUMNS",
    "VIDEO_COLUMNS",
    "Cell",
    "cell",
    "frames_csv",
    "summary",
    "updated",
    "video_row",
    "written",
]

FRAME_COLUMNS = (
    "file", "track_id", "frame_index", "time_s", "x0", "y0", "x1", "y1",
    "logit", "p_fake", "shot", "detected",
)  # fmt: skip
VIDEO_COLUMNS = (
    "report", "file", "sha256", "verdict", "reason", "p_fake", "score", "threshold", "band_low",
    "wanted", "decoded", "with_face", "faces", "judged_faces", "segments", "flagged_s",
    "duration_s", "weights_name", "weights_revision", "weights_sha256", "calibrated", "notes",
)  # fmt: skip

Cell = str | float | int | None


def _safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before =, +, - and @.

    Also before their full-width forms, tab and carriage return, as OWASP ("CSV Injection") advises.
    Control characters inside are replaced.
    """
    text = words.plain(text)
    return "'" + text if text.lstrip()[:1] in tuple("=+-@＝＋－＠") else text


def written(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table with its head as CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def frames_csv(report: VideoReport) -> str:
    """One row a face and frame, lane by lane, in the columns FRAME_COLUMNS."""
    rows: list[list[Cell]] = []
    for lane in report.lanes:
        track, p_fake = lane.track, lane.p_fake if shows_probability(report) else None
        for row in range(len(lane)):
            index = int(track.frame_index[row])
            rows.append(
                [
                    _safe(file_name(report)),
                    lane.track_id,
                    index if index >= 0 else None,
                    rounded(track.time_s[row]),
                    *(rounded(edge, BOX_DIGITS) for edge in track.box_xyxy[row]),
                    rounded(lane.scores.logit[row]),
                    None if p_fake is None else rounded(p_fake[row]),
                    int(track.shot[row]),
                    int(track.detected[row]),
                ]
            )
    return written(FRAME_COLUMNS, rows)


def summary(document: Mapping[str, Any]) -> dict[str, Cell]:
    """The report whose JSON `document` is, in the columns VIDEO_COLUMNS but the first."""
    point, seen = document["operating_point"] or {}, document["coverage"]
    spans, weights = document["segments"], document["weights"]
    return {
        "file": document["file"],
        "sha256": document["sha256"],
        "verdict": document["verdict"],
        "reason": document["reason"],
        "p_fake": document["p_fake"],
        "score": document["score"],
        "threshold": point.get("threshold"),
        "band_low": point.get("band_low"),
        "wanted": seen["wanted"],
        "decoded": seen["decoded"],
        "with_face": seen["with_face"],
        "faces": len(document["tracks"]),
        "judged_faces": sum(track["score"] is not None for track in document["tracks"]),
        "segments": len(spans),
        "flagged_s": rounded(sum(span["end_s"] - span["start_s"] for span in spans)),
        "duration_s": document["video"]["duration_s"],
        "weights_name": weights["name"],
        "weights_revision": weights["revision"],
        "weights_sha256": weights["sha256"],
        "calibrated": int(weights["calibrated"]),
        "notes": " ".join(document["notes"]),
    }


def cell(value: Cell) -> str:
    """A value as the text of a cell: nothing for None, and no formula."""
    return "" if value is None else _safe(value) if isinstance(value, str) else str(value)


def video_row(report: VideoReport, name: str) -> list[str]:
    """The video as one row in the columns VIDEO_COLUMNS; `name` is that of its report files."""
    return [cell(value) for value in (name, *summary(content(report)).values())]


def updated(existing: str | None, row: list[str]) -> str:
    """The table of videos with `row` in it: in the place of the row of the same report, or last.

    Raises SettingError if `existing` is not such a table, so that no foreign file is overwritten.
    """
    rows: list[list[str]] = []
    if existing is not None:
        head, *rows = list(csv.reader(io.StringIO(existing, newline=""))) or [[]]
        if tuple(head) != VIDEO_COLUMNS:
            raise SettingError(
                "videos.csv must be a table of dfexplain to be added to, but got other columns. "
                "Choose another folder."
            )
    place = next((i for i, old in enumerate(rows) if old[:1] == row[:1]), len(rows))
    rows[place : place + 1] = [row]
    return written(VIDEO_COLUMNS, rows)
