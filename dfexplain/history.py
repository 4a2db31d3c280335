"""Past analyses, notes and readings in one SQLite file under the user's data folder.

Kept are the numbers, the words and the JSON of a report; pictures only where somebody asks for the
whole evidence bundle. The file is its owner's alone, is opened for each call, and may be used by
two processes at once. What is deleted is overwritten.
"""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dfexplain.errors import SettingError
from dfexplain.history_file import SCHEMA_VERSION, HistoryFile, default_path
from dfexplain.report import document, words
from dfexplain.structures import (
    Answer,
    Note,
    Outcome,
    PastAnalysis,
    Reading,
    Reason,
    Verdict,
    VideoReport,
)

__all__ = ["MOST", "VARIABLE", "History", "Kept", "default", "default_path"]

VARIABLE = "DFEXPLAIN_HISTORY"
# Of the analyses without notes and readings only so many are kept; those that people wrote on stay.
MOST = 1000
MOST_TEXT, MOST_NAME = 4000, 60
CONFIDENCE = range(1, 6)

_PAST = """id, when_utc, file, size_bytes, sha256, weights, weights_sha256, sampling, verdict,
  reason, score, p_fake, band_low, band_high, spans, because, coverage, bundle IS NOT NULL"""


@dataclass(frozen=True)
class Kept:
    """One analysis: its row, and the JSON of its report, as it was written and read."""

    past: PastAnalysis
    document: str
    read: dict[str, Any]


def default() -> History | None:
    """The history of this user; None where it is off: on a hosted Space always, elsewhere where
    DFEXPLAIN_HISTORY is "off". Any other value of that variable is the path of the file."""
    chosen = os.environ.get(VARIABLE, "")
    if os.environ.get("SPACE_ID") or chosen.strip().lower() == "off":
        return None
    return History(Path(chosen).expanduser() if chosen else default_path())


class History:
    """Past analyses in the file `path`, of which the last `most` are kept (see MOST).

    Every method raises HistoryUnavailable where the file cannot be used, and SettingError for a
    value that cannot be kept.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path = path
        self._file = HistoryFile(path, f"Move it away, or set {VARIABLE} to another path or off.")
        self._most = most

    def add(self, found: VideoReport, bundle: bytes | None = None) -> int:
        """Keep an analysis, and the whole evidence `bundle` where it is handed in; gives its id."""
        verdict, weights, info = found.verdict, found.weights, found.info
        edges = (None, None) if found.calibration is None else words.band(found.calibration)
        row = (
            _now(), words.plain(document.file_name(found)), info.size_bytes, info.sha256,
            f"{weights.name}@{weights.revision}", weights.sha256, words.sampled(found.sampling),
            str(verdict.outcome), None if verdict.reason is None else str(verdict.reason),
            verdict.score, verdict.p_fake, *edges, words.spans(found.segments),
            words.explanation(found), words.coverage(found.coverage),
            document.to_json(found), bundle,
        )  # fmt: skip
        places = ", ".join("?" * len(row))
        with self._file.writing() as db:
            made = db.execute(f"INSERT INTO analysis VALUES (NULL, {places})", row)
            db.execute(
                "DELETE FROM analysis WHERE id IN (SELECT id FROM analysis WHERE sha256 NOT IN "
                "(SELECT sha256 FROM note UNION SELECT sha256 FROM reading) "
                "ORDER BY id DESC LIMIT -1 OFFSET ?)",
                (self._most,),
            )
            return made.lastrowid or 0

    def list(self) -> tuple[PastAnalysis, ...]:
        """All that is kept, the newest first."""
        with self._file.reading() as db:
            rows = db.execute(f"SELECT {_PAST} FROM analysis ORDER BY id DESC").fetchall()
            return tuple(_past(row) for row in rows)

    def get(self, id: int) -> Kept:
        """One analysis with its JSON."""
        with self._file.reading() as db:
            row = db.execute(
                f"SELECT {_PAST}, document FROM analysis WHERE id = ?", (id,)
            ).fetchone()
            if row is not None:
                read = json.loads(row[-1])
                if not isinstance(read, dict):
                    raise ValueError(f"the JSON of analysis {id} is none of a report")
                return Kept(_past(row[:-1]), row[-1], read)
        raise _unknown(id)

    def bundle(self, id: int) -> bytes | None:
        """The evidence bundle of an analysis, where it was kept."""
        with self._file.reading() as db:
            row = db.execute("SELECT bundle FROM analysis WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise _unknown(id)
        found: bytes | None = row[0]
        return found

    def delete(self, id: int) -> None:
        """Delete one analysis; notes and readings go with the last one of their video."""
        with self._file.writing() as db:
            if not db.execute("DELETE FROM analysis WHERE id = ?", (id,)).rowcount:
                raise _unknown(id)
            for table in ("note", "reading"):
                db.execute(f"DELETE FROM {table} WHERE sha256 NOT IN (SELECT sha256 FROM analysis)")

    def delete_all(self) -> int:
        """Delete everything, notes and readings too; gives how many analyses that were."""
        with self._file.writing() as db:
            gone = db.execute("DELETE FROM analysis").rowcount
            db.execute("DELETE FROM note")
            db.execute("DELETE FROM reading")
            return gone

    def add_note(self, sha256: str, text: str, time_s: float | None = None) -> Note:
        """Write on a video that is kept."""
        note = Note(_now(), time_s, _text("note", text, MOST_TEXT))
        if time_s is not None and not 0 <= time_s < float("inf"):
            raise SettingError(f"time_s must be at least 0, but got {time_s}. Give seconds.")
        with self._file.writing() as db:
            _check_kept(db, sha256)
            db.execute(
                "INSERT INTO note VALUES (NULL, ?, ?, ?, ?)",
                (sha256, note.when_utc, note.time_s, note.text),
            )
        return note

    def add_reading(
        self,
        sha256: str,
        reader: str,
        answer: Answer,
        confidence: int,
        note: str = "",
        blind: bool = False,
    ) -> Reading:
        """Commit a reader to an answer; for good. `blind` holds only for a reader's first reading
        of a video: after that the verdict was shown."""
        reader = _text("reader", reader, MOST_NAME)
        note = _text("note", note, MOST_TEXT) if note.strip() else ""
        if confidence not in CONFIDENCE:
            raise SettingError(f"confidence must be 1 to 5, but got {confidence}. Choose one.")
        with self._file.writing() as db:
            _check_kept(db, sha256)
            before = db.execute(
                "SELECT 1 FROM reading WHERE sha256 = ? AND reader = ?", (sha256, reader)
            ).fetchone()
            blind = blind and before is None
            made = Reading(_now(), sha256, reader, answer, confidence, note, blind)
            db.execute(
                "INSERT INTO reading VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
                (sha256, made.when_utc, reader, str(made.answer), confidence, note, blind),
            )
        return made

    def notes(self, sha256: str) -> tuple[Note, ...]:
        """The notes on a video: of all of it first, then in order of the video's time."""
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT when_utc, time_s, text FROM note WHERE sha256 = ? ORDER BY time_s, id",
                (sha256,),
            ).fetchall()
        return tuple(Note(*row) for row in rows)

    def readings(self, sha256: str | None = None) -> tuple[Reading, ...]:
        """The readings of a video, or of all, in the order in which they were committed."""
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT when_utc, sha256, reader, answer, confidence, note, blind FROM reading "
                "WHERE ?1 IS NULL OR sha256 = ?1 ORDER BY id",
                (sha256,),
            ).fetchall()
            return tuple(
                Reading(when, of, reader, Answer(answer), confidence, note, bool(blind))
                for when, of, reader, answer, confidence, note, blind in rows
            )

    def notes_document(self, sha256: str) -> dict[str, Any] | None:
        """Notes and readings of a video for its evidence bundle, ready for JSON; None without any.

        Described in docs/history.md.
        """
        notes, readings = self.notes(sha256), self.readings(sha256)
        if not notes and not readings:
            return None
        return {
            "schema_version": SCHEMA_VERSION,
            "sha256": sha256,
            "notes": [vars(note) for note in notes],
            "readings": [
                {name: value for name, value in vars(one).items() if name != "sha256"}
                | {"answer": str(one.answer)}
                for one in readings
            ],
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _unknown(id: int) -> SettingError:
    return SettingError(f"id must be that of a kept analysis, but got {id}. List them first.")


def _text(name: str, text: str, most: int) -> str:
    text = "\n".join(words.plain(line).strip() for line in text.strip().splitlines())
    if not 0 < len(text) <= most:
        raise SettingError(
            f"{name} must be 1 to {most} characters long, but got {len(text)}. Write "
            f"{'less' if text else 'something'}."
        )
    return text


def _past(row: tuple[Any, ...]) -> PastAnalysis:
    # The columns of _PAST. Its own fields stand around those of the verdict and the band.
    before, (outcome, reason, score, p_fake, low, high), after = row[:8], row[8:14], row[14:]
    known = None if reason is None else Reason(reason)
    verdict = Verdict(Outcome(outcome), known, score, p_fake)
    band = None if low is None else (low, high)
    values = (*before, verdict, band, *after[:3], bool(after[3]))
    names = (field.name for field in fields(PastAnalysis))
    return PastAnalysis(**dict(zip(names, values, strict=True)))


def _check_kept(db: sqlite3.Connection, sha256: str) -> None:
    if db.execute("SELECT 1 FROM analysis WHERE sha256 = ?", (sha256,)).fetchone() is None:
        raise SettingError(
            f"sha256 must be that of a kept video, but got {sha256[:12]}. Analyse it first."
        )
