"""An evaluation, and what was measured of heatmaps, as JSON can hold them and in words: one wording
for card, page and command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from dfexplain.errors import SettingError
from dfexplain.structures import Cell, Evaluation, EvaluationTable, HeatmapRecord, Number

__all__ = [
    "ALARMS",
    "CARD_END",
    "CARD_START",
    "DEFAULT_MAP",
    "FORGED",
    "GENUINE",
    "LEFT",
    "NOT_MEASURED",
    "ON_FACE",
    "POINTING",
    "beside",
    "card_section",
    "flagged",
    "from_dict",
    "heatmaps_from_dict",
    "heatmaps_to_dict",
    "in_words",
    "lines",
    "own_tables",
    "section_of",
    "to_dict",
    "value_words",
]

# Between these lines of a model card stands what the evaluation measured.
CARD_START, CARD_END = "<!-- evaluation -->", "<!-- /evaluation -->"
# The key of the table that says how often a heatmap points at what was forged.
POINTING = "pointing"
# The key of the table that says how many genuine recordings are flagged (`train alarms`).
GENUINE = "genuine"
# The key of the table that says what is found of deepfakes among them, where there were any.
FORGED = "deepfakes"
# The row of both of those whose probability a reader sees.
ALARMS = "the same, of those that show a probability"
# The key of the table of the default heatmap, and two of its rows.
DEFAULT_MAP = "default"
LEFT = "rank correlation that is left when all weights are made random"
ON_FACE = "share of its heat on the face"
NOT_MEASURED = "not measured"

# What an evaluation of strangers may hold at most.
_TABLES, _ROWS, _COLUMNS, _CHARACTERS, _SCALES = 64, 500, 24, 2000, 64
_NUMBER_LIMIT, _N_LIMIT = 1e12, 10**12


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON can hold it: a number is an object, what was not measured null."""
    return {
        "weights_sha256": evaluation.weights_sha256,
        "measured_on": evaluation.measured_on,
        "tables": [_plain_table(table) for table in evaluation.tables],
    }


def heatmaps_to_dict(record: HeatmapRecord) -> dict[str, Any]:
    """What was measured of heatmaps, as JSON can hold it."""
    return {
        "weights_sha256": record.weights_sha256,
        "measured_on": record.measured_on,
        "method": record.method,
        "scales": {name: float(scale) for name, scale in record.scales.items()},
        "gain": float(record.gain),
        "gain_interval": [float(bound) for bound in record.gain_interval],
        "cover": record.cover,
        "tables": [_plain_table(table) for table in record.tables],
    }


def _plain_table(table: EvaluationTable) -> dict[str, Any]:
    return asdict(table) | {
        "columns": list(table.columns),
        "rows": [[_plain(cell) for cell in row] for row in table.rows],
    }


def _plain(cell: Cell) -> str | dict[str, float | None] | None:
    if not isinstance(cell, Number):
        return cell
    # Whoever measured with numpy hands over its numbers, which JSON does not know.
    numbers = {k: None if v is None else float(v) for k, v in vars(cell).items()}
    return numbers | {"n": int(cell.n)}


def from_dict(data: dict[str, Any]) -> Evaluation:
    """Read what `to_dict` wrote, from anybody. Raises SettingError naming the key that is wrong."""
    _keys("object", data, Evaluation)
    tables = tuple(_table(table) for table in _list("tables", data["tables"], _TABLES))
    sha256, measured_on = (_text(key, data[key]) for key in ("weights_sha256", "measured_on"))
    try:
        return Evaluation(sha256, measured_on, tables)
    except ValueError as error:
        raise SettingError(f"evaluation is refused: {error}") from error


def heatmaps_from_dict(data: dict[str, Any]) -> HeatmapRecord:
    """Read what `heatmaps_to_dict` wrote, from anybody. Raises SettingError naming the key."""
    _keys("object", data, HeatmapRecord)
    tables = tuple(_table(table) for table in _list("tables", data["tables"], _TABLES))
    texts = {key: _text(key, data[key]) for key in ("weights_sha256", "measured_on", "method")}
    scales, interval = data["scales"], _list("gain_interval", data["gain_interval"], 2)
    if not isinstance(scales, dict) or len(scales) > _SCALES:
        raise SettingError(
            f"evaluation scales must be an object of at most {_SCALES}, but got {scales!r:.60}."
        )
    for value in (data["gain"], *interval, *scales.values()):
        if value is None or not _is_number(value):
            raise SettingError(
                "evaluation must hold a gain and its interval, and scales, as numbers, but got "
                f"{value!r:.60}."
            )
    if len(interval) != 2:
        raise SettingError(
            f"evaluation must hold a gain and its interval, but got {interval!r:.60}."
        )
    try:
        return HeatmapRecord(
            **texts,
            scales=scales,
            gain=data["gain"],
            gain_interval=(interval[0], interval[1]),
            cover=None if data["cover"] is None else _text("cover", data["cover"]),
            tables=tables,
        )
    except ValueError as error:
        raise SettingError(f"evaluation is refused: {error}") from error


def _table(data: Any) -> EvaluationTable:
    _keys("table", data, EvaluationTable)
    columns = tuple(_text("columns", c) for c in _list("columns", data["columns"], _COLUMNS))
    rows = tuple(
        tuple(_cell(cell) for cell in _list("rows", row, _COLUMNS))
        for row in _list("rows", data["rows"], _ROWS)
    )
    key, title, note = (_text(name, data[name]) for name in ("key", "title", "note"))
    try:
        return EvaluationTable(key, title, note, columns, rows)
    except ValueError as error:
        raise SettingError(f"evaluation is refused: {error}") from error


def _cell(data: Any) -> Cell:
    if data is None or isinstance(data, str):
        return data if data is None else _text("cell", data)
    _keys("cell", data, Number)
    for key, value in data.items():
        ok = type(value) is int and value <= _N_LIMIT if key == "n" else _is_number(value)
        if not ok:
            raise SettingError(f"evaluation {key} must be a number, but got {value!r:.60}.")
    try:
        return Number(**data)
    except ValueError as error:
        raise SettingError(f"evaluation is refused: {error}") from error


def _is_number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= _NUMBER_LIMIT)


def _keys(what: str, data: Any, record: type) -> None:
    expected = {field.name for field in fields(record)}
    if not isinstance(data, dict) or data.keys() != expected:
        odd = sorted(expected ^ data.keys()) if isinstance(data, dict) else f"{data!r:.60}"
        raise SettingError(
            f"evaluation {what} must hold exactly its keys, but differs in {odd!s:.120}."
        )


def _list(key: str, data: Any, most: int) -> Sequence[Any]:
    if not isinstance(data, list) or len(data) > most:
        raise SettingError(
            f"evaluation {key} must be a list of at most {most}, but got {data!r:.60}."
        )
    return data


def _text(key: str, data: Any) -> str:
    if not isinstance(data, str) or len(data) > _CHARACTERS:
        raise SettingError(
            f"evaluation {key} must be a text of at most {_CHARACTERS} characters, but got "
            f"{data!r:.60}."
        )
    return data


def _digits(value: float) -> str:
    """Three digits after the point for rates and logits, fewer for sizes and times."""
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def value_words(cell: Cell) -> str:
    """A cell without what stands beside its number: "0.970", a text, or "not measured"."""
    if isinstance(cell, str):
        return cell
    return NOT_MEASURED if cell is None or cell.value is None else _digits(cell.value)


def beside(cell: Cell) -> str:
    """What stands beside a number: "0.961 to 0.979; n 1036; chance 0.5"; empty for other cells."""
    if not isinstance(cell, Number):
        return ""
    parts = []
    if cell.low is not None and cell.high is not None:
        parts.append(f"{_digits(cell.low)} to {_digits(cell.high)}")
    if cell.n:
        parts.append(f"n {cell.n}")
    if cell.chance is not None:
        parts.append(f"chance {cell.chance:.3g}")
    return "; ".join(parts)


def in_words(cell: Cell) -> str:
    """A cell in one piece: "0.970 (0.961 to 0.979; n 1036; chance 0.5)"."""
    rest = beside(cell)
    return f"{value_words(cell)} ({rest})" if rest else value_words(cell)


def lines(table: EvaluationTable) -> list[str]:
    """A table for a terminal: title, note, and the rows with their columns below each other."""
    rows = [table.columns, *([in_words(cell) for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    told = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [table.title, table.note, *(f"  {line}" for line in told)]


def _escaped(text: str) -> str:
    """Text that Markdown takes for neither a cell's end nor markup."""
    return text.replace("\\", "\\\\").replace("|", r"\|").replace("<", r"\<")


def _markdown(table: EvaluationTable) -> str:
    header = [_escaped(column) for column in table.columns]
    rows = [[_escaped(in_words(cell)) for cell in row] for row in table.rows]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))
    return f"### {_escaped(table.title)}\n\n{_escaped(table.note)}\n\n{lines}\n"


def flagged(evaluation: Evaluation | None, key: str) -> Number | None:
    """The share of the videos of `key`, GENUINE or FORGED, that are flagged with a probability.

    None if it was not measured, or is no share: weights of strangers say what they like.
    """
    tables = () if evaluation is None else evaluation.tables
    rows = (row for table in tables if table.key == key for row in table.rows)
    found = next((row[1] for row in rows if row[0] == ALARMS and len(row) > 1), None)
    if not isinstance(found, Number):
        return None
    share = (found.value, *(end for end in (found.low, found.high) if end is not None))
    return found if all(part is not None and 0.0 <= part <= 1.0 for part in share) else None


def own_tables(
    evaluation: Evaluation | None, heatmaps: HeatmapRecord | None
) -> tuple[EvaluationTable, ...]:
    """The evaluation's tables; the pointing game is left to `heatmaps`, where that is known."""
    tables = () if evaluation is None else evaluation.tables
    if heatmaps is None:
        return tables
    return tuple(table for table in tables if table.key != POINTING)


def card_section(evaluation: Evaluation | None, heatmaps: HeatmapRecord | None = None) -> str:
    """The part of a model card from CARD_START to CARD_END: every table, or that there is none.

    Where `heatmaps` is known, its tables stand for the evaluation's own of the pointing game.
    """
    tables = own_tables(evaluation, heatmaps)
    if evaluation is None:
        said = "Nothing was recorded: `python -m train evaluate --record` measures it.\n"
    else:
        said = (
            f"{_escaped(evaluation.measured_on)}\n\nIn brackets stand the 95 % interval, the number"
            " n of samples and what chance would reach.\n"
        )
    rest = [_markdown(table) for table in tables]
    if heatmaps is not None:
        rest.append(_heatmaps_in_card(heatmaps))
    elif POINTING not in {table.key for table in tables}:
        rest.append(f"### Where the heatmaps point\n\nThe pointing game: {NOT_MEASURED}.\n")
    title = "## What `python -m train evaluate` measured"
    return "\n".join([CARD_START, f"{title}\n", said, *rest, CARD_END])


def _heatmaps_in_card(record: HeatmapRecord) -> str:
    low, high = record.gain_interval
    said = (
        f"{_escaped(record.measured_on)}\n\nThe default method is `{_escaped(record.method)}`: it "
        f"points at what was forged off the centre in {record.gain:.3f} more of the crops (95 % "
        f"interval {low:.3f} to {high:.3f}) than the better of a random map and the middle of the "
        "crop.\n"
    )
    title = "## What `dfexplain explain-benchmark` measured of the heatmaps"
    return "\n".join([f"{title}\n", said, *(_markdown(table) for table in record.tables)])


def section_of(card: str) -> str | None:
    """The part of a model card that `card_section` wrote, None where there is none."""
    start, end = card.find(CARD_START), card.rfind(CARD_END)
    return card[start : end + len(CARD_END)] if 0 <= start < end else None
