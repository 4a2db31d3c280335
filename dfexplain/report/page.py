"""A report as one HTML file: nothing is fetched, nothing runs, it prints, and it may be sent on.

The template escapes every text (`page.html.j2`), and a content security policy in the page forbids
requests and scripts should a text ever get through. No run times and no date: the same report gives
the same bytes.
"""

from __future__ import annotations

import base64
import functools

import jinja2
from markupsafe import Markup

from dfexplain import plots
from dfexplain.report import pictures
from dfexplain.report.contents import CAPTIONS, FIGURES, TITLES, contents
from dfexplain.report.templates import template
from dfexplain.structures import VideoReport

__all__ = ["to_html"]

# The page shows the one that fits the window.
TIMELINES_IN = (("wide", 9.2), ("narrow", 3.5))


def _uri(picture: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


@functools.cache
def _template() -> jinja2.Template:
    return template("page.html.j2", uri=_uri)


def to_html(report: VideoReport) -> str:
    """The report as the text of one HTML file."""
    told, calibration = contents(report), report.calibration
    timelines = [] if told.timeline is None else TIMELINES_IN
    return _template().render(
        told=told,
        titles=TITLES,
        captions=CAPTIONS,
        palette=plots.PALETTE,
        timelines=[
            (kind, Markup(plots.figure_svg(plots.timeline(report, width_in))))
            for kind, width_in in timelines
        ],
        bar=pictures.colour_bar(),
        figures=[
            (Markup(plots.figure_svg(draw(calibration))), text)
            for draw, text in FIGURES
            if calibration is not None
        ],
    )
