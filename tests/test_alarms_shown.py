"""How often genuine recordings are flagged stands beside each verdict of those weights (E6, N1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dfexplain import evaluation
from dfexplain.history import History
from dfexplain.report import content, contents
from dfexplain.report import worth as told
from dfexplain.structures import Evaluation, EvaluationTable, Number
from dfexplain.ui import verdict
from tests.reports import REPORTS


def test_alarms_on_genuine_recordings_stand_beside_the_verdict() -> None:
    """On the card, in the report and in its JSON; nothing where they were not measured."""
    plain = REPORTS["two_faces"]()
    rate = Number(16 / 30, 0.35, 0.72, 30, None)
    known = replace(plain, weights=replace(plain.weights, alarms=rate))
    said = told.alarms(rate)
    assert said == (
        "Of 30 other genuine recordings that got a probability, 53 % were flagged as well "
        "(95 % interval 35 % to 72 %)."
    )
    assert f"<p>{said}</p>" in verdict.card(known)
    assert said in contents.contents(known).basis
    point = content(known)["operating_point"]
    assert point["genuine"] == {
        "rate": pytest.approx(16 / 30, abs=1e-5),
        "interval": [0.35, 0.72],
        "recordings": 30,
    }
    assert told.alarms(None) == ""
    assert "genuine recordings" not in verdict.card(plain)
    assert content(plain)["operating_point"]["genuine"] is None


def test_alarms_are_read_from_the_table_of_genuine_recordings() -> None:
    rate = Number(0.5, 0.3, 0.7, 20, None)
    table = EvaluationTable(
        evaluation.GENUINE, "t", "n", ("measure", "value"), ((evaluation.ALARMS, rate),)
    )
    assert evaluation.alarms(Evaluation("", "on", (table,))) == rate
    for other in (None, Evaluation("", "on", ())):
        assert evaluation.alarms(other) is None
    for value, low, high in (
        (None, None, None),
        (4.0, 0.3, 0.7),
        (0.5, -1.0, 0.7),
        (0.5, 0.3, 7.0),
    ):
        unfit = replace(table, rows=((evaluation.ALARMS, Number(value, low, high, 20, None)),))
        assert evaluation.alarms(Evaluation("", "on", (unfit,))) is None


def test_an_analysis_that_was_kept_says_it_too(tmp_path: Path) -> None:
    rate = Number(16 / 30, 0.35, 0.72, 30, None)
    plain = REPORTS["two_faces"]()
    store = History(tmp_path / "history.sqlite")
    for report, said in (
        (replace(plain, weights=replace(plain.weights, alarms=rate)), told.alarms(rate)),
        (plain, ""),
    ):
        kept = store.get(store.add(report))
        card = verdict.past(kept.past, kept.read)
        assert ("genuine recordings" in card) == bool(said)
        assert said in card
