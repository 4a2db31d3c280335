"""A report as one HTML file: nothing is fetched, nothing runs, it prints, and it may be sent on.

The template escapes every text (`page.html.j2`), and a content security policy in the page forbids
requests and scripts should a text ever get through. No run times and no date: the same report gives
the same bytes.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass

import cv2
import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from dfexplain import __version__, explain, plots
from dfexplain.report import pictures, words
from dfexplain.report.document import file_name, shows_probability
from dfexplain.report.explained import explanation_of, in_words
from dfexplain.structures import Lane, Outcome, Sampling, VideoReport

__all__ = ["Shown", "shown_frames", "to_html"]

# A page is for reading: the peak of every span first, then more of each while there is room.
MOST_FRAMES = 12
FRAMES_A_SPAN = 3
RELIABILITY_SAYS = (
    "Does p hold? On the dashed line, of the videos with p 0.7 seven in ten are fakes. Bars are "
    "95 % intervals; below, how many videos each rests on."
)
HISTOGRAM_SAYS = (
    "How far the scores of real and manipulated validation videos part, and the band between, in "
    "which the answer is “cannot tell”."
)
_COLOURS = {
    Outcome.FAKE: "fake",
    Outcome.REAL: "real",
    Outcome.UNCERTAIN: "uncertain",
    Outcome.NOT_ANALYSABLE: "uncertain",
}


@dataclass(frozen=True)
class Shown:
    """A frame that the page shows: a row of a lane, and whether it lies in a flagged span."""

    lane: Lane
    row: int
    flagged: bool


def shown_frames(report: VideoReport) -> list[Shown]:
    """The frames worth showing, in order of lane and time, at most MOST_FRAMES.

    Of every span its highest frames; without spans the highest frame of the highest lane, so that a
    reader sees what the model looked at. None where there is no score.
    """
    if report.verdict.score is None:
        return []
    ranked: list[tuple[int, float, Shown]] = []
    for segment in report.segments:
        lane = next(lane for lane in report.lanes if lane.track_id == segment.track_id)
        time_s = lane.track.time_s
        rows = np.flatnonzero((time_s >= segment.start_s) & (time_s <= segment.end_s))
        rows = rows[np.argsort(-lane.scores.logit[rows], kind="stable")][:FRAMES_A_SPAN]
        for rank, row in enumerate(rows.tolist()):
            ranked.append((rank, -float(lane.scores.logit[row]), Shown(lane, row, True)))
    ranked.sort(key=lambda item: item[:2])
    chosen = [shown for _, _, shown in ranked[:MOST_FRAMES]]
    if not chosen:
        lane = max(report.lanes, key=lambda lane: lane.score)
        chosen = [Shown(lane, int(np.argmax(lane.scores.logit)), False)]
    return sorted(chosen, key=lambda s: (s.lane.track_id, s.row))


def _jpeg_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _png_uri(rgb: NDArray[np.uint8]) -> str:
    _, data = cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _frame(report: VideoReport, shown: Shown) -> dict[str, object]:
    """The pictures and the caption of one shown frame, for the template."""
    lane, row = shown.lane, shown.row
    found = explanation_of(report, lane.track_id, row)
    drawn = pictures.of_frame(report, lane, row)
    scale = report.calibration if shows_probability(report) else None
    value = f"logit {lane.scores.logit[row]:.2f}"
    if shows_probability(report) and lane.p_fake is not None:
        value = f"p {lane.p_fake[row]:.2f} on the scale of the video, {value}"
    return {
        "clock": words.clock(float(lane.track.time_s[row])),
        "face": lane.track_id,
        "value": value,
        "flagged": shown.flagged,
        "crop": _jpeg_uri(drawn.crop),
        "overlay": _jpeg_uri(drawn.overlay),
        "said": [] if found is None else in_words(found, scale),
        "whole": None if drawn.whole is None else _jpeg_uri(drawn.whole),
    }


def _drawn(report: VideoReport) -> tuple[str, float]:
    """By which method all maps of the page are drawn, and what is full colour."""
    if report.explanations:
        heatmap = report.explanations[0].heatmap
        return heatmap.method, heatmap.scale
    if report.heat_method == "mask_head":
        return explain.MASK_HEAD, report.heat_scale
    return "Grad-CAM; for networks over time HiResCAM", report.heat_scale


def _asked(sampling: Sampling) -> str:
    if sampling.fps is not None:
        return f"{sampling.fps:g} frames a second, at most {sampling.max_frames}"
    if sampling.every is not None:
        return f"every frame in {sampling.every}, at most {sampling.max_frames}"
    return f"{sampling.frames} frames spread over the file"


def _facts(report: VideoReport) -> list[tuple[str, str]]:
    """The settings and the files behind the report, as (name, value)."""
    info, weights = report.info, report.weights
    rate = "" if info.fps is None else f", {info.fps:.2f} frames a second"
    length = "unknown" if info.duration_s is None else words.clock(info.duration_s)
    turned = f", turned by {info.rotation_deg}°" if info.rotation_deg else ""
    return [
        ("File", words.plain(file_name(report))),
        ("sha256 of the file", info.sha256),
        ("Size", f"{info.size_bytes:,} bytes"),
        ("Picture", f"{info.width_px} × {info.height_px} px{turned}{rate}"),
        ("Length", length),
        ("Coding", f"{info.codec}, {info.pixel_format}"),
        ("Frames wanted", _asked(report.sampling)),
        ("Weights", f"{weights.name}, revision {weights.revision}"),
        ("sha256 of the weights", weights.sha256),
        (
            "Model",
            f"{weights.architecture}, face crops of {weights.crop_px} px "
            f"with a margin of {words.share(weights.crop_margin)}",
        ),
        ("Program", f"dfexplain {__version__}"),
    ]


def _band(report: VideoReport) -> dict[str, object] | None:
    if report.verdict.p_fake is None or report.calibration is None:
        return None
    low, high = words.band(report.calibration)
    return {"low": low, "high": high, "p": report.verdict.p_fake}


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dfexplain.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def to_html(report: VideoReport) -> str:
    """The report as the text of one HTML file."""
    calibration = report.calibration
    figures = (
        []
        if calibration is None
        else [
            (Markup(plots.figure_svg(figure)), text)
            for figure, text in (
                (plots.reliability(calibration), RELIABILITY_SAYS),
                (plots.score_histogram(calibration), HISTOGRAM_SAYS),
            )
        ]
    )
    with_p = shows_probability(report)
    method, heat_scale = _drawn(report)
    frames = [_frame(report, shown) for shown in shown_frames(report)]
    return _template().render(
        palette=plots.PALETTE,
        name=words.plain(file_name(report)),
        headline=words.headline(report.verdict),
        colour=_COLOURS[report.verdict.outcome],
        number=words.number(report),
        band=_band(report),
        explanation=words.explanation(report),
        spans=words.spans(report.segments) if report.verdict.outcome is not Outcome.FAKE else "",
        coverage=words.coverage(report.coverage),
        seen=report.coverage,
        point=words.operating_point(calibration) if calibration and with_p else None,
        calibration=calibration,
        timelines=[
            (kind, Markup(plots.figure_svg(plots.timeline(report, width_in))))
            for kind, width_in in (("wide", 9.2), ("narrow", 3.5))
        ],
        with_p=with_p,
        lanes=report.lanes,
        flagged=report.segments,
        cuts=report.cuts_s,
        frames=frames,
        bar=_png_uri(explain.colour_bar(12, 240)),
        heat_scale=heat_scale,
        carried=words.carried(report.region_spans),
        beats_chance=words.beats_chance(
            [found.faithfulness for found in report.explanations if found.faithfulness]
        ),
        mask=method == explain.MASK_HEAD,
        method=method,
        figures=figures,
        facts=_facts(report),
        notes=[words.plain(note) for note in report.notes],
        not_checked=report.not_checked,
    )
