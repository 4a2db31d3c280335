"""One HTML page over many reports: what was found in each file, with a link to its report.

It holds no script, fetches nothing, and its links are relative: the folder can be moved or sent.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Container, Sequence
from urllib.parse import quote

import jinja2

from dfexplain import plots
from dfexplain.report.rows import FileRow
from dfexplain.report.table import Cell
from dfexplain.report.templates import template

__all__ = ["to_index"]


@functools.cache
def _template() -> jinja2.Template:
    return template("index.html.j2", link=_link, number=_number)


def _link(row: FileRow) -> str:
    return f"reports/{quote(row.report or '')}.html"


def _number(value: Cell) -> str:
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def to_index(rows: Sequence[FileRow], *, total: int, linked: Container[str | None]) -> str:
    """The rows of `total` files as the text of one HTML page; while a run goes on there are fewer.

    `linked` are the stems of which reports/<stem>.html lies beside the page.
    """
    counts = Counter(row.verdict if row.state == "done" else row.state for row in rows)
    return _template().render(
        rows=rows,
        failed=[row for row in rows if row.state != "done"],
        counts=sorted(counts.items(), key=lambda one: (-one[1], one[0])),
        left=total - len(rows) - sum(len(row.also) for row in rows),
        linked=linked,
        palette=plots.PALETTE,
    )
