"""Tables of measured numbers as HTML: wide ones are rows on a screen and cards on a phone."""

from __future__ import annotations

import html

from dfexplain import evaluation
from dfexplain.structures import Cell, EvaluationTable
from dfexplain.ui import words

__all__ = ["beside_figure", "drawn", "folded"]


def drawn(table: EvaluationTable) -> str:
    """Title, note and rows. It looks right within an element of class `measured`."""
    title = f"<h3>{html.escape(table.title)}</h3>"
    return f"<section>{title}{words.note(table.note)}{_body(table)}</section>"


def folded(table: EvaluationTable, *, opened: bool) -> str:
    """As `drawn`, under its title: one of many tables, of which a reader wants a few."""
    return (
        f'<details class="fold"{" open" if opened else ""}><summary>{html.escape(table.title)}'
        f"</summary>{words.note(table.note)}{_body(table)}</details>"
    )


def beside_figure(table: EvaluationTable) -> str:
    """The numbers of a figure, to be opened under it."""
    return (
        f'<details class="measured numbers"><summary>{words.AS_TABLE}</summary>'
        f"{words.note(table.note)}{_body(table)}</details>"
    )


def _body(table: EvaluationTable) -> str:
    columns = [html.escape(column) for column in table.columns]
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    rows = []
    for row in table.rows:
        name, *rest = (_cell(cell) for cell in row)
        # The label stands before the number on a phone, where a row is a card.
        cells = "".join(
            f'<td data-label="{column}"><div>{cell}</div></td>'
            for column, cell in zip(columns[1:], rest, strict=True)
        )
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(cell: Cell) -> str:
    value, rest = html.escape(evaluation.value_words(cell)), evaluation.beside(cell)
    if value == evaluation.NOT_MEASURED:
        value = f'<span class="hint">{value}</span>'
    return f"{value} <small>{html.escape(rest)}</small>" if rest else value
