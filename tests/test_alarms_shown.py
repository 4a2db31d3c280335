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
    said = told.alarms(rate, None)
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
    assert told.alarms(None, None) == told.alarms(None, rate) == ""
    assert "genuine recordings" not in verdict.card(plain)
    assert content(plain)["operating_point"]["genuine"] is None
    assert content(known)["operating_point"]["deepfakes"] is None


def test_what_is_found_of_deepfakes_stands_beside_the_alarms() -> None:
    plain = REPORTS["two_faces"]()
    rate, found = Number(0.2, 0.1, 0.3, 100, None), Number(0.7, 0.6, 0.8, 50, None)
    known = replace(plain, weights=replace(plain.weights, alarms=rate, found=found))
    said = told.alarms(rate, found)
    assert said == (
        "Of 100 other genuine recordings that got a probability, 20 % were flagged as well "
        "(95 % interval 10 % to 30 %), of 50 deepfakes that others made 70 % "
        "(95 % interval 60 % to 80 %)."
    )
    assert f"<p>{said}</p>" in verdict.card(known)
    assert said in contents.contents(known).basis
    assert content(known)["operating_point"]["deepfakes"] == {
        "rate": 0.7,
        "interval": [0.6, 0.8],
        "videos": 50,
    }
    # Where the intervals meet, or are not known, a flag is not said to be worth anything.
    for unsure in (replace(found, low=0.3), replace(found, low=None, high=None)):
        assert told.alarms(rate, unsure).endswith("a flag hardly tells one from the other.")


def test_alarms_are_read_from_the_table_of_genuine_recordings() -> None:
    rate = Number(0.5, 0.3, 0.7, 20, None)
    table = EvaluationTable(
        evaluation.GENUINE, "t", "n", ("measure", "value"), ((evaluation.ALARMS, rate),)
    )
    assert evaluation.flagged(Evaluation("", "on", (table,)), evaluation.GENUINE) == rate
    forged = replace(table, key=evaluation.FORGED)
    assert evaluation.flagged(Evaluation("", "on", (forged,)), evaluation.FORGED) == rate
    for other in (None, Evaluation("", "on", ())):
        assert evaluation.flagged(other, evaluation.GENUINE) is None
    for value, low, high in (
        (None, None, None),
        (4.0, 0.3, 0.7),
        (0.5, -1.0, 0.7),
        (0.5, 0.3, 7.0),
    ):
        unfit = replace(table, rows=((evaluation.ALARMS, Number(value, low, high, 20, None)),))
        assert evaluation.flagged(Evaluation("", "on", (unfit,)), evaluation.GENUINE) is None


def test_an_analysis_that_was_kept_says_it_too(tmp_path: Path) -> None:
    rate, found = Number(16 / 30, 0.35, 0.72, 30, None), Number(0.7, 0.6, 0.8, 50, None)
    plain = REPORTS["two_faces"]()
    store = History(tmp_path / "history.sqlite")
    for report, said in (
        (
            replace(plain, weights=replace(plain.weights, alarms=rate, found=found)),
            told.alarms(rate, found),
        ),
        (replace(plain, weights=replace(plain.weights, alarms=rate)), told.alarms(rate, None)),
        (plain, ""),
    ):
        kept = store.get(store.add(report))
        card = verdict.past(kept.past, kept.read)
        assert ("genuine recordings" in card) == bool(said)
        assert said in card
