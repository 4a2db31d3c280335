"""A report as CSV: one row a face and frame, and one row a video.

Cells are empty where there is no number, never 0.5. Comma, CRLF and UTF-8 (RFC 4180). The columns
are described in `docs/report_schema.md`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from dfexplain.errors import SettingError
from dfexplain.report import words
from dfexplain.report.document import (
    file_name,
    lane_score,
    shows_probability,
)
from dfexplain.report.numbers import BOX_DIGITS, rounded
from dfexplain.structures import VideoReport

__all__ = ["FRAME_COLUMNS", "VIDEO_COLUMNS", "frames_csv", "updated", "video_row"]

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


def _write(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
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
    return _write(FRAME_COLUMNS, rows)


def video_row(report: VideoReport, name: str) -> list[str]:
    """The video as one row in the columns VIDEO_COLUMNS; `name` is that of its report files."""
    verdict, seen, weights, calibration = (
        report.verdict,
        report.coverage,
        report.weights,
        report.calibration,
    )
    cells: list[Cell] = [
        _safe(name),
        _safe(file_name(report)),
        report.info.sha256,
        str(verdict.outcome),
        None if verdict.reason is None else str(verdict.reason),
        rounded(verdict.p_fake),
        rounded(verdict.score),
        None if calibration is None else rounded(calibration.threshold),
        None if calibration is None else rounded(calibration.band_low),
        seen.wanted,
        seen.decoded,
        seen.with_face,
        len(report.lanes),
        sum(lane_score(report, lane) is not None for lane in report.lanes),
        len(report.segments),
        rounded(sum(s.end_s - s.start_s for s in report.segments)),
        rounded(report.info.duration_s),
        _safe(weights.name),
        _safe(weights.revision),
        weights.sha256,
        int(weights.calibrated),
        _safe(" ".join(report.notes)),
    ]
    return ["" if cell is None else str(cell) for cell in cells]


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
    return _write(VIDEO_COLUMNS, rows)
