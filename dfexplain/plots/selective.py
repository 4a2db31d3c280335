"""What abstaining buys, drawn."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dfexplain.plots.axes import INK, PALETTE, POINTS, dress, new_figure
from dfexplain.worth import RiskCoverage

__all__ = ["risk_coverage"]


def risk_coverage(table: RiskCoverage, width_in: float = 4.2) -> Figure:
    """Share of wrong answers against the share of videos that get one, with its 95 % interval; the
    dot is the band that ships."""
    kept = table.answered > 0
    coverage = table.coverage[kept]
    figure = new_figure(width_in, 0.85 * width_in)
    ax = figure.subplots()
    dress(ax, x_label="videos with an answer", y_label="wrong answers among them")
    ax.fill_between(
        coverage, table.low[kept], table.high[kept], step="post", linewidth=0, alpha=0.18,
        color=PALETTE["real"],
    )  # fmt: skip
    ax.step(coverage, table.risk[kept], where="post", color=PALETTE["real"], linewidth=1.8)
    if kept[table.shipped]:
        spot = (float(table.coverage[table.shipped]), float(table.risk[table.shipped]))
        ax.scatter(*spot, s=40, color=PALETTE["fake"], zorder=3, linewidths=0)
        ax.annotate(
            "band", spot, (0, -8), textcoords="offset points", ha="center", va="top",
            color=INK, fontsize=POINTS,
        )  # fmt: skip
    videos = int(table.answered.max())
    caption = f"n = {videos} videos, {100 * table.prior:g} % of them fakes"
    ax.set_title(caption, color=INK, fontsize=POINTS, loc="left")
    top = float(np.nanmax(table.high[kept & (table.coverage > 0.2)], initial=0.05))
    ax.set(xlim=(-0.02, 1.02), ylim=(0.0, min(1.0, 1.1 * top)))
    return figure
