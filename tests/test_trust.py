"""The command that prints the trust table: its rows, its words and its exit status."""

from __future__ import annotations

import pytest

from benchmarks.trust import __main__ as trust
from benchmarks.trust.rows import Figure, Row
from tests.sources import ROOT


def row(key: str, held: bool | None) -> Row:
    return Row(key, f"promise {key}", "at most 1", lambda full: Figure(f"full {full}", held))


def broken(full: bool) -> Figure:
    raise AssertionError("nothing\ncame")


def test_every_row_has_a_key_of_its_own_and_words() -> None:
    rows = trust.all_rows()
    assert len({each.key for each in rows}) == len(rows)
    for each in rows:
        assert each.promise
        assert each.limit


def test_the_document_has_every_row() -> None:
    text = (ROOT / "docs" / "trust.md").read_text("utf-8")
    named = {
        key
        for line in text.splitlines()
        if line.startswith("| R")
        for key in line.split("|")[1].strip().split(", ")
    }
    assert {key for each in trust.all_rows() for key in each.key.split("/")} == named


@pytest.mark.parametrize(
    ("arguments", "status", "lines"),
    [
        ([], 1, ["R1     held", "R2     MISSED", "R5/R6  not measured", "R7     MISSED"]),
        (["--only", "R1,R6"], 0, ["R1     held", "R5/R6  not measured"]),
        (["--only", "R7"], 1, ["R7     MISSED"]),
    ],
)
def test_the_table_and_its_status(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, lines: list[str]
) -> None:
    rows = [row("R1", True), row("R2", False), row("R5/R6", None)]
    rows.append(Row("R7", "breaks", "never", broken))
    assert trust.main(arguments, rows) == status
    *printed, last = capsys.readouterr().out.splitlines()
    assert len(printed) == len(lines)
    assert all(one.startswith(start) for one, start in zip(printed, lines, strict=True))
    assert last == f"{len(lines)} rows, {sum('MISSED' in one for one in lines)} missed"


def test_a_row_says_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    trust.main(["--full"], [row("R1", True), Row("R7", "breaks", "never", broken)])
    first, second, _ = capsys.readouterr().out.splitlines()
    assert "promise R1: full True (limit: at most 1;" in first
    assert "broke down: AssertionError: nothing came" in second


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        trust.main(["--only", "R99"], [row("R1", True)])
    assert ended.value.code == 2
    assert "['R99']" in capsys.readouterr().err
