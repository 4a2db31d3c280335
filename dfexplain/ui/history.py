"""The history tab: past analyses of this computer, with notes and readings, and how to delete."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dfexplain.agreement import agreements
from dfexplain.history import MOST_TEXT, History, Kept
from dfexplain.hub import Weights
from dfexplain.report import review_words
from dfexplain.report import words as told
from dfexplain.structures import PastAnalysis
from dfexplain.ui import reading, verdict, words
from dfexplain.ui.parts import button
from dfexplain.ui.reading import Update

__all__ = ["HistoryTab", "closed", "listed", "opened", "tab"]


@dataclass(frozen=True)
class HistoryTab:
    """The components of the tab; `chosen` is the id of the open analysis."""

    tab: gr.Tab
    lead: gr.HTML
    blind: gr.Checkbox
    bundled: gr.Checkbox
    table: gr.Dataframe
    choice: gr.Dropdown
    card: gr.HTML
    facts: gr.HTML
    said: gr.HTML
    note: gr.Textbox
    note_time: gr.Number
    add_note: gr.Button
    form: reading.Form
    save: gr.DownloadButton
    delete: gr.Button
    delete_all: gr.Button
    ask: gr.HTML
    sure: gr.Button
    not_sure: gr.Button
    status: gr.HTML
    agreement: gr.HTML
    chosen: gr.State

    def outputs(self) -> list[gr.components.Component]:
        """Everything that an event may change."""
        own = [part for part in vars(self).values() if isinstance(part, gr.components.Component)]
        return [*own, *self.form.outputs()]


def tab(store: History) -> HistoryTab:
    """Lay the tab out; its rows come when it is opened."""
    with gr.Tab(words.TAB_HISTORY, id="history") as whole:
        path = words.HISTORY_LEAD.format(path=store.path)
        lead = gr.HTML(words.note(path), apply_default_css=False, elem_id="history-lead")
        with gr.Row():
            blind = gr.Checkbox(label=words.BLIND, info=words.BLIND_INFO, elem_id="blind")
            bundled = gr.Checkbox(label=words.BUNDLED, info=words.BUNDLED_INFO, elem_id="bundled")
        table = gr.Dataframe(
            headers=list(words.HISTORY_COLUMNS),
            datatype=["number", *["str"] * (len(words.HISTORY_COLUMNS) - 1)],
            column_widths=["48px", "150px", "190px", "150px", "210px", "220px", "204px"],
            label=words.HISTORY_TABLE,
            type="array",
            interactive=False,
            wrap=True,
            elem_id="history-table",
        )
        agreement = gr.HTML(apply_default_css=False, elem_id="history-agreement")
        choice = gr.Dropdown([], value=None, label=words.OPEN_PAST, elem_id="history-open")
        with gr.Row(equal_height=False):
            with gr.Column(scale=10, min_width=320):
                card = gr.HTML(visible=False, apply_default_css=False, elem_id="history-card")
                facts = gr.HTML(visible=False, apply_default_css=False, elem_id="history-facts")
            with gr.Column(scale=11, min_width=320):
                said = gr.HTML(visible=False, apply_default_css=False, elem_id="history-said")
                note = gr.Textbox(
                    label=words.NOTE, lines=2, max_length=MOST_TEXT, visible=False,
                    elem_id="history-note",
                )  # fmt: skip
                note_time = gr.Number(
                    label=words.NOTE_TIME, value=None, minimum=0, visible=False,
                    elem_id="history-note-time",
                )  # fmt: skip
                add_note = gr.Button(
                    words.ADD_NOTE, size="sm", visible=False, elem_id="history-add-note"
                )
                form = reading.form("past-reading", words.READING_KNOWN)
        with gr.Row(elem_classes="tools"):
            save = gr.DownloadButton(
                words.SAVE_BUNDLE, size="sm", scale=0, visible=False, elem_id="history-save"
            )
            delete = button(words.DELETE, "history-delete")
            delete_all = button(words.DELETE_ALL, "history-delete-all")
            ask = gr.HTML(visible=False, apply_default_css=False, elem_id="history-ask")
            sure = gr.Button(
                words.DELETE_SURE, size="sm", scale=0, variant="stop", visible=False,
                elem_id="history-sure",
            )  # fmt: skip
            not_sure = gr.Button(
                words.DELETE_NOT, size="sm", scale=0, visible=False, elem_id="history-not-sure"
            )
        status = gr.HTML(apply_default_css=False, elem_id="history-status")
        chosen = gr.State(None)
    return HistoryTab(
        whole, lead, blind, bundled, table, choice, card, facts, said, note, note_time, add_note,
        form, save, delete, delete_all, ask, sure, not_sure, status, agreement, chosen,
    )  # fmt: skip


def listed(at: HistoryTab, store: History, *, hidden: bool) -> Update:
    """The rows, newest first. `hidden`: without what would give a verdict away."""
    past = store.list()
    rows = [_row(one, hidden) for one in past]
    choices = [(f"#{one.id}, {review_words.moment(one.when_utc)}, {one.file}", one.id)
               for one in past]  # fmt: skip
    found = [] if hidden else agreements(store.readings())
    lines = [html.escape(review_words.agreement(one)) for one in found] or [words.NO_AGREEMENT]
    agreement = f"<h3>{words.AGREEMENT}</h3>{''.join(f'<p>{line}</p>' for line in lines)}"
    return {
        at.table: gr.Dataframe(rows, visible=bool(rows)),
        at.choice: gr.Dropdown(choices, value=None, visible=bool(rows)),
        at.agreement: "" if hidden or not rows else agreement,
        at.status: "" if rows else words.note(words.NOTHING_KEPT),
        at.delete_all: gr.Button(interactive=bool(rows)),
        **asking(at, ""),
    }


def _row(one: PastAnalysis, hidden: bool) -> list[str | int]:
    verdict_columns = [words.HIDDEN_CELL] * 3
    if not hidden:
        number = told.number_of(one.verdict, one.band)
        verdict_columns = [told.head(one.verdict), number or "–", one.spans or "–"]
    return [one.id, review_words.moment(one.when_utc), one.file, *verdict_columns, one.weights]


def closed(at: HistoryTab) -> Update:
    """No analysis is open."""
    parts = (at.card, at.facts, at.said, at.note, at.note_time, at.add_note, at.save)
    return {
        **{part: type(part)(visible=False) for part in parts},
        **reading.cleared(at.form, shown=False),
        at.delete: gr.Button(interactive=False),
        at.chosen: None,
    }


def opened(
    at: HistoryTab, store: History, id: int, weights: Weights | None, *, hidden: bool
) -> Update:
    """One analysis: its card, what it rests on, and what people said of its video."""
    kept = store.get(id)
    shown = not hidden
    card = verdict.message(words.HIDDEN_PAST, words.HIDDEN_PAST_TEXT)
    if shown:
        card = verdict.past(kept.past, kept.read)
    return {
        **reading.cleared(at.form, shown=shown),
        at.card: gr.HTML(card, visible=True),
        at.facts: gr.HTML(_facts(kept, weights), visible=True),
        at.said: gr.HTML(_said(store, kept.past.sha256) if shown else "", visible=shown),
        at.note: gr.Textbox(value="", visible=shown),
        at.note_time: gr.Number(value=None, visible=shown),
        at.add_note: gr.Button(visible=shown),
        at.save: gr.DownloadButton(visible=shown and kept.past.has_bundle),
        at.delete: gr.Button(interactive=True),
        at.chosen: id,
        # A component made here would know no choices and complain of the value.
        at.choice: gr.update(value=id),
        at.status: "",
    }


def asking(at: HistoryTab, question: str) -> Update:
    """Ask before everything is deleted; without a question nothing is asked."""
    return {
        at.ask: gr.HTML(words.note(question), visible=bool(question)),
        at.sure: gr.Button(visible=bool(question)),
        at.not_sure: gr.Button(visible=bool(question)),
    }


def _facts(kept: Kept, weights: Weights | None) -> str:
    past = kept.past
    rows: list[tuple[str, Any]] = [
        ("file", past.file),
        ("sha256", past.sha256),
        ("size", f"{past.size_bytes} bytes"),
        ("analysed", review_words.moment(past.when_utc)),
        ("looked at", past.sampling),
        ("weights", f"{past.weights}, sha256 {past.weights_sha256}"),
    ]
    facts = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in rows)
    other = weights is None or weights.info.sha256 != past.weights_sha256
    warned = f'<p class="trouble">{words.OTHER_WEIGHTS}</p>' if other else ""
    return f'{warned}<dl class="facts">{facts}</dl>'


def _said(store: History, sha256: str) -> str:
    notes = [review_words.note(one) for one in store.notes(sha256)]
    readings = [review_words.reading(one) for one in store.readings(sha256)]
    parts = []
    for title, lines, none in (
        (words.NOTES_TITLE, notes, words.NO_NOTES),
        (words.READINGS_TITLE, readings, words.NO_READINGS),
    ):
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        parts.append(f"<h3>{title}</h3>" + (f"<ul>{items}</ul>" if items else words.note(none)))
    return f'<div class="lead">{"".join(parts)}</div>'
