"""One look for every figure.

Figures are `Figure()` objects (never pyplot: they are drawn in threads), transparent, in one ink
that reads on white and on black; `figure_svg` turns that ink into the colour of the page's text.
Blue is real, orange is fake, grey is uncertain: a set that colour-blind readers tell apart.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["INK", "PALETTE", "POINTS", "dress", "new_figure"]

# Each has a contrast of at least 3 against white and against #14161a.
PALETTE = {"real": "#1f78b4", "fake": "#d95f02", "uncertain": "#7a7a7a"}
INK = "#7b7b7c"  # nothing else has this colour, so that figure_svg may replace it
POINTS = 9.0


def dress(ax: Axes, *, x_label: str = "", y_label: str = "") -> None:
    """One look for all axes: two thin spines, one ink, one size of letters."""
    ax.set_facecolor("none")
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
        spine.set_linewidth(0.8)
    ax.tick_params(colors=INK, labelsize=POINTS - 1, width=0.8, length=3)
    ax.set_xlabel(x_label, color=INK, fontsize=POINTS)
    ax.set_ylabel(y_label, color=INK, fontsize=POINTS)


def new_figure(width_in: float, height_in: float) -> Figure:
    """A transparent figure of that size whose parts make room for each other."""
    return Figure(figsize=(width_in, height_in), facecolor="none", layout="constrained")
