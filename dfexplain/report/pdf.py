"""A report as PDF: what the page tells, on paper of A4, with its pictures and letters inside.

No date and no random name: the same report gives the same bytes.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Rect
from reportlab.lib.colors import black, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import inch, mm
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    HRFlowable,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from dfexplain import plots
from dfexplain.report import paper, pictures
from dfexplain.report.contents import (
    CAPTIONS,
    FIGURES,
    TITLES,
    Band,
    Contents,
    Evidence,
    ShownFrame,
    contents,
)
from dfexplain.structures import VideoReport

__all__ = ["FOOT", "HEAD", "MARGIN", "to_pdf"]

MARGIN, HEAD, FOOT = 18 * mm, 24 * mm, 26 * mm
WIDTH = A4[0] - 2 * MARGIN
# So many lanes of a timeline in one picture: they fit below the verdict, twice on other pages.
LANES = 3
HIGH, GAP = 40 * mm, 3 * mm


def _band(band: Band) -> list[Any]:
    real, fake = paper.PALETTE["real"], paper.PALETTE["fake"]
    parts = [(0, band.low, real), (band.low, band.high, paper.MIDDLE), (band.high, 1, fake)]
    drawn = paper.bar(WIDTH, 9, parts)
    drawn.add(
        Rect(band.p * WIDTH - 2, -3, 4, 15, fillColor=black, strokeColor=white, strokeWidth=0.8)
    )
    colours = (
        plots.PALETTE["real"],
        paper.MIDDLE.hexval().replace("0x", "#"),
        plots.PALETTE["fake"],
    )
    keys = "&nbsp;&nbsp;&nbsp; ".join(
        f'<font color="{colour}">■</font> {escape(key)}'
        for colour, key in zip(colours, band.keys, strict=True)
    )
    return [Spacer(0, 8), drawn, Spacer(0, 5), Paragraph(keys, paper.SMALL)]


def _verdict(told: Contents) -> list[Any]:
    tone = paper.PALETTE[told.colour]
    head = paper.table(
        [[paper.said(told.headline, paper.VERDICT), paper.said(told.number, paper.NUMBER)]],
        [0.5 * WIDTH, 0.5 * WIDTH],
        ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
    )
    seen = paper.bar(55 * mm, 4, [(0, 1, paper.PALE), (0, told.seen, paper.GREY)])
    return [
        paper.said(told.name, paper.NAME),
        HRFlowable(width="100%", thickness=4, color=tone, spaceBefore=4, spaceAfter=6),
        head,
        *(_band(told.band) if told.band else []),
        *(paper.said(line) for line in told.says),
        Spacer(0, 4),
        seen,
        Spacer(0, 4),
        *(paper.said(line, paper.SOFT) for line in told.basis),
    ]


def _timelines(report: VideoReport) -> list[paper.Drawn]:
    parts = range(0, max(1, len(report.lanes)), LANES)
    slices = [slice(first, first + LANES) for first in parts]
    return [paper.drawing(plots.timeline(report, WIDTH / inch, which)) for which in slices]


def _over_time(drawn: Sequence[paper.Drawn], said: str) -> list[Any]:
    return [
        paper.said(TITLES["timeline"], paper.SECTION),
        *map(paper.placed, drawn),
        paper.said(said, paper.SOFT),
    ]


def _frame(frame: ShownFrame) -> KeepTogether:
    shown = frame.pictures
    cells = [paper.fitted(picture, HIGH, HIGH) for picture in (shown.crop, shown.overlay)]
    widths = [HIGH + GAP, HIGH + GAP]
    if shown.whole is not None:
        wide = WIDTH - sum(widths)
        cells.append(paper.fitted(shown.whole, wide, HIGH))
        widths.append(wide)
    below = [paper.said(text, paper.SMALL) for text in CAPTIONS[: len(cells)]]
    when = f'<font name="{paper.BOLD}">{frame.clock}</font>, ' if frame.clock else ""
    caption = Paragraph(f"{when}face {escape(frame.face)}: {escape(frame.value)}", paper.BODY)
    said = paper.items(frame.said, paper.FINDING)
    return KeepTogether([caption, paper.table([cells, below], widths), *said, Spacer(0, 8)])


def _evidence(evidence: Evidence) -> list[Any]:
    low, high = (paper.said(text, paper.SMALL) for text in evidence.ends)
    bar = paper.fitted(pictures.colour_bar(), 60 * mm, 3 * mm)
    room = pdfmetrics.stringWidth(evidence.ends[0], paper.TEXT, paper.SMALL.fontSize) + GAP
    colours = paper.table([[low, bar, high]], [room, 63 * mm, WIDTH - room - 63 * mm])
    said = [paper.said(line, paper.SOFT) for line in evidence.says]
    first, *rest = (_frame(frame) for frame in evidence.frames)
    opening = KeepTogether([paper.said(evidence.title, paper.SECTION), colours, *said, first])
    return [opening, *rest]


def _worth(told: Contents, drawn: Sequence[paper.Drawn]) -> KeepTogether:
    head = [
        paper.said(TITLES["worth"], paper.SECTION),
        paper.said(told.worth, paper.SOFT),
    ]
    if not drawn:
        return KeepTogether(head)
    below = [paper.said(text, paper.SMALL) for _, text in FIGURES]
    widths = [wide + GAP for _, wide, _ in drawn]
    return KeepTogether([*head, paper.table([[*map(paper.placed, drawn)], below], widths)])


def _list(title: str, lines: Sequence[str]) -> list[Any]:
    return [paper.said(title, paper.SECTION), *paper.items(lines)] if lines else []


def _limits(told: Contents) -> Table:
    """What no number here speaks of, next to the verdict."""
    lists = [_list(TITLES["not_checked"], told.not_checked), _list(TITLES["limits"], told.limits)]
    return paper.table([lists], [0.42 * WIDTH, 0.58 * WIDTH])


def _facts(told: Contents) -> list[Any]:
    rows = [
        [
            paper.said(term, paper.SOFT),
            paper.said(value, paper.HEXES if term.startswith("sha256") else paper.BODY),
        ]
        for term, value in told.facts
    ]
    return [
        paper.said(TITLES["facts"], paper.SECTION),
        paper.table(rows, [42 * mm, WIDTH - 42 * mm]),
    ]


def _story(
    told: Contents, timelines: Sequence[paper.Drawn], figures: Sequence[paper.Drawn]
) -> list[Any]:
    return [
        *_verdict(told),
        Spacer(0, 6),
        _limits(told),
        *([] if told.timeline is None else _over_time(timelines, told.timeline)),
        *(_evidence(told.evidence) if told.evidence else []),
        _worth(told, figures),
        KeepTogether(_list(TITLES["notes"], told.notes)),
        *_facts(told),
    ]


def _shortened(text: str, font: str, size: float, width: float) -> str:
    """`text` with its middle left out where it is too wide."""
    short, kept = text, len(text)
    while kept > 2 and pdfmetrics.stringWidth(short, font, size) > width:
        kept -= 1
        short = f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"
    return short


def _edges(canvas: Any, document: Any, told: Contents, pages: int | None) -> None:
    """The running head and the foot of a page: which report, which file, which page."""
    size, right = 7.5, A4[0] - MARGIN
    canvas.saveState()
    canvas.setFillColor(paper.GREY)
    canvas.setStrokeColor(paper.PALE)
    canvas.setFont(paper.TEXT, size)
    canvas.drawString(MARGIN, A4[1] - 14 * mm, "dfexplain report")
    canvas.drawRightString(right, A4[1] - 14 * mm, told.headline)
    canvas.line(MARGIN, A4[1] - 16 * mm, right, A4[1] - 16 * mm)
    canvas.line(MARGIN, 20 * mm, right, 20 * mm)
    name = _shortened(paper.printable(told.name), paper.TEXT, size, WIDTH - 30 * mm)
    canvas.drawString(MARGIN, 16 * mm, name)
    canvas.drawRightString(right, 16 * mm, f"page {document.page} of {pages or document.page}")
    canvas.drawString(MARGIN, 12 * mm, "sha256")
    canvas.setFont(paper.HEX, size)
    canvas.drawString(MARGIN + 12 * mm, 12 * mm, told.sha256)
    canvas.restoreState()


def _laid_out(told: Contents, story: list[Any], pages: int | None) -> tuple[bytes, int]:
    """The file and how many pages it has; each says `pages` as their number."""
    out = io.BytesIO()
    bare = dict.fromkeys(("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0)
    room = Frame(MARGIN, FOOT, WIDTH, A4[1] - HEAD - FOOT, **bare)
    edges = functools.partial(_edges, told=told, pages=pages)
    document = BaseDocTemplate(
        out,
        pagesize=A4,
        pageTemplates=[PageTemplate(frames=[room], onPage=edges)],
        title=f"{told.headline}: {told.name}",
        author=told.facts[-1][1],
        subject=f"sha256 of the file: {told.sha256}",
        lang="en",
        invariant=1,
        pageCompression=1,
    )
    document.build(story)
    return out.getvalue(), document.page


def to_pdf(report: VideoReport) -> bytes:
    """The report as a PDF file.

    It is laid out twice, because the first page names the number of the last.
    """
    paper.letters()
    told, calibration = contents(report), report.calibration
    timelines = [] if told.timeline is None else _timelines(report)
    each = (WIDTH / len(FIGURES) - GAP) / inch
    figures = [
        paper.drawing(draw(calibration, each)) for draw, _ in FIGURES if calibration is not None
    ]
    _, pages = _laid_out(told, _story(told, timelines, figures), None)
    return _laid_out(told, _story(told, timelines, figures), pages)[0]
