"""The Explain tab: why a frame got its score, what that answer is worth, what would change it.

The frame is the one that is open on the desk. A click on the face, a drag over it or a tick at a
region covers that place, and the score and the map are those of the covered picture. A drag comes
as points: Gradio's own editor would send a painted picture, which Pillow would open outside of the
cage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from dfexplain import explain, jpegs
from dfexplain.explain.cover import HOW
from dfexplain.explain.explainer import Covered
from dfexplain.explain.methods import METHODS
from dfexplain.explain.regions import REGIONS, landmarks_on_crop, masks
from dfexplain.report.words import clock
from dfexplain.structures import Explanation, VideoReport
from dfexplain.ui import evidence, viewer, words
from dfexplain.ui.parts import HEIGHT, button, slider
from dfexplain.ui.viewer import Pick

__all__ = ["Disc", "Reasons", "cover_mask", "nothing", "shown", "stroke", "tab"]

Array = NDArray[np.float32]
# The browser never draws the picture larger than it is, and counts clicks in its pixels.
SHOWN_PX = 768
MOST_POINTS = 100
STROKES = Path(__file__).with_name("strokes.js")


@dataclass(frozen=True)
class Disc:
    """A place that was clicked or dragged over, in pixels of the crop."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Reasons:
    """The components of the tab. `discs` belongs to one session."""

    caption: gr.HTML
    face: gr.Dropdown
    frame: gr.Dropdown
    previous: gr.Button
    next: gr.Button
    method: gr.Dropdown
    exact: gr.Checkbox
    note: gr.HTML
    crop: gr.Image
    strokes: gr.HTML
    overlay: gr.ImageSlider
    bar: gr.HTML
    panel: gr.HTML
    regions: gr.CheckboxGroup
    how: gr.Radio
    size: gr.Radio
    uncover: gr.Button
    summary: gr.HTML
    discs: gr.State

    def outputs(self) -> list[gr.components.Component]:
        """What `shown` and `nothing` may change."""
        return list(vars(self).values())


def tab(kept_s: float) -> Reasons:
    """Lay the tab out; it is empty until a frame is open on the desk."""
    with gr.Tab(words.TAB_EXPLAIN, id="explain"):
        gr.HTML(words.note(words.EXPLAIN_LEAD), apply_default_css=False)
        with gr.Row(elem_classes="caption-row"):
            caption = gr.HTML(_empty(), apply_default_css=False, elem_id="explain-caption")
            face = _choice(words.FACE, "explain-face")
            frame = _choice(words.OPEN_FRAME, "explain-frame")
            previous = button(words.PREVIOUS, "explain-previous")
            following = button(words.NEXT, "explain-next")
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                crop = gr.Image(
                    label=words.COVER,
                    interactive=False,
                    height=HEIGHT,
                    format="png",
                    buttons=[],
                    elem_id="cover",
                )
                strokes = gr.HTML(
                    f'<i data-label="{words.COVER}"></i>',
                    js_on_load=STROKES.read_text(encoding="utf-8"),
                    apply_default_css=False,
                    elem_id="strokes",
                )
                regions = gr.CheckboxGroup(
                    list(REGIONS), label=words.COVER_REGIONS, elem_id="cover-regions"
                )
                how = _radio(words.COVER_HOW, HOW[0], words.COVER_WITH, "cover-how")
                size = _radio(words.COVER_SIZES, "0.11", words.COVER_SIZE, "cover-size")
                uncover = button(words.UNCOVER, "uncover")
            with gr.Column(scale=4, min_width=280):
                overlay = slider(words.CROP, "explain-map")
                method = gr.Dropdown(
                    [], label=words.METHOD, filterable=False, elem_id="explain-method"
                )
                exact = gr.Checkbox(label=words.EXACT, container=False, elem_id="explain-exact")
                note = gr.HTML(apply_default_css=False, elem_id="explain-note")
                bar = gr.HTML(apply_default_css=False, elem_id="explain-bar")
            with gr.Column(scale=5, min_width=280):
                panel = gr.HTML(apply_default_css=False, elem_id="reasons")
        summary = gr.HTML(apply_default_css=False, elem_id="explain-summary")
        discs = gr.State((), time_to_live=kept_s)
    return Reasons(
        caption, face, frame, previous, following, method, exact, note, crop, strokes, overlay, bar,
        panel, regions, how, size, uncover, summary, discs,
    )  # fmt: skip


def _choice(label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown(
        [],
        label=label,
        container=False,
        filterable=False,
        scale=0,
        min_width=60,
        elem_id=elem_id,
        elem_classes="choice",
    )


def _radio(choices: dict[str, str], value: str, label: str, elem_id: str) -> gr.Radio:
    return gr.Radio(
        [(said, name) for name, said in choices.items()],
        value=value,
        label=label,
        elem_id=elem_id,
    )


def _empty() -> str:
    return f'<div class="caption"><span>{words.EMPTY_EXPLAIN}</span></div>'


def nothing(at: Reasons) -> dict[gr.components.Component, object]:
    """No frame is open."""
    return {
        at.caption: _empty(),
        at.face: gr.Dropdown([], value=None),
        at.frame: gr.Dropdown([], value=None),
        at.crop: None,
        at.overlay: None,
        at.bar: "",
        at.panel: "",
        at.note: "",
        at.summary: "",
        at.discs: (),
        at.regions: [],
        at.exact: False,
        at.previous: gr.Button(interactive=False),
        at.next: gr.Button(interactive=False),
        at.uncover: gr.Button(interactive=False),
    }


def stroke(points: object) -> list[tuple[float, float]]:
    """What a browser sent as a stroke: points in shares of the picture, at most MOST_POINTS of
    them; what is no point within the picture is left out."""
    if not isinstance(points, list):
        return []
    return [
        (float(point[0]), float(point[1]))
        for point in points[:MOST_POINTS]
        if isinstance(point, list)
        and len(point) == 2
        and all(isinstance(part, int | float) and 0 <= part <= 1 for part in point)
    ]


def cover_mask(
    report: VideoReport, pick: Pick, regions: Sequence[str], discs: Sequence[Disc]
) -> Array | None:
    """The places of a crop (S, S) that are covered, 1 in them and 0 elsewhere; None for none."""
    size, lane = report.weights.crop_px, report.lanes[pick.lane]
    mask = np.zeros((size, size), np.float32)
    chosen = [k for k, name in enumerate(REGIONS) if name in regions]
    if chosen:
        points = landmarks_on_crop(lane.track, pick.row, report.weights.crop_margin, size)
        mask[masks(points, size)[chosen].any(axis=0)] = 1.0
    for disc in discs:
        cv2.circle(mask, (round(disc.x), round(disc.y)), round(disc.radius), 1.0, -1)
    return mask if mask.any() else None


def shown(
    at: Reasons,
    report: VideoReport,
    pick: Pick,
    found: Explanation | Covered,
    signed: bool,
) -> dict[gr.components.Component, object]:
    """The explanation of one frame, or what became of it where places are covered."""
    lane, heatmap = report.lanes[pick.lane], found.heatmap
    covered = isinstance(found, Covered)
    if isinstance(found, Covered):
        crop, grey = found.crop, False
    else:
        crop, grey = jpegs.decoded(lane.scores.crops_jpeg[pick.row]), found.loses_to_chance
    method = next(m for m in METHODS.values() if m.label == heatmap.method)
    more = bool(viewer.flagged(report))
    return {
        at.caption: viewer.caption(report, pick),
        at.face: gr.Dropdown(
            [(words.face(one.track_id), k) for k, one in enumerate(report.lanes)], value=pick.lane
        ),
        at.frame: gr.Dropdown(
            [(clock(float(time_s)), row) for row, time_s in enumerate(lane.track.time_s)],
            value=pick.row,
        ),
        at.crop: cv2.resize(crop, (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_LINEAR),
        at.overlay: (crop, explain.overlay(crop, heatmap, signed=signed, grey=grey)),
        at.bar: viewer.colour_bar(heatmap, signed and method.signed),
        at.note: words.note(method.note),
        at.panel: evidence.panel(report, found),
        at.previous: gr.Button(interactive=more),
        at.next: gr.Button(interactive=more),
        at.uncover: gr.Button(interactive=covered),
    }
