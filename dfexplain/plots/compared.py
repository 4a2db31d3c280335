"""Two reports of one file on one time axis: the lanes of a face above each other."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from dfexplain.plots.axes import INK, POINTS, new_figure
from dfexplain.plots.figures import clock_ticks, draw_lane
from dfexplain.plots.tables import timeline_table
from dfexplain.structures import VideoReport

__all__ = ["MOST_LANES", "compared"]

# More than a reader compares, and than a figure should be high.
MOST_LANES = 16
NAMES = ("first", "second")


def compared(
    first: VideoReport,
    second: VideoReport,
    pairs: Sequence[tuple[str | None, str | None]],
    width_in: float = 9.0,
) -> Figure:
    """A pair of lanes for each of `pairs` (names in the first and in the second, None for none),
    at most MOST_LANES lanes in all.

    Each report keeps its own scale, which is named: p where it has one, else its score.
    """
    tables = [timeline_table(report) for report in (first, second)]
    lanes = [
        (which, lane, last)
        for pair in pairs
        for which, name in enumerate(pair)
        for lane in tables[which].lanes
        if lane.track_id == name
        for last in [which == 1 or pair[1] is None]
    ][:MOST_LANES]
    end_s = max(table.end_s for table in tables)
    figure = new_figure(width_in, 0.6 + 0.95 * max(len(lanes), 1))
    axes = figure.subplots(max(len(lanes), 1), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (which, lane, last) in zip(axes, lanes, strict=False):
        draw_lane(ax, lane, tables[which])
        scale = "p" if tables[which].is_probability else "score"
        ax.set_ylabel(
            f"{NAMES[which]}\nface {lane.track_id}\n{scale}", rotation=0, color=INK,
            fontsize=POINTS - 1, va="center", ha="right",
        )  # fmt: skip
        for cut in tables[which].cuts_s:
            ax.axvline(cut, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        if last:
            ax.spines["bottom"].set_visible(True)
    axes[-1].set_xlim(0, end_s)
    axes[-1].tick_params(axis="x", labelbottom=True)
    clock_ticks(axes[-1], end_s, max(3, round(width_in * 1.4)))
    return figure
