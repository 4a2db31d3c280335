"""How far readers agree, and the command that lists, shows and deletes past analyses."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain import history
from dfexplain.agreement import agreements, kappa
from dfexplain.history import History
from dfexplain.report import document, review_words, words
from dfexplain.structures import Answer, Reading
from tests.reports import REPORTS
from tests.test_history import other


def test_kappa_is_cohens() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: po 0.7, pe 0.5, so kappa is 0.4.
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    value, interval = kappa(first, second)
    assert value == pytest.approx(0.4)
    assert interval == pytest.approx((0.12499, 0.61793), abs=1e-4)
    assert kappa(["y", "n"], ["n", "y"])[0] == pytest.approx(-1)
    value, interval = kappa(["y", "n", "c"], ["y", "n", "c"])
    assert value == 1
    assert interval is not None
    assert interval[0] < 0.4  # three equal answers say little
    assert interval[1] == pytest.approx(1)
    assert kappa(["y", "y"], ["y", "y"]) == kappa([], []) == (None, None)


def _read(reader: str, answers: str, blind: bool = True) -> list[Reading]:
    names = {"r": Answer.REAL, "f": Answer.FAKE, "c": Answer.CANNOT_TELL}
    return [
        Reading("2026-01-01T00:00:00+00:00", f"{k:064x}", reader, names[letter], 3, "", blind)
        for k, letter in enumerate(answers)
    ]


def test_agreement_counts_first_blind_readings_over_five_videos() -> None:
    first, second = _read("a", "rrffc"), _read("b", "rrfff")
    found = agreements([*first, *second])
    assert [(one.readers, one.videos) for one in found] == [(("a", "b"), 5)]
    assert found[0].kappa == pytest.approx((0.8 - 0.4) / 0.6)
    assert "kappa 0.67" in review_words.agreement(found[0])
    # A second thought changes nothing, and one blind reading less is too few.
    assert agreements([*first, *second, *_read("b", "ccccc", blind=False)]) == found
    few = agreements([*first, *second[:4], *_read("b", "rrffc", blind=False)])
    assert [(one.videos, one.kappa) for one in few] == [(4, None)]
    assert "not measured, 5 are needed" in review_words.agreement(few[0])
    same = agreements([*_read("a", "fffff"), *_read("b", "fffff")])
    assert "not measured, every answer is the same" in review_words.agreement(same[0])
    assert agreements(first) == []


def test_the_command_lists_shows_and_deletes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = History(tmp_path / "h.sqlite")
    monkeypatch.setenv(history.VARIABLE, str(store.path))
    report = REPORTS["two_faces"]()
    number = store.add(report)
    store.add(other(2))
    store.add_note(report.info.sha256, "see the\nmouth", 3.0)
    store.add_reading(report.info.sha256, "ab", Answer.FAKE, 4, blind=True)

    def run(*arguments: str, status: int = 0) -> str:
        assert cli.main(["history", *arguments]) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    newest, oldest = run("list").splitlines()
    assert "2.mp4: no sign found" in newest
    line = words.one_line(report).split(",", 1)[1].rsplit(", ", 1)[0]
    assert oldest.startswith(f"{number:>5}  ")
    assert words.number(report) in line
    assert words.number(report) in oldest
    shown = run("show", str(number))
    for part in (report.info.sha256, "at 0:03.0: see the mouth", "ab: fake, confidence 4 of 5",
                 words.explanation(report)):  # fmt: skip
        assert part in shown
    assert run("show", str(number), "--json") == document.to_json(report)
    assert "error[setting]: ID must be given" in run("show", status=2)
    assert "error[setting]: id must be" in run("delete", "99", status=2)
    assert run("delete", str(number)) == "deleted: 1\n"
    assert run("delete", "--all") == "deleted: 1\n"
    assert run("list") == ""
    store.path.write_text("broken")
    assert run("list", status=2).startswith("error[history]: history must be a file")
    monkeypatch.setenv(history.VARIABLE, "off")
    assert "error[setting]: history must be switched on" in run("list", status=2)
