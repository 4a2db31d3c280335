"""The Explain tab: why a frame got its score, what that answer is worth, what would change it.

The frame is the one that is open on the desk. A click on the face or a tick at a region covers that
place, and the score and the map are those of the covered picture.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from dfexplain import calibration, explain
from dfexplain.explain.explainer import Covered
from dfexplain.explain.methods import METHODS
from dfexplain.explain.regions import REGIONS, landmarks_on_crop, masks
from dfexplain.report import document
from dfexplain.report import words as told
from dfexplain.report.explained import strongest
from dfexplain.structures import (
    Explanation,
    Faithfulness,
    Neighbour,
    VideoReport,
)
from dfexplain.ui import pictures, viewer, words
from dfexplain.ui.viewer import Pick

__all__ = ["Disc", "Reasons", "cover_mask", "line", "nothing", "shown", "tab"]

Array = NDArray[np.float32]
HEIGHT = 384
# The browser never draws the picture larger than it is, and counts clicks in its pixels.
SHOWN_PX = 768


@dataclass(frozen=True)
class Disc:
    """A place that was clicked, in pixels of the crop."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Reasons:
    """The components of the tab. `discs` belongs to one session."""

    caption: gr.HTML
    previous: gr.Button
    next: gr.Button
    method: gr.Dropdown
    note: gr.HTML
    crop: gr.Image
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
            previous = _button(words.PREVIOUS, "explain-previous")
            following = _button(words.NEXT, "explain-next")
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
                regions = gr.CheckboxGroup(
                    list(REGIONS), label=words.COVER_REGIONS, elem_id="cover-regions"
                )
                how = _radio(words.COVER_HOW, "blur", words.COVER_WITH, "cover-how")
                size = _radio(words.COVER_SIZES, "0.11", words.COVER_SIZE, "cover-size")
                uncover = _button(words.UNCOVER, "uncover")
            with gr.Column(scale=4, min_width=280):
                overlay = gr.ImageSlider(
                    label=words.CROP,
                    interactive=False,
                    height=HEIGHT,
                    max_height=HEIGHT,
                    format="jpeg",
                    buttons=["fullscreen"],
                    elem_id="explain-map",
                )
                method = gr.Dropdown(
                    [], label=words.METHOD, filterable=False, elem_id="explain-method"
                )
                note = gr.HTML(apply_default_css=False, elem_id="explain-note")
                bar = gr.HTML(apply_default_css=False, elem_id="explain-bar")
            with gr.Column(scale=5, min_width=280):
                panel = gr.HTML(apply_default_css=False, elem_id="reasons")
        summary = gr.HTML(apply_default_css=False, elem_id="explain-summary")
        discs = gr.State((), time_to_live=kept_s)
    return Reasons(
        caption, previous, following, method, note, crop, overlay, bar, panel, regions, how, size,
        uncover, summary, discs,
    )  # fmt: skip


def _button(label: str, elem_id: str) -> gr.Button:
    return gr.Button(label, size="sm", scale=0, min_width=60, interactive=False, elem_id=elem_id)


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
        at.crop: None,
        at.overlay: None,
        at.bar: "",
        at.panel: "",
        at.note: "",
        at.summary: "",
        at.discs: (),
        at.regions: [],
        at.previous: gr.Button(interactive=False),
        at.next: gr.Button(interactive=False),
        at.uncover: gr.Button(interactive=False),
    }


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
    found: Explanation,
    covered: Covered | None,
    signed: bool,
) -> dict[gr.components.Component, object]:
    """The explanation of one frame, and what became of it where places are covered."""
    lane = report.lanes[pick.lane]
    crop = pictures.decode(lane.scores.crops_jpeg[pick.row]) if covered is None else covered.crop
    heatmap = found.heatmap if covered is None else covered.heatmap
    lost = covered is None and found.faithfulness is not None
    grey = lost and found.faithfulness is not None and not found.faithfulness.beats_chance
    method = next(m for m in METHODS.values() if m.label == heatmap.method)
    more = bool(viewer.flagged(report))
    return {
        at.caption: viewer.caption(report, pick),
        at.crop: cv2.resize(crop, (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_LINEAR),
        at.overlay: (crop, explain.overlay(crop, heatmap, signed=signed, grey=grey)),
        at.bar: viewer.colour_bar(heatmap, signed and method.signed),
        at.note: words.note(method.note),
        at.panel: _panel(report, found, covered),
        at.previous: gr.Button(interactive=more),
        at.next: gr.Button(interactive=more),
        at.uncover: gr.Button(interactive=covered is not None),
    }


def _scale(report: VideoReport, logit: float) -> str:
    """A frame's score as the page shows it: p_fake where the video has one, else the logit."""
    if document.shows_probability(report) and report.calibration is not None:
        return words.p_fake(float(calibration.p_fake(report.calibration, np.array([logit]))[0]))
    return words.score(logit)


def _panel(report: VideoReport, found: Explanation, covered: Covered | None) -> str:
    parts = [_change(report, found, covered)]
    if covered is None:
        parts += [
            _against_chance(found.faithfulness),
            _regions(report, found),
            _neighbours(found.neighbours),
        ]
    else:
        parts.append(words.note(words.COVERED_NOTE))
    return f'<div class="reasons">{"".join(parts)}</div>'


def _change(report: VideoReport, found: Explanation, covered: Covered | None) -> str:
    if covered is None:
        return f'<p class="reasons-score"><b>{_scale(report, found.logit)}</b></p>'
    before, after = (_scale(report, value) for value in (covered.before, covered.after))
    # What kind of number it is stands before the first of the two.
    text = f"<b>{html.escape(before)}</b> → <b>{html.escape(after.partition(' ')[2])}</b>"
    return f'<p class="reasons-score" role="status">{text} <span>{words.WHEN_COVERED}</span></p>'


def _against_chance(found: Faithfulness | None) -> str:
    if found is None:
        return ""
    values = ((words.THE_MAP, found.of_map), (words.RANDOM_MAP, found.of_random),
              (words.CENTRE_MAP, found.of_centre))  # fmt: skip
    most = max(0.01, *(abs(value) for _, value in values))
    rows = "".join(
        f'<div class="rate"><span>{name}</span><i style="--share:{max(0.0, value) / most:.3f}"></i>'
        f"<b>{value:+.2f}</b></div>"
        for name, value in values
    )
    verdict = words.BEATS if found.beats_chance else told.NO_BETTER
    tone = "" if found.beats_chance else ' class="lost"'
    return (
        f'<section title="{html.escape(words.CHANCE_HELP)}"><h3>{words.AGAINST_CHANCE}</h3>'
        f"{rows}<p{tone}>{html.escape(verdict)}</p></section>"
    )


def _regions(report: VideoReport, found: Explanation) -> str:
    if not found.regions:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{part.name}</th>'
        f'<td><div class="heat"><i style="--share:{part.heat_share or 0.0:.3f}"></i>'
        f"<span>{told.share(part.heat_share or 0.0)}</span></div></td>"
        f"<td>{html.escape(_scale(report, part.covered_logit))}</td></tr>"
        for part in found.regions
        if part.area_share > 0.0
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in words.REGION_COLUMNS)
    face = words.note(told.face_share(found.face_share))
    region = strongest(found)
    assert region is not None
    with_p = document.shows_probability(report)
    scale = report.calibration if with_p else None
    said = told.covering(region.name, found.logit, region.covered_logit, scale)
    return (
        f"<section><h3>{words.REGIONS_TITLE}</h3><p>{html.escape(said)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{face}</section>"
    )


def _neighbours(found: Sequence[Neighbour]) -> str:
    if not found:
        return ""
    cards = "".join(
        f'<figure><img src="{_png(one.thumbnail_rgb)}" alt="{words.LABELS[one.label]}">'
        f"<figcaption>{words.LABELS[one.label]}<small>{one.likeness:.2f}</small></figcaption>"
        "</figure>"
        for one in found
    )
    return (
        f"<section><h3>{words.NEIGHBOURS}</h3><div class='neighbours'>{cards}</div>"
        f"{words.note(words.NEIGHBOURS_HELP)}</section>"
    )


def _png(rgb: NDArray[np.uint8]) -> str:
    _, data = cv2.imencode(".png", rgb[:, :, ::-1])
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()


def line(report: VideoReport, found: Explanation) -> str:
    """For the desk, under the open frame: which region matters most, and the map against chance."""
    parts = []
    region = strongest(found)
    if region is not None:
        scale = report.calibration if document.shows_probability(report) else None
        parts.append(told.covering(region.name, found.logit, region.covered_logit, scale))
    if found.faithfulness is not None:
        test = found.faithfulness
        said = words.BEATS if test.beats_chance else told.NO_BETTER
        rival = max(test.of_random, test.of_centre)
        sign = ">" if test.beats_chance else "≤"
        parts.append(f"map against chance: {test.of_map:+.2f} {sign} {rival:+.2f} logits, {said}")
    return words.note("; ".join(parts))
