"""What becomes of an analysis that has ended: it is kept, and a blind reader reads first."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from dfexplain.errors import DfExplainError
from dfexplain.history import History
from dfexplain.hub import Weights
from dfexplain.report import bundle
from dfexplain.structures import VideoReport
from dfexplain.ui import desk, reading, verdict, words
from dfexplain.ui.desk import Desk, Update
from dfexplain.ui.services import Services

__all__ = ["attached", "ended", "inputs", "keep"]


def keep(
    store: History | None, report: VideoReport, source: Path, weights: Weights, bundled: bool
) -> str:
    """Keep an analysis, with its whole evidence bundle if asked; gives the line that says what went
    wrong, empty if nothing did. The app goes on without a history."""
    if store is None:
        return ""
    try:
        store.add(report, _bundle(store, report, source, weights) if bundled else None)
    except DfExplainError as error:
        return f"{words.NOT_KEPT} {error} [{error.code}]"
    return ""


def attached(store: History | None, sha256: str) -> dict[str, bytes]:
    """What readers have written of a video, as a file for its bundle; none without a history."""
    said = None if store is None else store.notes_document(sha256)
    return {} if said is None else {"notes.json": bundle.canonical(said)}


def _bundle(store: History, report: VideoReport, source: Path, weights: Weights) -> bytes:
    said = attached(store, report.info.sha256)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bundle.zip"
        bundle.write_bundle(report, source, weights, out, said)
        return out.read_bytes()


def inputs(at: Desk) -> list[gr.components.Component]:
    """What the analysis of `ended` wants before the inputs of the one that it was made of."""
    return [at.reading.blind, at.reading.bundled, at.reading.seen]


def ended(
    at: Desk, services: Services, run: Callable[..., Iterator[Update]]
) -> Callable[..., Iterator[Update]]:
    """`run`, an analysis on the desk whose first inputs are the source and the weights, with what
    becomes of its report."""

    def analysed(
        blind: bool,
        bundled: bool,
        seen: frozenset[str],
        source: Path | None,
        weights: Weights | None,
        *rest: Any,
    ) -> Iterator[Update]:
        for update in run(source, weights, *rest):
            report = update.get(at.report)
            if not isinstance(report, VideoReport) or source is None or weights is None:
                yield _without_scores(at, update) if blind else update
                continue
            trouble = keep(services.history(), report, source, weights, bundled)
            told: Update = {at.note: gr.HTML(words.note(trouble), visible=True)} if trouble else {}
            if blind:
                hidden = verdict.message(words.HIDDEN, words.HIDDEN_TEXT)
                form = reading.cleared(at.reading.form, shown=True)
                sealed: Update = {at.verdict: hidden, at.reading.sealed: report}
                # A picture is to be read, too; only its player has shown nothing.
                picture: Update = {k: new for k, new in update.items() if k is at.picture}
                yield {**desk.idle(at), **sealed, **form, **told, **picture}
            else:
                yield {**update, at.reading.seen: seen | {report.info.sha256}, **told}

    return analysed


def _without_scores(at: Desk, update: Update) -> Update:
    """A blind reader must not see the timeline grow."""
    return {part: new for part, new in update.items() if part is not at.timeline}
