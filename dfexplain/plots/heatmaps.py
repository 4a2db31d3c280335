"""The figure of a benchmark of heatmaps, drawn from its table."""

from __future__ import annotations

from matplotlib.figure import Figure

from dfexplain.plots.axes import INK, PALETTE, POINTS, dress, new_figure
from dfexplain.structures import EvaluationTable, Number

__all__ = ["pointing"]


def pointing(table: EvaluationTable, width_in: float = 8.0) -> Figure:
    """How often the highest place of each map lies in what was forged, with its 95 % interval and
    a tick where chance is: off the centre and on whole faces. `table` is the record's first."""
    figure = new_figure(width_in, 1.0 + 0.3 * len(table.rows))
    columns = (table.columns.index("off the centre"), table.columns.index("whole face"))
    axes = figure.subplots(1, 2, sharey=True)
    places = list(range(len(table.rows)))[::-1]
    for ax, column in zip(axes, columns, strict=True):
        dress(ax, x_label="share of crops")
        for place, row in zip(places, table.rows, strict=True):
            cell = row[column]
            if not isinstance(cell, Number) or cell.value is None:
                continue
            rival = cell.chance is None
            ax.barh(place, cell.value, 0.62, color=PALETTE["uncertain" if rival else "fake"])
            if cell.low is not None and cell.high is not None:
                ax.plot([cell.low, cell.high], [place, place], color=INK, linewidth=1.4)
            if cell.chance is not None:
                ax.plot([cell.chance] * 2, [place - 0.38, place + 0.38], color=INK, linewidth=1.2)
        ax.set_xlim(0, 1)
        ax.set_title(table.columns[column], color=INK, fontsize=POINTS, loc="left")
    axes[0].set_yticks(places, [str(row[0]) for row in table.rows])
    return figure
