"""The calibration tab: what the scores of the loaded weights are worth, in figures and tables."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

import gradio as gr

from dfexplain import evaluation, plots
from dfexplain.hub import Weights
from dfexplain.report import worth as told
from dfexplain.structures import Calibration
from dfexplain.ui import tables, words
from dfexplain.worth import BASE_RATE

__all__ = ["CalibrationTab", "shown", "tab"]

# False positive rates at which the ROC curve is told in numbers.
ROC_ROWS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class CalibrationTab:
    """The components of the tab."""

    lead: gr.HTML
    figures: gr.HTML
    table: gr.Dataframe
    evaluation: gr.HTML

    def outputs(self) -> list[gr.components.Component]:
        """The components that `shown` has values for, in its order."""
        return [self.lead, self.figures, self.table, self.evaluation]


def tab() -> CalibrationTab:
    """Lay the tab out; it is empty until weights are loaded."""
    with gr.Tab(words.TAB_CALIBRATION, id="calibration"):
        lead = gr.HTML(apply_default_css=False, elem_id="calibration-lead")
        figures = gr.HTML(apply_default_css=False, elem_id="calibration-figures")
        table = gr.Dataframe(
            headers=words.TABLE_COLUMNS,
            label=words.TABLE,
            interactive=False,
            visible=False,
            elem_id="calibration-table",
        )
        measured = gr.HTML(apply_default_css=False, elem_id="calibration-evaluation")
    return CalibrationTab(lead, figures, table, measured)


def shown(weights: Weights) -> list[object]:
    """The values of the tab's components for these weights."""
    calibration = weights.calibration
    if calibration is None:
        text = f"<h2>{words.UNCALIBRATED_TITLE}</h2><p>{words.UNCALIBRATED_TEXT}</p>"
        hidden = gr.Dataframe(visible=False)
        return [f'<div class="lead">{text}</div>', "", hidden, _evaluation(weights)]
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in words.grounds(calibration))
    lead = f'<div class="lead"><p>{words.CALIBRATION_LEAD}</p><ul>{lines}</ul></div>'
    figures = "".join(
        f'<figure><figcaption title="{html.escape(help_text)}">{title}</figcaption>'
        f"{plots.figure_svg(draw(calibration))}<p>{help_text}</p>{numbers}</figure>"
        for title, help_text, draw, numbers in (
            (words.RELIABILITY, words.RELIABILITY_HELP, plots.reliability, ""),
            (
                words.HISTOGRAM,
                words.HISTOGRAM_HELP,
                plots.score_histogram,
                tables.beside_figure(told.histogram_table(calibration)),
            ),
            (
                words.ROC,
                words.ROC_HELP,
                plots.roc,
                tables.beside_figure(told.points_table(calibration, BASE_RATE, ROC_ROWS)),
            ),
        )
    )
    value = gr.Dataframe(_rows(calibration), visible=True)
    return [lead, f'<div class="figures">{figures}</div>', value, _evaluation(weights)]


def _rows(calibration: Calibration) -> list[list[str | int]]:
    """The reliability table, a row a bin; an empty bin has no rates."""
    table = calibration.reliability
    columns = (table.mean_p, table.share_fake, table.low, table.high)
    rows: list[list[str | int]] = []
    for k, number in enumerate(table.count.tolist()):
        rates = [float(column[k]) for column in columns]
        told = [f"{r:.2f}" if number and math.isfinite(r) else "–" for r in rates]
        rows.append([f"{table.edges[k]:.2f}", f"{table.edges[k + 1]:.2f}", *told, number])
    return rows


def _evaluation(weights: Weights) -> str:
    """Every table that `python -m train evaluate` recorded with these weights."""
    measured = weights.evaluation
    if measured is None:
        because = weights.unevaluated_because
        return words.note(f"{words.NO_EVALUATION}{f': {because}' if because else ''}.")
    on = words.note(measured.measured_on)
    found = list(evaluation.own_tables(measured, weights.heatmaps))
    if weights.heatmaps is not None:
        found += weights.heatmaps.tables
    parts = "".join(tables.folded(table, opened=number == 0) for number, table in enumerate(found))
    head = f"<h2>{words.EVALUATION}</h2>{on}{words.note(words.EVALUATION_HELP)}"
    return f'<div class="measured">{head}{parts}</div>'
