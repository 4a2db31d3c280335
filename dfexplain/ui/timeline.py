"""The timeline: one lane a face, drawn as SVG in Python; `timeline.js` answers clicks and keys.

The script knows nothing of videos: each lane carries its rows as `[time_s, height, text]`, and a
pick is sent back as `{lane, row}`. Everything that is drawn comes from `plots.timeline_table`, so
that the page and the report agree about gaps, cuts, bands and spans.
"""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np

from dfexplain import jpegs, plots
from dfexplain.plots import LaneTable, TimelineTable
from dfexplain.report.words import clock
from dfexplain.structures import Preview, Progress, VideoReport
from dfexplain.ui import pictures, words

__all__ = ["Growing", "cursor", "draw", "drawn", "empty", "timeline"]

HERE = Path(__file__).parent
STRIP = 12  # pictures in the film strip
WIDE, HIGH = 1000.0, 100.0  # the drawing's own units; it is stretched to the page


def timeline() -> gr.HTML:
    """The component. Its value is what `draw`, `empty` or `Growing.html` return."""
    return gr.HTML(
        empty(),
        html_template="${value}",
        css_template=(HERE / "timeline.css").read_text(encoding="utf-8"),
        js_on_load=(HERE / "timeline.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        cursor=[-1, -1, 0],
        elem_id="timeline",
        label=words.TIMELINE,
    )


_moves = itertools.count(1)


def cursor(lane: int, row: int) -> gr.HTML:
    """An update that moves the ring and the playhead without drawing the timeline again."""
    # The count makes a move to the same place a change, too.
    return gr.HTML(cursor=[lane, row, next(_moves)])


def empty(text: str = words.EMPTY_TIMELINE) -> str:
    """A timeline with nothing on it but a sentence."""
    return f'<div class="tl-empty">{html.escape(text)}</div>'


def draw(report: VideoReport) -> str:
    """The timeline of a finished report; without a face it still shows what was looked at."""
    table = plots.timeline_table(report)
    faces = [lane.scores.crops_jpeg[int(lane.track.confidence.argmax())] for lane in report.lanes]
    return _draw(
        table, [pictures.inline(jpegs.decoded(face), 72) for face in faces], report.previews
    )


def drawn(report: VideoReport, lane: int, row: int) -> gr.HTML:
    """An update to a finished report, opened at one of its frames."""
    return gr.HTML(draw(report), cursor=[lane, row, next(_moves)])


class Growing:
    """The timeline while the video is read: what `Progress` has shown so far."""

    def __init__(self) -> None:
        self._previews: list[Preview] = []
        self._lanes: tuple[LaneTable, ...] = ()
        self._end_s = 0.1

    def html(self, step: Progress) -> str:
        """Take a step in and draw everything that is known after it."""
        if step.preview is not None:
            self._previews.append(step.preview)
            # Frames are spread evenly, so the share that was read tells the length of the file.
            share = (step.done - 0.5) / step.total if 0 < step.done <= step.total else 1.0
            self._end_s = max(step.preview.time_s / share, 0.1)
        if step.lanes:
            self._lanes = tuple(
                LaneTable(name, time, logit, ("uncertain",) * len(time), (), ())
                for name, time, logit in step.lanes
            )
        if not self._previews:
            return empty()
        faces = np.unique(np.concatenate([np.empty(0), *(lane.time_s for lane in self._lanes)]))
        read = np.union1d([preview.time_s for preview in self._previews], faces)
        end_s = max(self._end_s, float(read[-1]))
        table = TimelineTable(self._lanes, (), end_s, read, np.isin(read, faces), False, None)
        return _draw(table, [None] * len(self._lanes), self._previews)


def _draw(table: TimelineTable, faces: Sequence[str | None], previews: Sequence[Preview]) -> str:
    lanes = [_lane(lane, face, table) for lane, face in zip(table.lanes, faces, strict=True)]
    unit = words.P_FAKE if table.is_probability else words.SCORE
    cover = f'<div class="tl-cover">{_cover(table)}</div>'
    told = (unit, words.TIMELINE_HELP) if table.lanes else ("", words.NO_LANES)
    return "".join(
        [
            f'<div class="tl" tabindex="0" role="slider" aria-label="{words.TIMELINE}"',
            f' aria-valuemin="0" aria-valuemax="{table.end_s:.3f}" aria-valuenow="0"',
            f' aria-valuetext="" data-end="{table.end_s:.6f}">',
            _row("", f'<div class="tl-strip">{_strip(previews, table.end_s)}</div>'),
            *lanes,
            _row(f"<small>{words.COVERAGE}</small>", cover),
            _row("", f'<div class="tl-axis">{_axis(table.end_s)}</div>', zooms=False),
            '<div class="tl-head-line"></div></div>',
            f'<div class="tl-key"><span>{told[0]}</span>{_key(table)}</div>',
            f'<div class="tl-key">{told[1]}</div>',
            f'<button class="tl-whole" type="button" hidden>{words.WHOLE}</button>',
        ]
    )


def _row(head: str, body: str, *, zooms: bool = True) -> str:
    if zooms:
        body = f'<div class="tl-window"><div class="tl-span">{body}</div></div>'
    return f'<div class="tl-row"><div class="tl-head">{head}</div>{body}</div>'


def _lane(lane: LaneTable, face: str | None, table: TimelineTable) -> str:
    """Thumbnail and name, and the plot: band, flagged spans, cuts, lines within runs, dots."""
    reach = max(float(np.abs(other.values).max()) for other in table.lanes if len(other.values))
    low, high = (-0.08, 1.08) if table.is_probability else (-1.15 * reach, 1.15 * reach)

    def x(time_s: float) -> float:
        return WIDE * time_s / table.end_s

    def y(value: float) -> float:
        return HIGH * (1 - (value - low) / (high - low))

    draw = []
    if table.band is not None:
        top, bottom = y(table.band[1]), y(table.band[0])
        draw.append(_rect("band", 0, top, WIDE, bottom - top))
    for segment in lane.segments:
        # A span of one frame has no length; a minimum keeps it in sight.
        start, end = x(segment.start_s) - 4, x(segment.end_s) + 4
        draw.append(_rect("flag", start, 0, end - start, HIGH))
        draw.append(_rect("flag-top", start, 0, end - start, 6))
    draw += [_path("cut", f"M{x(cut):.1f} 0V{HIGH:.0f}") for cut in table.cuts_s]
    points = [(x(float(t)), y(float(v))) for t, v in zip(lane.time_s, lane.values, strict=True)]
    for run in lane.runs:
        if len(points[run]) > 1:
            draw.append(_path("line", "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points[run])))
    for zone in plots.PALETTE:
        dots = [p for p, its in zip(points, lane.zones, strict=True) if its == zone]
        if dots:
            draw.append(_path(f"dot {zone}", "".join(f"M{a:.1f} {b:.1f}h0" for a, b in dots)))
    rows = [
        [round(float(t), 6), round(b, 1), words.frame(lane.track_id, float(t), _value(v, table))]
        for t, v, (_, b) in zip(lane.time_s, lane.values, points, strict=True)
    ]
    name = html.escape(lane.track_id)
    picture = f'<img src="{face}" alt="">' if face else ""
    return _row(
        f"{picture}<span>{name}</span>",
        f'<div class="tl-plot" data-rows="{html.escape(json.dumps(rows))}">'
        f'<svg viewBox="0 0 {WIDE:.0f} {HIGH:.0f}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(draw)}</svg></div>",
    )


def _value(value: float, table: TimelineTable) -> str:
    return words.p_fake(value) if table.is_probability else words.score(value)


def _rect(name: str, x: float, y: float, wide: float, high: float) -> str:
    return (
        f'<rect class="tl-{name}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"/>'
    )


def _path(name: str, d: str) -> str:
    return f'<path class="tl-{name}" d="{d}"/>'


def _strip(previews: Sequence[Preview], end_s: float) -> str:
    """A dozen pictures at their places in time; a place that was not read yet stays empty."""
    cells = []
    for cell in range(STRIP):
        start, end = end_s * cell / STRIP, end_s * (cell + 1) / STRIP
        inside = [p for p in previews if start <= p.time_s < end or p.time_s == end == end_s]
        if inside:
            picture = pictures.inline(inside[len(inside) // 2].picture.rgb, 66)
            cells.append(f'<span style="background-image:url({picture})"></span>')
        else:
            cells.append('<span class="none"></span>')
    return "".join(cells)


def _cover(table: TimelineTable) -> str:
    """A tick a frame that was read, tall where a face was found in it."""
    return "".join(
        f'<i{" class=face" if face else ""} style="left:{100 * time / table.end_s:.2f}%"></i>'
        for time, face in zip(table.sampled_s.tolist(), table.with_face.tolist(), strict=True)
    )


def _axis(end_s: float) -> str:
    marks = [end_s * i / 4 for i in range(5)]
    return "".join(
        f'<span{" class=last" if mark == marks[-1] else ""} style="left:{25 * i}%">'
        f"{clock(mark)}</span>"
        for i, mark in enumerate(marks)
    )


def _key(table: TimelineTable) -> str:
    names = [("flag", words.KEY_FLAGGED), ("band", words.KEY_BAND), ("cut", words.KEY_CUT)]
    shown = {
        "flag": any(lane.segments for lane in table.lanes),
        "band": table.band is not None,
        "cut": bool(table.cuts_s),
    }
    return "".join(f'<span><b class="{n}"></b>{text}</span>' for n, text in names if shown[n])
