"""What happens on the history tab, and how a blind reader comes to see a verdict on the desk."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio.events import Dependency

from dfexplain.errors import DfExplainError
from dfexplain.history import History
from dfexplain.hub import Weights
from dfexplain.report import safe_stem
from dfexplain.structures import PastAnalysis, VideoReport
from dfexplain.ui import desk, history, reading, words
from dfexplain.ui.desk import Desk, Update
from dfexplain.ui.history import HistoryTab
from dfexplain.ui.viewer import View

__all__ = ["wire"]

QUICK = {"show_progress": "hidden", "concurrency_limit": 8}


def wire(at: Desk, to: HistoryTab, loaded: gr.State, store: History) -> list[Dependency]:
    """All events of the tab and of the desk's reading. Returns those after which a report may stand
    on the desk."""
    waiting = at.reading

    def or_trouble(
        line: gr.HTML, act: Callable[[], Update], failed: Callable[[], Update] = dict
    ) -> Update:
        """What `act` changes, or one line with the code of what went wrong."""
        try:
            return act()
        except DfExplainError as error:
            return {**failed(), line: _trouble(error)}

    def hides(blind: bool, sealed: VideoReport | None) -> bool:
        return blind or sealed is not None

    def refresh(blind: bool, sealed: VideoReport | None) -> Update:
        hidden = hides(blind, sealed)
        return or_trouble(
            to.status,
            lambda: {**history.closed(to), **history.listed(to, store, hidden=hidden)},
            lambda: history.closed(to),
        )

    def show(
        id: int | None,
        blind: bool,
        sealed: VideoReport | None,
        weights: Weights | None,
        seen: frozenset[str],
    ) -> Update:
        if id is None:
            return {to.status: gr.skip()}
        hidden = hides(blind, sealed)

        def act() -> Update:
            update = history.opened(to, store, int(id), weights, hidden=hidden)
            if hidden:
                return update
            past = store.get(int(id)).past
            if past.has_bundle:
                update[to.save] = gr.DownloadButton(value=_saved(to, store, past), visible=True)
            return {**update, waiting.seen: seen | {past.sha256}}

        return or_trouble(to.status, act)

    def select(
        blind: bool,
        sealed: VideoReport | None,
        weights: Weights | None,
        seen: frozenset[str],
        event: gr.SelectData,
    ) -> Update:
        # After sorting, the place of a row says nothing; its first cell is its number.
        row = event.row_value
        id = int(row[0]) if isinstance(row, list) and row and str(row[0]).isdigit() else None
        return show(id, blind, sealed, weights, seen)

    def write(
        id: int | None,
        weights: Weights | None,
        text: str,
        time_s: float | None,
    ) -> Update:
        def act() -> Update:
            store.add_note(store.get(id or 0).past.sha256, text, time_s)
            return history.opened(to, store, id or 0, weights, hidden=False)

        return or_trouble(to.status, act)

    def read(id: int | None, weights: Weights | None, reader: str, *rest: object) -> Update:
        def act() -> Update:
            given: reading.Given = (reader, *rest)  # type: ignore[assignment]
            reading.commit(store, store.get(id or 0).past.sha256, given, blind=False)
            return history.opened(to, store, id or 0, weights, hidden=False)

        return or_trouble(to.form.status, act)

    def delete(id: int | None, blind: bool, sealed: VideoReport | None) -> Update:
        def act() -> Update:
            store.delete(id or 0)
            return {**refresh(blind, sealed), to.status: words.note(words.DELETED.format(count=1))}

        return or_trouble(to.status, act)

    def ask() -> Update:
        return or_trouble(
            to.status,
            lambda: history.asking(to, words.DELETE_ASK.format(count=len(store.list()))),
        )

    def delete_all(blind: bool, sealed: VideoReport | None) -> Update:
        def act() -> Update:
            text = words.DELETED.format(count=store.delete_all())
            return {**refresh(blind, sealed), to.status: words.note(text)}

        return or_trouble(to.status, act)

    def committed(
        sealed: VideoReport | None,
        seen: frozenset[str],
        signed: bool,
        view: str,
        reader: str,
        *rest: object,
    ) -> Update:
        """The reader on the desk has committed: everything shows."""
        if sealed is None:
            return reading.nothing_hidden(waiting)
        sha256 = sealed.info.sha256

        def act() -> Update:
            given: reading.Given = (reader, *rest)  # type: ignore[assignment]
            reading.commit(store, sha256, given, blind=sha256 not in seen)
            return shown(sealed, seen, View(signed, view))

        return or_trouble(waiting.form.status, act)

    def shown(report: VideoReport, seen: frozenset[str], view: View) -> Update:
        known: Update = {waiting.seen: seen | {report.info.sha256}}
        return {**desk.showing(at, report, view), **reading.nothing_hidden(waiting), **known}

    def switched(
        blind: bool, sealed: VideoReport | None, seen: frozenset[str], signed: bool, view: str
    ) -> Update:
        """Who switches blind reading off sees what was hidden; a later reading is not blind."""
        if blind or sealed is None:
            return {waiting.blind: blind}
        return {waiting.blind: blind, **shown(sealed, seen, View(signed, view))}

    hiding = [waiting.blind, waiting.sealed]
    outputs = [*to.outputs(), waiting.seen]
    session = [*hiding, loaded, waiting.seen]
    to.tab.select(refresh, hiding, outputs, **QUICK)
    to.table.select(select, session, outputs, **QUICK)
    to.choice.input(show, [to.choice, *session], outputs, **QUICK)
    to.add_note.click(write, [to.chosen, loaded, to.note, to.note_time], outputs, **QUICK)
    to.form.commit.click(read, [to.chosen, loaded, *to.form.given()], outputs, **QUICK)
    to.delete.click(delete, [to.chosen, *hiding], outputs, **QUICK)
    to.delete_all.click(ask, None, outputs, **QUICK)
    to.not_sure.click(lambda: history.asking(to, ""), None, outputs, **QUICK)
    to.sure.click(delete_all, hiding, outputs, **QUICK)
    to.bundled.input(lambda on: on, to.bundled, waiting.bundled, **QUICK)
    sight = [waiting.sealed, waiting.seen, at.signed, at.show]
    off = to.blind.input(switched, [to.blind, *sight], at.outputs(), **QUICK)
    off.then(refresh, hiding, outputs, **QUICK)
    given = waiting.form.given()
    commit = waiting.form.commit.click(committed, [*sight, *given], at.outputs(), **QUICK)
    return [off, commit]


def _saved(to: HistoryTab, store: History, past: PastAnalysis) -> Path:
    """The kept bundle as a file among those that Gradio serves and, later, deletes."""
    path = Path(to.save.GRADIO_CACHE) / "bundles" / uuid.uuid4().hex / f"{safe_stem(past.file)}.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(store.bundle(past.id) or b"")
    return path


def _trouble(error: DfExplainError) -> gr.HTML:
    return gr.HTML(
        f'<p class="trouble" role="alert">{html.escape(str(error))} <code>{error.code}</code></p>',
        visible=True,
    )
