"""Why a probability was withdrawn: what of the deciding face is unlike what was measured."""

from __future__ import annotations

from dfexplain import aggregate
from dfexplain.structures import Outside, Reason, VideoReport

__all__ = ["notes", "strange"]


def _why(report: VideoReport) -> list[Outside]:
    """Why the deciding face lies outside what was measured; empty where that decided nothing."""
    if report.verdict.reason is not Reason.OUT_OF_DISTRIBUTION:
        return []
    top = max(aggregate.judged(report.lanes, report.info.kind), key=lambda lane: lane.score)
    return [why for why in report.outside if why.track_id == top.track_id]


def strange(report: VideoReport) -> str:
    """Why the deciding face is unlike those that were measured, each reason with its value and its
    limit; empty where it is not."""
    found = _why(report)
    return f"face {found[0].track_id}: {'; '.join(why.words for why in found)}" if found else ""


def notes(report: VideoReport) -> tuple[str, ...]:
    """The notes of a report without those that `words.explanation` has said."""
    said = {f"face {why.track_id}: {why.words}" for why in _why(report)}
    return tuple(note for note in report.notes if note not in said)
