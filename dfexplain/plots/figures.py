"""The figures of a report and of a calibration, drawn from their tables."""

from __future__ import annotations

import hashlib
import io
import re
import threading

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfexplain.plots.axes import INK, PALETTE, POINTS, dress, new_figure
from dfexplain.plots.tables import (
    LaneTable,
    TimelineTable,
    histogram_table,
    operating_point,
    roc_table,
    timeline_table,
)
from dfexplain.structures import Calibration, VideoReport

__all__ = [
    "clock_ticks",
    "draw_lane",
    "figure_png",
    "figure_svg",
    "reliability",
    "roc",
    "score_histogram",
    "timeline",
]

_SVG_LOCK = threading.Lock()


def clock_ticks(ax: Axes, end_s: float, count: int) -> None:
    """Label a time axis from 0 to `end_s` as m:ss, at `count` places about."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((s for s in steps if end_s / s <= count), 7200)
    ticks = np.arange(0, end_s + step / 2, step)
    ticks = ticks[ticks <= end_s]
    digits = 0 if step >= 1 else 1
    width = 2 if digits == 0 else 4
    labels = [f"{int(t // 60)}:{t % 60:0{width}.{digits}f}" for t in np.round(ticks, digits)]
    ax.set_xticks(ticks, labels)


def timeline(report: VideoReport, width_in: float = 8.0, which: slice = slice(None)) -> Figure:
    """One lane a face: flagged spans, the band, cuts and coverage. Never a line over a gap.

    Only the lanes `which` are drawn; the coverage is that of all.
    """
    table = timeline_table(report)
    shown = table.lanes[which]
    lanes = len(shown)
    figure = new_figure(width_in, 0.85 * lanes + 0.75)
    axes = figure.subplots(
        lanes + 1, 1, sharex=True, squeeze=False, height_ratios=[1.0] * lanes + [0.28]
    )[:, 0]
    for ax, lane in zip(axes[:-1], shown, strict=True):
        draw_lane(ax, lane, table)
    strip = axes[-1]
    dress(strip)
    strip.spines["left"].set_visible(False)
    seen, blind = table.sampled_s[table.with_face], table.sampled_s[~table.with_face]
    strip.vlines(seen, 0, 1, color=INK, linewidth=1.6)
    strip.vlines(blind, 0, 0.3, color=INK, linewidth=0.8)
    strip.set_ylim(0, 1)
    strip.set_yticks([0.5], ["face"])
    strip.tick_params(axis="y", length=0)
    strip.set_xlim(0, table.end_s)
    clock_ticks(strip, table.end_s, max(3, round(width_in * 1.4)))
    for ax in axes:
        for cut in table.cuts_s:
            ax.axvline(cut, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    return figure


def draw_lane(ax: Axes, lane: LaneTable, table: TimelineTable) -> None:
    """One lane of a timeline: band, flagged spans, the line of its values, and its dots."""
    dress(ax)
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.set_ylabel(
        lane.track_id, rotation=0, color=INK, fontsize=POINTS + 2, va="center", ha="right"
    )
    if table.band is not None:
        ax.axhspan(*table.band, color=PALETTE["uncertain"], alpha=0.18, linewidth=0)
    for segment in lane.segments:
        # A span of one frame has no length; half a percent of the axis keeps it in sight.
        least = 0.0025 * table.end_s
        start, end = segment.start_s - least, segment.end_s + least
        colour = PALETTE["fake" if table.is_probability else "uncertain"]
        ax.axvspan(start, end, color=colour, alpha=0.22, linewidth=0)
        ax.axvspan(start, end, ymin=0.94, color=colour, linewidth=0)
    for run in lane.runs:
        ax.plot(lane.time_s[run], lane.values[run], color=INK, linewidth=1, alpha=0.55)
    colours = [PALETTE[zone] for zone in lane.zones]
    ax.scatter(lane.time_s, lane.values, s=17, c=colours, linewidths=0, zorder=3)
    if table.is_probability:
        ax.set_ylim(-0.06, 1.12)
        ax.set_yticks([0, 1], ["0", "1"])
    else:
        every = np.concatenate([other.values for other in table.lanes])
        reach = max(1.0, float(np.abs(every).max()) * 1.15)
        ax.set_ylim(-reach, reach)
        ax.set_yticks([-int(reach), 0, int(reach)])


def reliability(calibration: Calibration, width_in: float = 4.2) -> Figure:
    """Share of fakes against p_fake, a point a bin with its 95 % interval; counts below."""
    table = calibration.reliability
    filled = table.count > 0
    mean_p, share = table.mean_p[filled], table.share_fake[filled]
    figure = new_figure(width_in, width_in)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    dress(top, y_label="share of fakes among them")
    top.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    reach = np.abs(np.stack([table.low[filled], table.high[filled]]) - share)
    top.errorbar(mean_p, share, yerr=reach, fmt="none", ecolor=INK, elinewidth=1.2, capsize=2)
    top.scatter(mean_p, share, s=26, color=PALETTE["real"], zorder=3, linewidths=0)
    top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    low, high = calibration.ece_interval
    caption = f"ECE {calibration.ece:.2f} ({low:.2f} to {high:.2f}), n = {table.count.sum()} videos"
    top.set_title(caption, color=INK, fontsize=POINTS, loc="left")
    dress(bottom, x_label="p of a video (mean of its bin)", y_label="videos")
    bottom.bar(
        table.edges[:-1],
        table.count,
        width=np.diff(table.edges),
        align="edge",
        color=PALETTE["uncertain"],
        edgecolor="none",
        alpha=0.5,
    )
    for left, right, count in zip(table.edges[:-1], table.edges[1:], table.count, strict=True):
        spot = (float(left + right) / 2, float(count))
        bottom.annotate(
            str(int(count)), spot, (0, 1), textcoords="offset points", ha="center",
            color=INK, fontsize=POINTS - 2,
        )  # fmt: skip
    bottom.set_ylim(0, 1.35 * max(1, int(table.count.max())))
    bottom.set_yticks([])
    return figure


def score_histogram(calibration: Calibration, width_in: float = 4.2) -> Figure:
    """Scores of real and fake validation videos, with the threshold and the band between."""
    table = histogram_table(calibration)
    figure = new_figure(width_in, 0.85 * width_in)
    ax = figure.subplots()
    dress(ax, x_label="score of a video (logit)", y_label="videos")
    ax.axvspan(
        calibration.band_low,
        calibration.threshold,
        color=PALETTE["uncertain"],
        alpha=0.2,
        linewidth=0,
        label="cannot tell",
    )
    for name, counts, hatch in (("real", table.real, "////"), ("fake", table.fake, "\\\\\\\\")):
        label = f"{name}, n = {counts.sum()}"
        ax.stairs(counts, table.edges, fill=True, alpha=0.35, color=PALETTE[name], label=label)
        ax.stairs(counts, table.edges, color=PALETTE[name], linewidth=1.4, hatch=hatch)
    ax.axvline(calibration.threshold, color=INK, linewidth=1.4, label="threshold")
    figure.legend(
        loc="outside upper center", ncols=2, frameon=False, labelcolor=INK, fontsize=POINTS - 1,
        columnspacing=1.2, handlelength=1.4,
    )  # fmt: skip
    return figure


def roc(calibration: Calibration, width_in: float = 4.2) -> Figure:
    """ROC of the validation videos with the chance line and the shipped threshold."""
    table = roc_table(calibration)
    figure = new_figure(width_in, width_in)
    ax = figure.subplots()
    dress(ax, x_label="false positive rate", y_label="true positive rate")
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.step(
        table.false_positive_rate,
        table.true_positive_rate,
        where="post",
        color=PALETTE["real"],
        linewidth=1.8,
    )
    spot = operating_point(table, calibration.threshold)
    ax.scatter(*spot, s=40, color=PALETTE["fake"], zorder=3, linewidths=0)
    ax.annotate("threshold", spot, (8, -4), textcoords="offset points", color=INK, fontsize=POINTS)
    low, high = calibration.auc_interval
    videos = len(calibration.labels)
    caption = f"AUC {calibration.auc:.2f} ({low:.2f} to {high:.2f}), n = {videos} videos"
    ax.set_title(caption, color=INK, fontsize=POINTS, loc="left")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return figure


def figure_png(figure: Figure, dpi: float = 144) -> bytes:
    """The figure as a transparent PNG: the same bytes for the same numbers, no date in it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def figure_svg(figure: Figure) -> str:
    """The figure as an SVG element whose ink is the text colour of the page around it.

    Letters are outlines, so it looks alike everywhere. The same numbers give the same text.
    """
    out = io.StringIO()
    with _SVG_LOCK, matplotlib.rc_context({"svg.hashsalt": "", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # Several figures share a page, and a reference finds the first element of its name in the page.
    name = "f" + hashlib.sha256(text.encode()).hexdigest()[:8]
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
