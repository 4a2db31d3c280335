"""Records of an evaluation: checked at birth, through JSON and back, in words, in a folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfexplain import evaluation, hub, weights_writing
from dfexplain.errors import SettingError, WeightsRefused
from dfexplain.structures import Evaluation, EvaluationTable, Number
from tests import small_weights as small
from train.suite import measuring

SHA256 = "e" * 64


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((float("nan"), None, None, 1, None), "finite"),
        ((0.5, 0.4, None, 1, None), "come together"),
        ((0.5, 0.6, 0.4, 1, None), "must not pass"),
        ((None, 0.4, 0.6, 1, None), "must have a value"),
        ((0.5, None, None, -1, None), "0 or more"),
    ],
)
def test_a_number_is_checked_at_birth(given: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Number(*given)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": ()}, "must have columns"),
        ({"columns": ("recipe", "AUC")}, "2 cells a row, but got 3"),
        ({"key": ""}, "printable text"),
        ({"note": "two\nlines"}, "printable text"),
        ({"rows": (("blend", " ", None),)}, "printable text"),
        ({"rows": (("blend\u202e", None, None),)}, "printable text"),
    ],
)
def test_a_table_is_checked_at_birth(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(small.evaluation().tables[0], **changes)


def test_an_evaluation_has_a_key_a_table() -> None:
    table = small.evaluation().tables[0]
    with pytest.raises(ValueError, match="a key a table"):
        Evaluation(SHA256, "made up", (table, table))


def test_what_goes_through_json_comes_back() -> None:
    measured = small.evaluation(SHA256)
    text = json.dumps(evaluation.to_dict(measured), allow_nan=False)
    assert evaluation.from_dict(json.loads(text)) == measured


def test_numbers_of_numpy_become_json() -> None:
    made = Number(
        np.float32(0.5),
        np.float64(0.25),
        np.float64(0.75),
        np.int64(8),
        None,  # type: ignore
    )
    table = EvaluationTable("t", "Title", "Note.", ("what",), ((made,),))
    data = evaluation.to_dict(Evaluation(SHA256, "numpy", (table,)))
    assert json.loads(json.dumps(data)) == data
    assert evaluation.from_dict(data).tables[0].rows == ((Number(0.5, 0.25, 0.75, 8, None),),)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (None, "not measured"),
        ("by recipe", "by recipe"),
        (Number(0.97049, 0.9, 1.0, 1036, 0.5), "0.970 (0.900 to 1.000; n 1036; chance 0.5)"),
        (Number(None, None, None, 7, 0.5), "not measured (n 7; chance 0.5)"),
        (Number(13.66, None, None, 0, None), "13.7"),
        (Number(-1234.56, None, None, 0, None), "-1235"),
    ],
)
def test_cells_in_words(cell: str | Number | None, words: str) -> None:
    assert evaluation.in_words(cell) == words


def test_the_section_of_a_card_shows_every_table() -> None:
    text = evaluation.card_section(small.evaluation(SHA256))
    assert text.startswith(evaluation.CARD_START)
    assert text.endswith(evaluation.CARD_END)
    assert "\nmade-up numbers\n" in text
    for table in small.evaluation().tables:
        assert f"\n### {table.title}\n\n{table.note}\n\n| {' | '.join(table.columns)} |\n" in text
    first = "0.971 (0.960 to 0.980; n 400; chance 0.5)"
    assert f"\n| blend | {first} | 0.040 (0.020 to 0.060; n 200) |\n" in text
    assert "\n| a \\| b \\<i> | not measured (n 3; chance 0.5) | not measured |\n" in text
    assert "The pointing game: not measured." in text
    assert "Nothing was recorded" in evaluation.card_section(None)


def test_a_measured_pointing_game_takes_its_place_in_the_card() -> None:
    table = replace(small.evaluation().tables[0], key=evaluation.POINTING, title="Pointing game")
    text = evaluation.card_section(Evaluation(SHA256, "made up", (table,)))
    assert "### Pointing game" in text
    assert "The pointing game: not measured." not in text


def test_what_was_measured_of_heatmaps_stands_for_the_pointing_game_of_the_evaluation(
    tmp_path: Path,
) -> None:
    folder = small.publishable(tmp_path / "mine")
    values = small.heatmaps(folder, 0.1, 0.05, 0.2)
    record = evaluation.heatmaps_from_dict(values)
    table = replace(record.tables[0], key=evaluation.POINTING, title="Newer")
    record = replace(record, tables=(table,))
    older = Evaluation(SHA256, "made up", (replace(table, title="Older"),))
    text = evaluation.card_section(older, record)
    assert "### Newer" in text
    assert "### Older" not in text
    assert "not measured." not in text
    weights = weights_writing.record_heatmaps(folder, record)
    assert measuring._pointing(weights.heatmaps) == table
    assert "not measured" in str(measuring._pointing(None).rows)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an evaluation of its weights."""
    folder = tmp_path_factory.mktemp("weights") / "whole"
    given = {"config": small.CONFIG, "state": small.state(), "heat_scale": 1.0, "card": "card"}
    hub.save(folder, evaluation=small.evaluation(), **given)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return small.write(tmp_path / "x", small.files_of(whole))


def test_an_evaluation_is_bound_to_the_weights_it_is_saved_with(whole: Path) -> None:
    weights = hub.load(whole)
    assert weights.evaluation == small.evaluation(weights.info.sha256)
    assert weights.unevaluated_because is None


def test_recording_replaces_the_evaluation_and_nothing_else(copy: Path) -> None:
    before = small.files_of(copy)
    (copy / "evaluation.json").unlink()
    assert hub.load(copy).unevaluated_because == "the weights came without evaluation.json"
    measured = replace(small.evaluation(), measured_on="other numbers")
    weights = weights_writing.record_evaluation(copy, measured)
    assert weights.evaluation == replace(measured, weights_sha256=weights.info.sha256)
    again = weights_writing.record_evaluation(copy, small.evaluation(weights.info.sha256))
    assert again.evaluation == small.evaluation(weights.info.sha256)
    assert small.files_of(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == ["x"]


def test_an_evaluation_of_other_weights_is_not_used(copy: Path) -> None:
    kept = small.files_of(copy)
    with pytest.raises(SettingError, match="evaluation must belong to the weights"):
        weights_writing.record_evaluation(copy, small.evaluation("f" * 64))
    assert small.files_of(copy) == kept
    values = json.loads(kept["evaluation.json"]) | {"weights_sha256": "f" * 64}
    (copy / "evaluation.json").write_text(json.dumps(values))
    weights = hub.load(copy)
    assert weights.evaluation is None
    assert weights.unevaluated_because == "evaluation.json was measured with other weights"


def test_what_no_folder_may_hold_is_not_recorded(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = small.files_of(copy)
    row = ("much", Number(1e13, None, None, 0, None), None)
    much = replace(small.evaluation().tables[0], rows=(row,))
    long = replace(much, rows=(("x" * 2000,) * 3,) * 400)
    for tables, says in (((much,), "value must be a number"), ((long,), "at most 1048576 bytes")):
        with pytest.raises(SettingError, match=says):
            weights_writing.record_evaluation(copy, Evaluation("", "made up", tables))

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SettingError, match=r"can be written.*No space left"):
        weights_writing.record_evaluation(copy, small.evaluation())
    assert small.files_of(copy) == kept


def at(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put `value` at a place of the JSON."""

    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


ROW, CELL = ("tables", 0, "rows", 0), ("tables", 0, "rows", 0, 1)
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown key": (at("code", value="rm"), r"exactly its keys, but differs in \['code'\]"),
    "missing key": (lambda data: data.pop("tables"), r"differs in \['tables'\]"),
    "tables no list": (at("tables", value={}), "tables must be a list"),
    "too many tables": (at("tables", value=[{}] * 65), "tables must be a list of at most 64"),
    "table no object": (at("tables", 0, value=7), "table must hold exactly its keys"),
    "table with more": (at("tables", 0, "html", value="<b>"), r"differs in \['html'\]"),
    "key twice": (at("tables", 0, "key", value="size"), "a key a table"),
    "title no text": (at("tables", 0, "title", value=None), "title must be a text"),
    "note too long": (at("tables", 0, "note", value="x" * 2001), "note must be a text of at most"),
    "note with an escape": (at("tables", 0, "note", value="\x1b[2J"), "printable text"),
    "a lone surrogate": (at("tables", 0, "note", value="\ud800"), "printable text"),
    "no columns": (at("tables", 0, "columns", value=[]), "must have columns"),
    "too many columns": (at("tables", 0, "columns", value=["x"] * 25), "at most 24"),
    "too many rows": (at("tables", 0, "rows", value=[[]] * 501), "at most 500"),
    "row no list": (at(*ROW, value="abc"), "rows must be a list"),
    "row too short": (at(*ROW, value=["x"]), "3 cells a row, but got 1"),
    "cell a list": (at(*CELL, value=[1]), "cell must hold exactly its keys"),
    "cell a bare number": (at(*CELL, value=0.5), "cell must hold exactly its keys"),
    "cell empty": (at(*CELL, value=""), "printable text"),
    "value true": (at(*CELL, "value", value=True), "value must be a number, but got True"),
    "value a text": (at(*CELL, "value", value="1"), "value must be a number"),
    "value huge": (at(*CELL, "value", value=1e300), "value must be a number"),
    "n none": (at(*CELL, "n", value=None), "n must be a number"),
    "n a fraction": (at(*CELL, "n", value=1.5), "n must be a number"),
    "n negative": (at(*CELL, "n", value=-1), "n must be 0 or more"),
    "half an interval": (at(*CELL, "low", value=None), "must come together"),
    "sha256 a number": (at("weights_sha256", value=7), "weights_sha256 must be a text"),
    "measured on nothing": (at("measured_on", value=""), "printable text"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_json_is_refused(copy: Path, case: str) -> None:
    change, expected = HOSTILE[case]
    data = json.loads((copy / "evaluation.json").read_text())
    change(data)
    (copy / "evaluation.json").write_text(json.dumps(data))
    with pytest.raises(WeightsRefused) as caught:
        hub.load(copy)
    message = str(caught.value)
    assert message.startswith("evaluation.json of x@local")
    assert re.search(expected, message), message
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "be a JSON object"),
        ('{"tables": [], "tables": []}', "key twice: tables"),
        ('{"tables": NaN}', "not finite: NaN"),
        ("[" * 100_000, "be valid JSON"),
        (" " * (2**20 + 1), "at most 1048576 bytes"),
    ],
)
def test_what_is_no_plain_json_is_refused(copy: Path, text: str, says: str) -> None:
    (copy / "evaluation.json").write_text(text)
    with pytest.raises(WeightsRefused, match=says):
        hub.load(copy)
