"""The weights tab: which weights speak, their card, and a field to choose others."""

from __future__ import annotations

import html
from dataclasses import dataclass

import gradio as gr

from dfexplain import evaluation
from dfexplain.errors import DfExplainError
from dfexplain.hub import Weights
from dfexplain.ui import hosting, words

__all__ = ["WeightsTab", "failed", "line", "shown", "tab"]


@dataclass(frozen=True)
class WeightsTab:
    """The components of the tab."""

    spec: gr.Textbox
    load: gr.Button
    status: gr.HTML
    facts: gr.HTML
    card: gr.Markdown

    def outputs(self) -> list[gr.components.Component]:
        """The components that `shown` and `failed` have values for, in their order."""
        return [self.status, self.facts, self.card]


def tab() -> WeightsTab:
    """Lay the tab out; it is empty until weights are loaded."""
    with gr.Tab(words.TAB_WEIGHTS, id="weights"):
        with gr.Row(elem_classes="weights-row"):
            spec = gr.Textbox(
                label=words.WEIGHTS_FIELD,
                info=words.WEIGHTS_INFO_HOSTED if hosting.hosted() else words.WEIGHTS_INFO,
                max_lines=1,
                max_length=300,
                scale=4,
                elem_id="weights-spec",
            )
            load = gr.Button(words.LOAD, variant="primary", scale=0, elem_id="weights-load")
        status = gr.HTML(apply_default_css=False, elem_id="weights-status")
        facts = gr.HTML(apply_default_css=False, elem_id="weights-facts")
        card = gr.Markdown(elem_id="weights-card", container=True)
    return WeightsTab(spec, load, status, facts, card)


def shown(weights: Weights) -> list[object]:
    """The values of the tab's components after these weights were loaded."""
    info = weights.info
    rows = [
        ("name", info.name),
        ("revision", info.revision),
        ("sha256", info.sha256),
        ("architecture", info.architecture),
        ("face crop", f"{info.crop_px} px, margin {info.crop_margin:.2f} of the face's box"),
        ("heatmap scale", f"{weights.heat_scale:.2f} logits at full colour"),
        ("calibrated", "yes" if info.calibrated else "no: scores, no probabilities"),
    ]
    facts = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in rows)
    status = f"<p>{words.LOADED}: {html.escape(info.name)}</p>"
    return [status, f'<dl class="facts">{facts}</dl>', _card(weights)]


def failed(error: DfExplainError, kept: bool) -> list[object]:
    """One line of what went wrong; what was shown before stays."""
    text = html.escape(str(error))
    rest = f" {words.KEPT}" if kept else ""
    line = f"{words.WEIGHTS_FAILED}: {text} <code>{error.code}</code>{rest}"
    return [f'<p class="trouble" role="alert">{line}</p>', gr.skip(), gr.skip()]


def line(weights: Weights | None) -> str:
    """Which weights speak, in one line under the player."""
    if weights is None:
        return f'<p class="weights-line trouble">{words.NO_WEIGHTS}. {words.NO_WEIGHTS_TEXT}</p>'
    info = weights.info
    kind = words.CALIBRATED if info.calibrated else words.UNCALIBRATED
    text = f"weights {info.name} @ {info.revision[:12]} · sha256 {info.sha256[:12]} · {kind}"
    return f'<p class="weights-line">{html.escape(text)}</p>'


def _card(weights: Weights) -> str:
    """The model card without the YAML block that the Hub reads, and without what was measured where
    the calibration tab has it: that is three quarters of a card."""
    card = weights.card
    if card.startswith("---\n") and "\n---\n" in card[4:]:
        card = card.split("\n---\n", 1)[1].lstrip()
    measured = evaluation.section_of(card)
    if measured is None or weights.evaluation is None:
        return card
    return card.replace(measured, f"## {words.EVALUATION}\n\n{words.EVALUATION_ELSEWHERE}")
