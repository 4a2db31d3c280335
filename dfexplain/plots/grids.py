"""Pictures of faces in a grid, each with what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dfexplain import metrics
from dfexplain.plots.axes import INK, POINTS, dress, new_figure
from dfexplain.plots.panels import Judged, Panel, Tile, columns

__all__ = ["TILES", "mistakes", "tiles_figure"]

# At most so many pictures a grid, so many a row.
TILES = 12
COLUMNS = 4
CELL_IN = 1.75
LONGEST_NAME = 26


def _picture(jpeg: bytes | None) -> NDArray[np.uint8] | None:
    if not jpeg:
        return None
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _short(name: str) -> str:
    """The end of a long name, which is what tells paths apart."""
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]


def tiles_figure(tiles: Sequence[Tile], title: str, empty: str) -> Figure:
    """A grid of tiles in their order under `title`; without any, `empty` says so in words."""
    rows = max(1, ceil(len(tiles) / COLUMNS))
    text_lines = 1 + max((len(tile.lines) for tile in tiles), default=0)
    height = CELL_IN + 0.17 * text_lines
    figure = new_figure(COLUMNS * (CELL_IN + 0.1), rows * height + 0.7)
    figure.suptitle(title, color=INK, fontsize=POINTS, x=0.02, ha="left")
    if not tiles:
        figure.text(0.5, 0.42, empty, ha="center", va="center", color=INK, fontsize=POINTS + 2)
        return figure
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax in axes[len(tiles) :]:
        ax.set_axis_off()
    for ax, tile in zip(axes, tiles, strict=False):
        dress(ax)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xticks([])
        ax.set_yticks([])
        rgb = _picture(tile.jpeg)
        if rgb is None:
            ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            ax.annotate("no picture", (0.5, 0.5), ha="center", va="center", color=INK)
        else:
            ax.imshow(rgb)
        ax.set_xlabel("\n".join((_short(tile.name), *tile.lines)), color=INK, fontsize=POINTS - 2)
    return figure


def mistakes(judged: Judged, label: int) -> Panel:
    """The worst mistakes on videos of one label: the highest reals, or the lowest fakes."""
    kind, name = ("real", "false positives") if label == 0 else ("fake", "false negatives")
    own = np.flatnonzero(judged.labels == label)
    if judged.threshold is None:
        wrong, rule = own[:0], "no threshold is known"
    else:
        called = judged.scores[own] >= judged.threshold
        wrong = own[called if label == 0 else ~called]
        side = "at or above" if label == 0 else "below"
        rule = f"{side} the threshold {judged.threshold:.3f}"
    order = np.argsort(judged.scores[wrong], kind="stable")
    worst = wrong[order[::-1] if label == 0 else order]
    low, high = metrics.wilson_interval(len(wrong), len(own))
    line = f"{name}: {len(wrong)} of {len(own)} {kind} videos {rule}"
    if judged.threshold is not None:
        line += f"\n{len(wrong) / max(len(own), 1):.1%}, 95 % interval {low:.1%} to {high:.1%}"
    shown = [judged.tiles[i] for i in worst[:TILES]]
    if len(wrong) > TILES:
        line += f"; the worst {TILES} are shown"
    empty = rule if judged.threshold is None else f"No {kind} video is {rule}."
    frame = {"video": [judged.tiles[i].name for i in worst], **columns(score=judged.scores[worst])}
    return Panel(frame, lambda: tiles_figure(shown, f"{judged.title}: {line}", empty))
