"""What the PDF is built of: its letters, its styles, and pieces that are placed on a page."""

from __future__ import annotations

import functools
import io
import unicodedata
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, Rect
from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import inch
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Image, Paragraph, Table

from dfexplain import plots

__all__ = [
    "BODY", "BOLD", "FINDING", "GREY", "HEX", "HEXES", "ITEM", "MIDDLE", "NAME", "NUMBER",
    "PALE", "PALETTE", "SECTION", "SMALL", "SOFT", "TEXT", "VERDICT", "Drawn", "bar", "drawing",
    "fitted", "items", "letters", "placed", "printable", "said", "table",
]  # fmt: skip

# Of figures, which are pixels here.
DPI = 220.0

# A figure as PNG, with its width and height in points.
Drawn = tuple[bytes, float, float]

TEXT, BOLD, HEX = "dfexplain", "dfexplain-bold", "dfexplain-mono"
_STYLES = {TEXT: "", BOLD: "-Bold", HEX: "Mono"}
GREY, PALE = HexColor("#50575f"), HexColor("#c9ced4")
MIDDLE = HexColor("#a2a7ac")  # "cannot tell" on the band, as in the page
PALETTE = {name: HexColor(colour) for name, colour in plots.PALETTE.items()}


def _style(size: float, font: str = TEXT, after: float = 4, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        "", fontName=font, fontSize=size, leading=1.42 * size, spaceAfter=after, **more
    )


BODY, SOFT, SMALL = _style(9.5), _style(8.5, textColor=GREY), _style(7.5, textColor=GREY)
NAME, VERDICT = _style(13, BOLD), _style(19, BOLD)
NUMBER = _style(10, alignment=2)
SECTION = _style(11.5, BOLD, spaceBefore=12, keepWithNext=1)
ITEM = _style(9.5, after=2, leftIndent=11, bulletIndent=1)
FINDING = _style(8.5, after=1, leftIndent=11, bulletIndent=1)
HEXES = _style(8, HEX)


@functools.cache
def letters() -> frozenset[int]:
    """Register the fonts, once a process; the characters that each of the two for text has.

    Not those beyond the 16-bit plane, which reportlab draws but does not name for who copies them.
    """
    fonts = {name: TTFont(name, plots.font_file(style)) for name, style in _STYLES.items()}
    for font in fonts.values():
        pdfmetrics.registerFont(font)
    known = set(fonts[TEXT].face.charToGlyph) & set(fonts[BOLD].face.charToGlyph)
    return frozenset(code for code in known if code <= 0xFFFF)


def printable(text: str) -> str:
    """`text` with every character that the font lacks as its code point: 日 is \\u65e5.

    So are letters that are read from right to left, which would stand here in the wrong order.
    """
    known = letters()
    return "".join(
        char
        if ord(char) in known and unicodedata.bidirectional(char) not in ("R", "AL", "AN")
        else f"\\u{ord(char):04x}"
        for char in text
    )


def said(text: str, style: ParagraphStyle = BODY, **more: Any) -> Paragraph:
    """`text` as a paragraph, whatever it holds."""
    return Paragraph(escape(printable(text)), style, **more)


def items(lines: Sequence[str], style: ParagraphStyle = ITEM) -> list[Paragraph]:
    """Each line with a dot before it."""
    return [said(line[:1].upper() + line[1:], style, bulletText="•") for line in lines]


def fitted(picture: bytes, width: float, height: float) -> Image:
    """A JPEG or PNG as large as it can be within that box, in points."""
    return Image(io.BytesIO(picture), width, height, kind="proportional", hAlign="LEFT")


def drawing(figure: Any) -> Drawn:
    """A figure as PNG with its size in points."""
    wide, high = (float(side) * inch for side in figure.get_size_inches())
    return plots.figure_png(figure, DPI), wide, high


def placed(drawn: Drawn) -> Image:
    """A drawn figure in its own size."""
    picture, wide, high = drawn
    return Image(io.BytesIO(picture), wide, high, hAlign="LEFT")


def table(rows: Sequence[Sequence[Any]], widths: Sequence[float], *more: Any) -> Table:
    """Cells side by side without lines and without room around them."""
    bare = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)]
    tight = [("TOPPADDING", (0, 0), (-1, -1), 0), ("BOTTOMPADDING", (0, 0), (-1, -1), 2)]
    top = ("VALIGN", (0, 0), (-1, -1), "TOP")
    return Table(rows, colWidths=widths, hAlign="LEFT", style=[*bare, *tight, top, *more])


def bar(width: float, high: float, parts: Sequence[tuple[float, float, Any]]) -> Drawing:
    """Rectangles from a to b (shares of the width), each in its colour."""
    drawn = Drawing(width, high)
    for start, end, colour in parts:
        if start == end:  # drawn as a hairline by some readers
            continue
        size = (start * width, 0, (end - start) * width, high)
        drawn.add(Rect(*size, fillColor=colour, strokeColor=None))
    return drawn
