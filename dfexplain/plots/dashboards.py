"""The two dashboards of an evaluation: six figures of a validation split, eight of a test split.

Each is a `Panel`: `frame()` gives its numbers, `plot()` the figure. The file names are those that
seed recipes use. The grids of pictures are in `grids`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dfexplain import calibration, metrics
from dfexplain.plots.axes import INK, PALETTE, POINTS, dress, new_figure
from dfexplain.plots.grids import mistakes
from dfexplain.plots.panels import SIDE_IN, Judged, Panel, columns, titled, words

__all__ = ["dashboard"]


def _with_interval(name: str, value: tuple[float, float | None, float | None]) -> str:
    number, low, high = value
    interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{name} {number:.3f}{interval}"


def _at_threshold(judged: Judged, at: metrics.Operating) -> int | None:
    """The row of the rates at the threshold; row 0 is above every score."""
    if judged.threshold is None:
        return None
    return int((at.threshold >= judged.threshold).sum())


def _roc(judged: Judged) -> Panel:
    at = metrics.operating(judged.scores, judged.labels)
    false, true = (rate[0] for rate in at.rates())

    def draw() -> Figure:
        figure = new_figure(SIDE_IN, SIDE_IN)
        ax = figure.subplots()
        dress(ax, x_label="false positive rate", y_label="true positive rate")
        ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate("chance", (0.62, 0.56), color=INK, fontsize=POINTS - 1)
        ax.plot(false, true, color=PALETTE["real"], linewidth=1.8)
        if (row := _at_threshold(judged, at)) is not None:
            spot = (float(false[row]), float(true[row]))
            ax.scatter(*spot, s=40, color=PALETTE["fake"], zorder=3, linewidths=0)
            label = f"threshold\nFPR {spot[0]:.3f}, TPR {spot[1]:.3f}"
            ax.annotate(
                label, spot, (10, 4), textcoords="offset points", color=INK, fontsize=POINTS - 1,
                va="bottom" if spot[1] < 0.3 else "top",
            )  # fmt: skip
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        titled(figure, judged, _with_interval("AUC", judged.auc))
        return figure

    threshold = np.concatenate([[np.inf], at.threshold])
    numbers = columns(threshold=threshold, false_positive_rate=false, true_positive_rate=true)
    return Panel(numbers, draw)


def _pr(judged: Judged) -> Panel:
    at = metrics.operating(judged.scores, judged.labels)
    recall = (at.hits / at.fakes)[0]
    precision = (at.hits / (at.hits + at.false_positives))[0]
    prevalence = float(judged.labels.mean())

    def draw() -> Figure:
        figure = new_figure(SIDE_IN, SIDE_IN)
        ax = figure.subplots()
        dress(ax, x_label="recall (share of the fakes that are found)", y_label="precision")
        ax.axhline(prevalence, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        above = prevalence < 0.9
        ax.annotate(
            f"chance: {prevalence:.2f} of the videos are fake", (0.01, prevalence),
            (0, 4 if above else -4), textcoords="offset points", color=INK, fontsize=POINTS - 1,
            va="bottom" if above else "top",
        )  # fmt: skip
        ax.step(recall, precision, where="pre", color=PALETTE["real"], linewidth=1.8)
        if (row := _at_threshold(judged, at)) is not None and row > 0:
            spot = (float(recall[row - 1]), float(precision[row - 1]))
            ax.scatter(*spot, s=40, color=PALETTE["fake"], zorder=3, linewidths=0)
            ax.annotate(
                "threshold", spot, (-8, -6), textcoords="offset points", ha="right", va="top",
                color=INK, fontsize=POINTS - 1,
            )  # fmt: skip
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        titled(figure, judged, _with_interval("average precision", judged.ap))
        return figure

    return Panel(columns(threshold=at.threshold, recall=recall, precision=precision), draw)


def _confusion(judged: Judged) -> Panel:
    rows = ("real", "fake")
    if judged.threshold is None:
        return Panel(
            {"label": [], "called": [], "videos": [], "share": []},
            lambda: words(judged, "No threshold is known: export the weights,\nor give --val-csv."),
        )
    called = judged.scores >= judged.threshold
    count = np.array([[(called[judged.labels == k] == c).sum() for c in (0, 1)] for k in (0, 1)])
    share = count / count.sum(axis=1, keepdims=True)

    def draw() -> Figure:
        figure = new_figure(SIDE_IN, SIDE_IN)
        ax = figure.subplots()
        dress(ax, x_label="called", y_label="is")
        for spine in ax.spines.values():
            spine.set_visible(False)
        for row in (0, 1):
            for column in (0, 1):
                # Mixed with white and not transparent: black letters read on it on any page.
                tint = 0.12 + 0.5 * float(share[row, column])
                colour = 1.0 - tint * (1.0 - np.array(to_rgb(PALETTE[rows[column]])))
                ax.fill_between(
                    [column - 0.48, column + 0.48], row - 0.48, row + 0.48, color=colour,
                    linewidth=0,
                )  # fmt: skip
                low, high = metrics.wilson_interval(count[row, column], count[row].sum())
                told = f"{share[row, column]:.1%} ({low:.1%} to {high:.1%})"
                for text, below, size in (
                    (f"{count[row, column]}", -0.06, POINTS + 11),
                    (told, 0.2, POINTS - 1),
                ):
                    ax.annotate(
                        text, (column, row + below), ha="center", va="center", color="black",
                        fontsize=size,
                    )  # fmt: skip
        ax.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
        ax.set_xticks([0, 1], rows)
        ax.set_yticks([0, 1], rows)
        ax.tick_params(length=0, labelsize=POINTS)
        titled(figure, judged, f"at threshold {judged.threshold:.3f}, shares of each row")
        return figure

    return Panel(
        columns(
            label=[k for k in rows for _ in rows],
            called=[c for _ in rows for c in rows],
            videos=count.ravel(),
            share=share.ravel(),
        ),
        draw,
    )


def _bars(judged: Judged) -> Panel:
    known = [bar for bar in judged.bars if bar.value is not None]

    def draw() -> Figure:
        figure = new_figure(1.5 * SIDE_IN, 0.3 * len(known) + 1.2)
        ax = figure.subplots()
        dress(ax)
        for place, bar in enumerate(known):
            assert bar.value is not None
            ax.barh(place, bar.value, height=0.62, color=PALETTE["real"], alpha=0.45, linewidth=0)
            end = bar.value
            if bar.low is not None and bar.high is not None:
                ax.plot([bar.low, bar.high], [place] * 2, color=PALETTE["real"], linewidth=2)
                end = max(bar.value, bar.high)
            if bar.chance is not None:
                ax.plot([bar.chance] * 2, [place - 0.4, place + 0.4], color=INK, linewidth=1.6)
            ax.annotate(
                f"{bar.value:.3f}", (min(end, 1.06), place), (5, 0), textcoords="offset points",
                va="center", color=INK, fontsize=POINTS - 1,
            )  # fmt: skip
        ax.set_yticks(range(len(known)), [bar.name for bar in known])
        ax.set(xlim=(0, 1.15), ylim=(len(known) - 0.4, -0.6))
        ax.set_xticks(np.arange(0, 1.01, 0.2))
        ax.tick_params(axis="y", length=0)
        titled(figure, judged, "line: 95 % interval; upright stroke: chance")
        return figure

    fields = ("name", "value", "low", "high", "chance")
    return Panel({name: [getattr(bar, name) for bar in known] for name in fields}, draw)


def _reliability(judged: Judged) -> Panel:
    if judged.p_fake is None:
        names = ("mean_p", "share_fake", "low", "high", "count")
        return Panel(
            {name: [] for name in names},
            lambda: words(judged, "These weights carry no calibration:\nno probability to check."),
        )
    table = calibration.reliability_table(judged.p_fake, judged.labels)
    there = table.count > 0
    ece = metrics.expected_calibration_error(judged.p_fake, judged.labels)

    def draw() -> Figure:
        figure = new_figure(SIDE_IN, 1.25 * SIDE_IN)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        dress(top, y_label="share of fakes")
        top.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
        mean_p, share = table.mean_p[there], table.share_fake[there]
        top.vlines(mean_p, table.low[there], table.high[there], color=PALETTE["real"], linewidth=1)
        top.plot(mean_p, share, color=PALETTE["real"], linewidth=1.4, marker="o", markersize=5)
        top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        dress(bottom, x_label="p_fake", y_label="videos")
        bottom.stairs(table.count, table.edges, fill=True, color=PALETTE["uncertain"], alpha=0.5)
        bottom.set_ylim(0, 1.1 * max(1, int(table.count.max())))
        titled(figure, judged, f"ECE {ece:.3f}; on the dashed line p_fake says what happens")
        return figure

    return Panel(
        columns(
            mean_p=table.mean_p,
            share_fake=table.share_fake,
            low=table.low,
            high=table.high,
            count=table.count,
        ),
        draw,
    )


def _histogram(judged: Judged, bins: int = 30) -> Panel:
    edges = np.histogram_bin_edges(judged.scores, bins)
    counts = [np.histogram(judged.scores[judged.labels == k], edges)[0] for k in (0, 1)]

    def draw() -> Figure:
        figure = new_figure(1.3 * SIDE_IN, SIDE_IN)
        ax = figure.subplots()
        dress(ax, x_label="score of a video (logit)", y_label="videos")
        for name, count, hatch in zip(("real", "fake"), counts, ("////", "\\\\\\\\"), strict=True):
            ax.stairs(count, edges, fill=True, alpha=0.35, color=PALETTE[name], label=name)
            ax.stairs(count, edges, color=PALETTE[name], linewidth=1.4, hatch=hatch)
        if judged.threshold is not None:
            ax.axvline(judged.threshold, color=INK, linewidth=1.4, label="threshold")
        ax.legend(frameon=False, labelcolor=INK, fontsize=POINTS - 1)
        titled(figure, judged, "scores of real and fake videos")
        return figure

    starts, ends = zip(*pairwise(edges.tolist()), strict=True)
    numbers = columns(from_logit=starts, to_logit=ends, real=counts[0], fake=counts[1])
    return Panel(numbers, draw)


def dashboard(judged: Judged, kind: str) -> dict[str, Panel]:
    """The figures by file name: six for kind "val", and for "test" two more."""
    panels = {
        "roc_curve.png": _roc(judged),
        "pr_curve.png": _pr(judged),
        "cmatrix.png": _confusion(judged),
        "metrics_bar.png": _bars(judged),
        "false_pos_grid.png": mistakes(judged, 0),
        "false_neg_grid.png": mistakes(judged, 1),
    }
    if kind == "test":
        panels |= {"calib_curve.png": _reliability(judged), "score_hist.png": _histogram(judged)}
    return panels
