"""The form in which a reader commits to an answer: on the desk, and under a past analysis."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from dfexplain.errors import SettingError
from dfexplain.history import CONFIDENCE, MOST_NAME, MOST_TEXT, History
from dfexplain.report.review_words import ANSWERS
from dfexplain.structures import Answer, Reading
from dfexplain.ui import words

__all__ = [
    "Form", "Given", "Waiting", "cleared", "commit", "form", "nothing_hidden", "visible", "waiting",
]  # fmt: skip

Update = dict[gr.components.Component, object]
# What a form holds: reader, answer, confidence, note.
Given = tuple[str, str | None, int, str]


@dataclass(frozen=True)
class Form:
    """The fields, in the order of `Given`, the button, and a line for what went wrong."""

    lead: gr.HTML
    reader: gr.Textbox
    answer: gr.Radio
    confidence: gr.Radio
    note: gr.Textbox
    commit: gr.Button
    status: gr.HTML

    def given(self) -> list[gr.components.Component]:
        """The inputs of `commit`."""
        return [self.reader, self.answer, self.confidence, self.note]

    def outputs(self) -> list[gr.components.Component]:
        """Everything that may change."""
        return list(vars(self).values())


@dataclass(frozen=True)
class Waiting:
    """The form on the desk, and what the session has asked for and seen.

    `blind` and `bundled` are the switches of the History tab, `sealed` is the report that waits for
    its reader, `seen` the sha256 of every video of which this session has shown a verdict.
    """

    form: Form
    blind: gr.State
    bundled: gr.State
    sealed: gr.State
    seen: gr.State

    def outputs(self) -> list[gr.components.Component]:
        """Everything that an event may change."""
        return [*self.form.outputs(), self.blind, self.bundled, self.sealed, self.seen]


def form(name: str, lead: str) -> Form:
    """Lay a form out where the caller stands; it is hidden. `name` begins its elements' ids."""
    answers = [(words.ANSWER_NAMES[answer], str(answer)) for answer in ANSWERS]
    title = f"<h3>{words.READING}</h3>{words.note(lead)}"
    hidden = {"visible": False}
    return Form(
        gr.HTML(title, apply_default_css=False, elem_id=f"{name}-lead", **hidden),
        gr.Textbox(
            label=words.READER, info=words.READER_INFO, max_length=MOST_NAME, max_lines=1,
            elem_id=f"{name}-reader", **hidden,
        ),
        gr.Radio(answers, label=words.ANSWER, elem_id=f"{name}-answer", **hidden),
        gr.Radio(
            list(CONFIDENCE), value=3, label=words.CONFIDENCE, elem_id=f"{name}-confidence",
            **hidden,
        ),
        gr.Textbox(
            label=words.READING_NOTE, lines=2, max_length=MOST_TEXT, elem_id=f"{name}-note",
            **hidden,
        ),
        gr.Button(words.COMMIT, size="sm", variant="primary", elem_id=f"{name}-commit", **hidden),
        gr.HTML(apply_default_css=False, elem_id=f"{name}-status", **hidden),
    )  # fmt: skip


def visible(at: Form, shown: bool) -> Update:
    """Show or hide the whole form."""
    return {part: type(part)(visible=shown) for part in at.outputs()}


def cleared(at: Form, shown: bool) -> Update:
    """An empty form; only the reader's name stays."""
    return {
        **visible(at, shown),
        at.answer: gr.Radio(value=None, visible=shown),
        at.confidence: gr.Radio(value=3, visible=shown),
        at.note: gr.Textbox(value="", visible=shown),
        at.status: gr.HTML("", visible=shown),
    }


def commit(store: History, sha256: str, given: Given, *, blind: bool) -> Reading:
    """Store what the form holds as a reading. Raises as `History.add_reading`."""
    reader, answer, confidence, note = given
    if answer not in list(Answer):
        raise SettingError("answer must be one of the three, but got none. Choose one.")
    return store.add_reading(sha256, reader, Answer(answer), int(confidence), note, blind)


def waiting(kept_s: float) -> Waiting:
    """Lay the desk's form out, hidden. What is sealed is forgotten after `kept_s` seconds."""
    return Waiting(
        form("reading", words.READING_FIRST),
        gr.State(False),
        gr.State(False),
        gr.State(None, time_to_live=kept_s),
        gr.State(frozenset()),
    )


def nothing_hidden(at: Waiting) -> Update:
    """No report waits for its reader."""
    return {**cleared(at.form, shown=False), at.sealed: None}
