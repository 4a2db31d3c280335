"""The words for past analyses and for what people said of them: for the page and the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from dfexplain.agreement import MIN_VIDEOS, Agreement
from dfexplain.report.words import clock
from dfexplain.structures import Answer, Note, Reading

__all__ = ["ANSWERS", "agreement", "moment", "note", "reading"]

ANSWERS = {Answer.FAKE: "fake", Answer.REAL: "real", Answer.CANNOT_TELL: "cannot tell"}


def moment(when_utc: str) -> str:
    """ "2026-11-05 14:03 UTC" of an ISO 8601 date and time."""
    return f"{datetime.fromisoformat(when_utc).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def note(one: Note) -> str:
    """A note in a line: when it was written, and of which moment of the video it speaks."""
    at = "" if one.time_s is None else f", at {clock(one.time_s)}"
    return f"{moment(one.when_utc)}{at}: {' '.join(one.text.split())}"


def reading(one: Reading) -> str:
    """A reading in a line, with whether the reader could know the verdict."""
    knew = "blind" if one.blind else "the verdict was known"
    said = f": {' '.join(one.note.split())}" if one.note else ""
    return (
        f"{moment(one.when_utc)}, {one.reader}: {ANSWERS[one.answer]}, confidence "
        f"{one.confidence} of 5, {knew}{said}"
    )


def agreement(found: Agreement) -> str:
    """How far two readers agree, with what it rests on."""
    who = f"readers {' and '.join(found.readers)}, {found.videos} videos read blind by both"
    if found.videos < MIN_VIDEOS:
        return f"{who}: agreement not measured, {MIN_VIDEOS} are needed"
    if found.kappa is None or found.interval is None:
        return f"{who}: agreement not measured, every answer is the same"
    low, high = found.interval
    return f"{who}: Cohen's kappa {found.kappa:.2f} (95 % interval {low:.2f} to {high:.2f})"
