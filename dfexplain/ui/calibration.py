"""The calibration tab: what the scores of the loaded weights are worth, in figures and a table."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

import gradio as gr

from dfexplain import plots
from dfexplain.structures import Calibration
from dfexplain.ui import words

__all__ = ["CalibrationTab", "tab"]


@dataclass(frozen=True)
class CalibrationTab:
    """The components of the tab."""

    lead: gr.HTML
    figures: gr.HTML
    table: gr.Dataframe

    def outputs(self) -> list[gr.components.Component]:
        """The components that `shown` has values for, in its order."""
        return [self.lead, self.figures, self.table]


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
    return CalibrationTab(lead, figures, table)


def shown(calibration: Calibration | None) -> list[object]:
    """The values of the tab's components."""
    if calibration is None:
        text = f"<h2>{words.UNCALIBRATED_TITLE}</h2><p>{words.UNCALIBRATED_TEXT}</p>"
        return [f'<div class="lead">{text}</div>', "", gr.Dataframe(visible=False)]
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in words.grounds(calibration))
    lead = f'<div class="lead"><p>{words.CALIBRATION_LEAD}</p><ul>{lines}</ul></div>'
    figures = "".join(
        f'<figure><figcaption title="{html.escape(help_text)}">{title}</figcaption>'
        f"{plots.figure_svg(draw(calibration))}<p>{help_text}</p></figure>"
        for title, help_text, draw in (
            (words.RELIABILITY, words.RELIABILITY_HELP, plots.reliability),
            (words.HISTOGRAM, words.HISTOGRAM_HELP, plots.score_histogram),
            (words.ROC, words.ROC_HELP, plots.roc),
        )
    )
    value = gr.Dataframe(_rows(calibration), visible=True)
    return [lead, f'<div class="figures">{figures}</div>', value]


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
