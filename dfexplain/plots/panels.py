"""What a dashboard is drawn from, and what its figures have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dfexplain.plots.axes import INK, POINTS, new_figure

__all__ = [
    "SIDE_IN",
    "BarRow",
    "Frame",
    "Judged",
    "Panel",
    "Tile",
    "caption",
    "columns",
    "titled",
    "words",
]

Floats = NDArray[np.float64]
Frame = dict[str, list[object]]

SIDE_IN = 4.6


@dataclass(frozen=True)
class Tile:
    """One video in a grid: its name, a JPEG of a face (None: no picture), and lines below it."""

    name: str
    jpeg: bytes | None
    lines: tuple[str, ...]


@dataclass(frozen=True)
class BarRow:
    """One bar of metrics_bar: a number with its 95 % interval and what chance would reach."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    chance: float | None


@dataclass(frozen=True)
class Judged:
    """Videos (N,) with a label and a score, and what was measured on them.

    `p_fake` (N,) is None without calibration and `threshold` None where none is known. `tiles` (N,)
    are the videos' pictures with captions. `bars` are shown as they come; of the intervals, `auc`
    and `ap` are (value, low, high).
    """

    title: str
    scores: Floats
    labels: NDArray[np.int64]
    p_fake: Floats | None
    threshold: float | None
    auc: tuple[float, float | None, float | None]
    ap: tuple[float, float | None, float | None]
    bars: Sequence[BarRow]
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Panel:
    """One figure of a dashboard and its numbers, by column."""

    numbers: Frame
    draw: Callable[[], Figure]

    def frame(self) -> Frame:
        """The numbers of the figure: columns of one length."""
        return self.numbers

    def plot(self) -> Figure:
        """The figure."""
        return self.draw()


def columns(**arrays: object) -> Frame:
    """A frame of arrays (K,), each a column."""
    return {name: np.asarray(values).tolist() for name, values in arrays.items()}


def caption(judged: Judged) -> str:
    """Which videos, and how many of each class."""
    fakes = int(judged.labels.sum())
    return f"{judged.title}: {len(judged.labels) - fakes} real, {fakes} fake videos"


def titled(figure: Figure, judged: Judged, line: str) -> None:
    """Write `line` and the caption over a figure."""
    figure.suptitle(f"{line}\n{caption(judged)}", color=INK, fontsize=POINTS, x=0.02, ha="left")


def words(judged: Judged, text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = new_figure(SIDE_IN, SIDE_IN)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=INK, fontsize=POINTS + 1)
    figure.suptitle(caption(judged), color=INK, fontsize=POINTS, x=0.02, ha="left")
    return figure
