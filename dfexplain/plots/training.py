"""Figures of training, each from its table: curves, comparisons of models, trials of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from dfexplain.plots.axes import INK, PALETTE, POINTS, dress, new_figure

__all__ = [
    "ComparisonRow",
    "CurveTable",
    "IntervalTable",
    "TrialTable",
    "auc_bars",
    "cost_bars",
    "curves",
    "interval_curves",
    "rate_curves",
    "real_scores",
    "trials",
]

Floats = NDArray[np.float64]

# Told apart by colour-blind readers; each has a contrast of 3 against white and #14161a.
_COLOURS = ("#1f78b4", "#d95f02", "#7570b3", "#1b8a6b", "#c2388a", "#8a6d1b")


@dataclass(frozen=True)
class CurveTable:
    """One quantity of one run over its epochs (E,), on training and on validation data.

    `augmented` is False for a run without augmentation, which is drawn dashed.
    """

    name: str
    epoch: NDArray[np.int64]
    train: Floats
    val: Floats
    augmented: bool = True


@dataclass(frozen=True)
class ComparisonRow:
    """One model of a comparison. `seconds` is its training time, `parameters` their number."""

    name: str
    auc: float
    auc_interval: tuple[float, float]
    parameters: int
    seconds: float


@dataclass(frozen=True)
class TrialTable:
    """The trials of a search (N,): best value of each, whether it was pruned, its parameters.

    `maximise` says whether higher values are better.
    """

    number: NDArray[np.int64]
    value: Floats
    pruned: NDArray[np.bool_]
    parameters: dict[str, tuple[float | str, ...]]
    maximise: bool = True


def _legend(figure: Figure, ax: Axes, columns: int = 2) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=columns, frameon=False, labelcolor=INK,
        fontsize=POINTS - 1, handlelength=2.2,
    )  # fmt: skip


def curves(
    tables: Sequence[CurveTable], label: str, *, chance: float | None = None, width_in: float = 8.0
) -> Figure:
    """Training (left) and validation (right) curves of runs; `chance` is drawn as a line."""
    figure = new_figure(width_in, 0.45 * width_in)
    left, right = figure.subplots(1, 2, sharey=True)
    dress(left, x_label="epoch", y_label=f"{label}, training")
    dress(right, x_label="epoch", y_label=f"{label}, validation")
    names = list(dict.fromkeys(t.name for t in tables))
    for table in tables:
        colour = _COLOURS[names.index(table.name) % len(_COLOURS)]
        style = "-" if table.augmented else (0, (4, 2))
        said = table.name if table.augmented else f"{table.name}, no augmentation"
        for ax, values in ((left, table.train), (right, table.val)):
            ax.plot(
                table.epoch, values, color=colour, linestyle=style, linewidth=1.6, marker="o",
                markersize=3, label=said,
            )  # fmt: skip
    for ax in (left, right):
        if chance is not None:
            ax.axhline(chance, color=INK, linewidth=1, linestyle=(0, (1, 2)), label="always fake")
        ax.xaxis.get_major_locator().set_params(integer=True)
    _legend(figure, right, columns=3)
    return figure


@dataclass(frozen=True)
class IntervalTable:
    """A validation number of one run over its epochs (E,) with its 95 % interval, NaN where not
    measured."""

    name: str
    epoch: NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats


def _by_epoch(ax: Axes, y_label: str) -> None:
    dress(ax, x_label="epoch", y_label=y_label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def interval_curves(
    tables: Sequence[IntervalTable], label: str, *, chance: float, width_in: float = 8.0
) -> Figure:
    """Validation numbers of runs over their epochs, each with its interval as a band, and the line
    of chance."""
    figure = new_figure(width_in, 0.42 * width_in)
    ax = figure.subplots()
    _by_epoch(ax, label)
    for place, table in enumerate(tables):
        colour = _COLOURS[place % len(_COLOURS)]
        ax.fill_between(table.epoch, table.low, table.high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(
            table.epoch, table.value, color=colour, linewidth=1.6, marker="o", markersize=3,
            label=table.name,
        )  # fmt: skip
    ax.axhline(chance, color=INK, linewidth=1, linestyle=(0, (1, 2)), label="chance")
    _legend(figure, ax, columns=3)
    return figure


def rate_curves(
    tables: Sequence[tuple[str, NDArray[np.int64], Floats]], width_in: float = 8.0
) -> Figure:
    """The learning rate at the end of each epoch, (name, epoch (E,), rate (E,)) a run; 0 is not
    drawn on its logarithmic axis."""
    figure = new_figure(width_in, 0.3 * width_in)
    ax = figure.subplots()
    _by_epoch(ax, "learning rate")
    for place, (name, epoch, rate) in enumerate(tables):
        drawn = rate > 0
        colour = _COLOURS[place % len(_COLOURS)]
        ax.plot(epoch[drawn], rate[drawn], color=colour, linewidth=1.6, label=name)
    ax.set_yscale("log")
    # Over more than two decades (a cycle ends there) 2 and 5 would stand on each other.
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    _legend(figure, ax, columns=3)
    return figure


def auc_bars(rows: Sequence[ComparisonRow], width_in: float = 6.0) -> Figure:
    """Validation AUC of each model with its 95 % interval and the chance line at 0.5."""
    figure = new_figure(width_in, 0.9 + 0.42 * len(rows))
    ax = figure.subplots()
    dress(ax, x_label="video AUC on validation, 95 % interval")
    place = np.arange(len(rows))
    values = np.array([row.auc for row in rows])
    reach = np.abs(np.array([row.auc_interval for row in rows]).reshape(-1, 2).T - values)
    ax.barh(place, values, height=0.55, color=PALETTE["real"], alpha=0.45)
    ax.errorbar(values, place, xerr=reach, fmt="none", ecolor=INK, elinewidth=1.4, capsize=3)
    ax.axvline(0.5, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    ax.annotate("chance", (0.5, -0.6), (3, 0), textcoords="offset points", color=INK, fontsize=8)
    ax.set_yticks(place, [row.name for row in rows])
    ax.set(xlim=(0, 1.02), ylim=(len(rows) - 0.4, -0.8))
    return figure


def cost_bars(rows: Sequence[ComparisonRow], width_in: float = 8.0) -> Figure:
    """Millions of parameters and minutes of training of each model."""
    figure = new_figure(width_in, 0.9 + 0.42 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    place = np.arange(len(rows))
    columns = (
        (left, "million parameters", [row.parameters / 1e6 for row in rows]),
        (right, "minutes of training", [row.seconds / 60 for row in rows]),
    )
    for ax, label, values in columns:
        dress(ax, x_label=label)
        ax.barh(place, values, height=0.55, color=PALETTE["uncertain"], alpha=0.6)
        for spot, value in zip(place, values, strict=True):
            ax.annotate(
                f"{value:.2f}", (value, float(spot)), (3, -3), textcoords="offset points",
                color=INK, fontsize=POINTS - 1,
            )  # fmt: skip
        ax.set_xlim(0, 1.2 * max([*values, 1e-9]))
    left.set_yticks(place, [row.name for row in rows])
    left.set_ylim(len(rows) - 0.4, -0.6)
    return figure


def real_scores(groups: Sequence[tuple[str, Floats]], width_in: float = 6.0) -> Figure:
    """Scores (logits) of the real validation videos under each run: lower is better.

    A dot is a video, the bar is the median; `groups` are (name, scores (N,)).
    """
    figure = new_figure(width_in, 0.9 + 0.5 * len(groups))
    ax = figure.subplots()
    dress(ax, x_label="score of a real video (logit; right of the line reads as fake)")
    for place, (_, scores) in enumerate(groups):
        # Spread by rank, not by chance: the same numbers give the same picture.
        order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
        height = place + 0.5 * ((order * 0.618) % 1.0 - 0.5)
        ax.scatter(scores, height, s=14, color=PALETTE["real"], alpha=0.6, linewidths=0)
        if len(scores):
            middle = float(np.median(scores))
            ax.plot([middle, middle], [place - 0.32, place + 0.32], color=INK, linewidth=2)
    ax.axvline(0, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    ax.set_yticks(range(len(groups)), [f"{name}, n = {len(s)}" for name, s in groups])
    ax.set_ylim(len(groups) - 0.4, -0.6)
    return figure


def trials(table: TrialTable, metric: str, width_in: float = 8.0) -> Figure:
    """The value of each trial with the best so far, and the value against each parameter."""
    names = list(table.parameters)
    figure = new_figure(width_in, 0.42 * width_in)
    axes = figure.subplots(1, 1 + len(names), sharey=True, squeeze=False)[0]
    done = ~table.pruned
    dress(axes[0], x_label="trial", y_label=f"best {metric} of the trial")
    numeric = {
        name: all(isinstance(v, int | float) for v in values)
        for name, values in table.parameters.items()
    }
    for ax, name in zip(axes, ["", *names], strict=True):
        if name:
            dress(ax, x_label=name)
        x: NDArray[np.generic] = table.number
        if name and numeric[name]:
            x = np.array(table.parameters[name], np.float64)
            low, high = float(x.min()), float(x.max())
            if low > 0 and high / low >= 50:
                ax.set_xscale("log")
        elif name:
            choices = sorted({str(v) for v in table.parameters[name]})
            x = np.array([choices.index(str(v)) for v in table.parameters[name]])
            ax.set_xticks(range(len(choices)), choices)
        ax.scatter(x[done], table.value[done], s=26, color=PALETTE["real"], label="finished")
        ax.scatter(
            x[~done], table.value[~done], s=26, marker="x", color=PALETTE["fake"], label="pruned"
        )
    if done.any():
        sign = 1.0 if table.maximise else -1.0
        best = sign * np.maximum.accumulate(np.where(done, sign * table.value, -np.inf))
        axes[0].step(table.number, best, where="post", color=INK, linewidth=1.2, label="best")
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    _legend(figure, axes[0], columns=3)
    return figure
