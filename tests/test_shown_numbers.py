"""The numbers of evaluation.json and heatmaps.json against what the app and the card show.

The files are read here as plain JSON and the page as plain text, so that a table that is left out,
a column that is mixed up or a number that is rounded away shows (rows H6, I4).
"""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dfexplain import hub
from dfexplain.evaluation import POINTING
from dfexplain.ui import calibration

WEIGHTS = Path(__file__).parent.parent / "weights"
SHIPPED = sorted(path.parent.name for path in WEIGHTS.glob("*/evaluation.json"))


class _Tables(HTMLParser):
    """The text of each cell of each row of each table of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.tables[-1][-1][-1] += data


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    """The tables of both files; heatmaps.json has the whole pointing game."""
    evaluation, heatmaps = (
        json.loads((WEIGHTS / name / file).read_text("utf-8"))["tables"]
        for file in ("evaluation.json", "heatmaps.json")
    )
    return [*(table for table in evaluation if table["key"] != POINTING), *heatmaps]


@cache
def in_the_app(name: str) -> list[list[list[str]]]:
    page = _Tables()
    page.feed(str(calibration.shown(hub.load(name))[3]))
    return page.tables


@cache
def in_the_card(name: str) -> list[list[list[str]]]:
    """The tables of the card under "### ", less the line between head and rows."""
    card = (WEIGHTS / name / "README.md").read_text("utf-8")
    found = []
    for part in card.split("\n### ")[1:]:
        rows = [line for line in part.splitlines() if line.startswith("| ")]
        found.append([re.split(r" (?<!\\)\| ", row.strip("| ")) for row in rows])
        del found[-1][1]
    return found


def near(shown: str, wanted: float) -> bool:
    """Whether digits are those of a number, to the last place that they have."""
    places = len(shown.partition(".")[2])
    return abs(float(shown) - wanted) <= 0.5 * 10**-places + 1e-9


def check(cell: str, wanted: Any) -> None:
    """Whether a cell says what was recorded."""
    if isinstance(wanted, str):
        assert cell.replace("\\", "") == wanted
        return
    if wanted is None or wanted["value"] is None:
        assert cell.startswith("not measured")
        return
    said = re.fullmatch(
        r"(-?[\d.]+)(?: \(?(?:(-?[\d.]+) to (-?[\d.]+))?(?:(?:; )?n (\d+))?"
        r"(?:(?:; )?chance (-?[\d.e-]+))?\)?)?",
        cell,
    )
    assert said is not None, cell
    for shown, key in zip(said.groups(), ("value", "low", "high", "n", "chance"), strict=True):
        if shown is None:
            # An interval is shown whole or not at all, and nobody counted is not shown.
            pair = ("low", "high")
            assert not wanted[key] if key not in pair else None in [wanted[k] for k in pair], cell
        elif key == "chance":
            assert float(shown) == pytest.approx(wanted[key], rel=5e-3)
        else:
            assert near(shown, wanted[key]), (cell, key, wanted[key])


def compare(shown: list[list[list[str]]], tables: list[dict[str, Any]]) -> int:
    """Go through all cells; how many of them hold a number."""
    numbers = 0
    for drawn, table in zip(shown, tables, strict=True):
        head, *rows = drawn
        assert [cell.replace("\\", "") for cell in head] == table["columns"]
        assert len(rows) == len(table["rows"])
        for row, wanted in zip(rows, table["rows"], strict=True):
            assert len(row) == len(wanted)
            for cell, told in zip(row, wanted, strict=True):
                check(cell, told)
                numbers += isinstance(told, dict)
    return numbers


@pytest.mark.parametrize("name", SHIPPED)
def test_the_calibration_tab_shows_the_very_numbers_of_the_evaluation(name: str) -> None:
    assert compare(in_the_app(name), recorded(name)) >= 200


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_shows_the_very_numbers_of_the_evaluation(name: str) -> None:
    assert compare(in_the_card(name), recorded(name)) >= 200


def test_a_wrong_number_would_show() -> None:
    number = {"value": 0.9714, "low": 0.96, "high": 0.98, "n": 400, "chance": 0.5}
    check("0.971 0.960 to 0.980; n 400; chance 0.5", number)
    for wrong in ("0.972 0.960 to 0.980; n 400; chance 0.5", "0.971 n 400; chance 0.5"):
        with pytest.raises(AssertionError):
            check(wrong, number)
