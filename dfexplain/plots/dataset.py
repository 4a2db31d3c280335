"""What a data set is made of, drawn from a table: classes by part, formats, sizes, lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dfexplain.plots.axes import INK, PALETTE, POINTS, dress, new_figure

__all__ = ["DatasetTable", "dataset"]

MOST_BARS = 12


@dataclass(frozen=True)
class DatasetTable:
    """Counts of videos. `parts` maps a part's name to (real, fake, unlabelled).

    `formats` and `resolutions` map a name to a count; `duration_s` and `fps` hold one value a video
    (N,), NaN where unknown. `always_fake` is the accuracy of answering fake always, NaN where
    nothing is labelled.
    """

    parts: Mapping[str, tuple[int, int, int]]
    formats: Mapping[str, int]
    resolutions: Mapping[str, int]
    duration_s: NDArray[np.float64]
    fps: NDArray[np.float64]
    always_fake: float


def _counted(ax: Axes, counts: Mapping[str, int], x_label: str) -> None:
    """Horizontal bars, largest first; what does not fit is one bar."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ordered[:MOST_BARS]
    rest = sum(n for _, n in ordered[MOST_BARS:])
    shown += [("others", rest)] if rest else []
    names = [name for name, _ in shown]
    ax.barh(range(len(shown)), [n for _, n in shown], color=PALETTE["uncertain"], height=0.7)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(max(len(names), 5) - 0.5, -0.5)  # a single bar is not a wall
    dress(ax, x_label=x_label)


def _spread(ax: Axes, values: NDArray[np.float64], x_label: str) -> None:
    known = values[np.isfinite(values)]
    if len(known):
        ax.hist(known, bins=min(24, max(1, len(np.unique(known)))), color=PALETTE["uncertain"])
    dress(ax, x_label=x_label, y_label="videos")


def dataset(table: DatasetTable, width_in: float = 9.0) -> Figure:
    """Real and fake videos of each part, then formats, resolutions, lengths and frame rates, as far
    as those are known."""
    names = list(table.parts)
    counted = bool(table.formats or table.resolutions)
    spread = bool(len(table.duration_s) or len(table.fps))
    heights = [1.2 + 0.22 * len(names), *[2.1] * counted, *[2.1] * spread]
    figure = new_figure(width_in, sum(heights) - 0.8 + 0.8 * (len(heights) < 3))
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    ax = figure.add_subplot(grid[0, :])
    left = np.zeros(len(names))
    for place, (label, colour) in enumerate(
        (("real", PALETTE["real"]), ("fake", PALETTE["fake"]), ("unlabelled", PALETTE["uncertain"]))
    ):
        counts = np.array([table.parts[name][place] for name in names], np.float64)
        if counts.any():
            ax.barh(range(len(names)), counts, left=left, color=colour, height=0.7, label=label)
        left += counts
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    dress(ax, x_label="videos")
    if np.isfinite(table.always_fake):
        ax.set_title(
            f"answering fake always is right {table.always_fake:.1%} of the time",
            color=INK,
            fontsize=POINTS,
        )
    ax.legend(frameon=False, labelcolor=INK, fontsize=POINTS - 1)
    if counted:
        _counted(figure.add_subplot(grid[1, 0]), table.formats, "videos by container and codec")
        _counted(figure.add_subplot(grid[1, 1]), table.resolutions, "videos by size in px")
    if spread:
        _spread(figure.add_subplot(grid[-1, 0]), table.duration_s, "duration in s")
        _spread(figure.add_subplot(grid[-1, 1]), table.fps, "frames a second")
    return figure
