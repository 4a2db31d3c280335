"""`dfexplain explain`, on a report made by hand and weights that were drawn at random."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain import errors, hub, report
from dfexplain.commands import explain as explaining
from dfexplain.structures import Explanation
from tests.pages import drawn_weights
from tests.reports import REPORTS
from tests.test_cli import Made


def test_explain_asks_about_the_frames_that_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = explaining.explainer_of(drawn_weights(), None)
    both = (Made(), partial(explaining.explained, *explainer))
    monkeypatch.setattr(explaining, "tools", lambda arguments: both)
    asked = ["explain", "two_faces.mp4", "--out", str(tmp_path), "--format", "json"]
    assert cli.main(asked) == 0
    assert "likely manipulated" in capsys.readouterr().out
    (written,) = (p for p in tmp_path.glob("*.json") if not p.name.endswith(".run.json"))
    read = json.loads(written.read_text("utf-8"))
    shown = report.shown_frames(REPORTS["two_faces"]())
    assert [(e["track_id"], e["time_s"]) for e in read["explanations"]] == [
        (s.lane.track_id, round(float(s.lane.track.time_s[s.row]), 6)) for s in shown
    ]
    assert all(e["faithfulness"] and len(e["regions"]) > 5 for e in read["explanations"])
    assert {span["track_id"] for span in read["region_spans"]} == {"B"}
    with pytest.raises(errors.SettingError, match="method must be one of"):
        explaining.explainer_of(drawn_weights(), "magic")


def test_the_exact_test_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = REPORTS["two_faces"](), []
    explainer, method = explaining.explainer_of(drawn_weights(), None)
    found = explainer.explain(made, made.lanes[0], 0, faithfulness=False, regions=False)

    def explain(*_: object, exact: bool) -> Explanation:
        asked.append(exact)
        return found

    monkeypatch.setattr(explainer, "explain", explain)
    monkeypatch.setattr(hub, "load", lambda spec: drawn_weights())
    monkeypatch.setattr(explaining, "explainer_of", lambda *_: (explainer, method))
    for words, wanted in ((["x.mp4"], False), (["x.mp4", "--exact"], True)):
        given = cli.parser().parse_args(["explain", *words, "--out", "out"])
        _, asks = explaining.tools(given)
        asked.clear()
        asks(made)
        assert set(asked) == {wanted}
