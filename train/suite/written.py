"""An evaluation on the terminal and in files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from dfexplain import evaluation as evaluations
from dfexplain import weights_writing
from dfexplain.errors import SettingError
from dfexplain.structures import Calibration, Cell, Evaluation, EvaluationTable, Number
from dfexplain.weights_folder import Weights
from train.records import write_table
from train.scores import write_videos
from train.suite.measuring import Measured

__all__ = ["check_place", "lines", "record", "table_lines", "write"]

NUMBER = ("value", "low", "high", "n", "chance")


def lines(evaluation: Evaluation) -> Iterator[str]:
    """Every table in words, one line a row, columns aligned."""
    yield evaluation.measured_on
    yield "In brackets: 95 % interval, number of samples n, what chance would reach."
    for table in evaluation.tables:
        yield ""
        yield from table_lines(table)


def table_lines(table: EvaluationTable) -> Iterator[str]:
    """One table in words: title, note, and a line a row, columns aligned."""
    yield table.title
    yield table.note
    rows = [table.columns, *([evaluations.in_words(cell) for cell in r] for r in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _parts(cell: Cell) -> list[object]:
    if isinstance(cell, Number):
        return ["" if (x := getattr(cell, name)) is None else x for name in NUMBER]
    return [cell or "", *[""] * (len(NUMBER) - 1)]


def _write_csv(path: Path, table: EvaluationTable) -> None:
    """A row of the table a line; a number takes five columns."""
    named, *measured = table.columns
    header = [named, *(f"{column}: {part}" for column in measured for part in NUMBER)]
    rows = ([row[0], *(part for cell in row[1:] for part in _parts(cell))] for row in table.rows)
    write_table(path, header, rows)


def write(out: Path, measured: Measured, fitted: Calibration | None) -> None:
    """Write evaluation.json, evaluation.md, tables/<key>.csv and videos.csv into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    evaluation = measured.evaluation
    data = json.dumps(evaluations.to_dict(evaluation), indent=2, allow_nan=False)
    (out / "evaluation.json").write_text(f"{data}\n", encoding="utf-8")
    page = evaluations.card_section(evaluation)
    (out / "evaluation.md").write_text(f"{page}\n", encoding="utf-8")
    for table in evaluation.tables:
        _write_csv(out / "tables" / f"{table.key}.csv", table)
    write_videos(out / "videos.csv", measured.scored, fitted)


def check_place(weights: str | None) -> None:
    """Raise SettingError where --record has no folder to write into."""
    if not Path(weights or "").expanduser().is_dir():
        raise SettingError(
            f"--record must come with a local weights folder, but got '{weights}'. Name one "
            "such as weights/default."
        )


def record(weights: Weights, evaluation: Evaluation) -> None:
    """Write an evaluation into its weights folder and card, and say so."""
    weights_writing.record_evaluation(weights.folder, evaluation)
    weights_writing.refresh_card(weights.folder)
    print(f"{weights.folder}: evaluation.json and the card's tables")
