"""What the page draws and says of a report, without a browser."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from dfexplain import hub, plots
from dfexplain.errors import NotAVideo, WeightsNotFound
from dfexplain.structures import Evaluation, EvaluationTable, Progress
from dfexplain.ui import calibration, timeline, verdict, viewer, weights, words
from dfexplain.ui.viewer import View
from tests.pages import drawn_weights
from tests.reports import REPORTS

WITH_LANES = [name for name, make in REPORTS.items() if make().lanes]


def _rows(drawing: str) -> list[list[list[Any]]]:
    """What the script reads of each lane: time, height, text of every frame."""
    return [json.loads(html.unescape(text)) for text in re.findall('data-rows="([^"]*)"', drawing)]


@pytest.mark.parametrize("name", WITH_LANES)
def test_timeline_draws_every_frame_of_every_lane_once(name: str) -> None:
    report = REPORTS[name]()
    drawing = timeline.draw(report)
    rows = _rows(drawing)
    assert [len(lane) for lane in rows] == [len(lane) for lane in report.lanes]
    for mine, lane in zip(rows, report.lanes, strict=True):
        np.testing.assert_allclose([row[0] for row in mine], lane.track.time_s, atol=1e-6)
        assert all(f"face {lane.track_id}" in row[2] for row in mine)
    dots = sum(d.count("M") for d in re.findall(r'class="tl-dot \w+" d="([^"]*)"', drawing))
    assert dots == sum(len(lane) for lane in report.lanes)


@pytest.mark.parametrize("name", WITH_LANES)
def test_no_line_crosses_a_gap_or_a_cut(name: str) -> None:
    report = REPORTS[name]()
    table = plots.timeline_table(report)
    drawn = re.findall(r'class="tl-line" d="([^"]*)"', timeline.draw(report))
    runs = [(lane, run) for lane in table.lanes for run in lane.runs]
    runs = [(lane, run) for lane, run in runs if run.stop - run.start > 1]
    assert len(drawn) == len(runs)
    for path, (lane, run) in zip(drawn, runs, strict=True):
        along = [float(point.split()[0]) for point in path[1:].split("L")]
        expected = timeline.WIDE * lane.time_s[run] / table.end_s
        np.testing.assert_allclose(along, expected, atol=0.06)


def test_timeline_marks_spans_cuts_and_band() -> None:
    report = REPORTS["two_faces"]()
    drawing = timeline.draw(report)
    assert drawing.count('class="tl-flag"') == len(report.segments) > 0
    assert drawing.count('class="tl-cut"') == len(report.cuts_s) * len(report.lanes) > 0
    assert drawing.count('class="tl-band"') == len(report.lanes)
    assert drawing.count("<img") == len(report.lanes)
    assert drawing.count("class=face") == report.coverage.with_face


@pytest.mark.parametrize("name", ["uncalibrated", "out_of_distribution"])
def test_timeline_without_a_probability_has_no_band(name: str) -> None:
    drawing = timeline.draw(REPORTS[name]())
    assert 'class="tl-band"' not in drawing
    assert "p_fake" not in drawing
    assert words.SCORE in drawing


def test_timeline_grows_and_keeps_what_it_has_shown() -> None:
    report = REPORTS["two_faces"]()
    growing = timeline.Growing()
    assert "tl-empty" in growing.html(Progress("open", 0, 1))
    found = []
    for number, preview in enumerate(report.previews, 1):
        lanes = tuple(
            (lane.track_id, lane.track.time_s[seen], lane.scores.logit[seen])
            for lane in report.lanes
            if (seen := lane.track.time_s <= preview.time_s).any()
        )
        drawing = growing.html(Progress("read", number, len(report.previews), preview, lanes))
        end_s = float(re.search('data-end="([^"]*)"', drawing)[1])  # type: ignore[index]
        assert end_s == pytest.approx(report.info.duration_s, abs=0.6)
        found.append(sum(len(rows) for rows in _rows(drawing)))
    assert found == sorted(found)
    assert found[-1] == sum(len(lane) for lane in report.lanes)
    after = growing.html(Progress("score", 1, 1))
    assert sum(len(rows) for rows in _rows(after)) == found[-1]


def test_text_of_a_file_cannot_become_markup() -> None:
    error = NotAVideo(
        "<img src=x onerror=alert(1)>.mp4 must hold a readable video, but got: `${x}`."
    )
    card = verdict.refused("Refused", error)
    assert "<img" not in card
    assert error.code in card


@pytest.mark.parametrize("name", list(REPORTS))
def test_card_shows_a_number_only_where_there_is_evidence(name: str) -> None:
    report = REPORTS[name]()
    card = verdict.card(report)
    number = re.search('<div class="card-number">(.*?)</div>', card)
    assert number is not None
    if report.verdict.score is None:
        assert number[1] == ""
    elif report.verdict.p_fake is None:
        assert "score" in number[1]
        assert "p_fake" not in number[1]
    else:
        assert f"p_fake <b>{words.two_digits(report.verdict.p_fake)}" in number[1]
    assert ("gauge-bar" in card) == (report.verdict.p_fake is not None)
    assert words.NOT_CHECKED in card
    if report.verdict.p_fake is not None:
        assert report.calibration is not None
        assert html.escape(report.calibration.measured_on) in card
    for lie in ("proof", "authentic", "genuine"):
        assert lie not in card.lower()


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "< 0.01"), (0.004, "< 0.01"), (0.914, "0.91"), (0.9949, "0.99"), (1.0, "> 0.99")],
)
def test_a_probability_never_claims_certainty(p: float, text: str) -> None:
    assert words.two_digits(p) == text


def test_flagged_frames_are_walked_in_time_order_and_round() -> None:
    report = REPORTS["two_faces"]()
    picks = viewer.flagged(report)
    times = [float(report.lanes[p.lane].track.time_s[p.row]) for p in picks]
    assert times == sorted(times)
    for pick, time_s in zip(picks, times, strict=True):
        name = report.lanes[pick.lane].track_id
        assert any(s.start_s <= time_s <= s.end_s for s in report.segments if s.track_id == name)
    walked, at = [], picks[0]
    for _ in picks:
        at = viewer.step(report, at, forward=True)
        walked.append(at)
    assert walked == [*picks[1:], picks[0]]
    assert viewer.step(report, picks[0], forward=False) == picks[-1]
    among = picks[1::2]
    assert viewer.step(report, picks[0], True, among) == among[0]
    assert viewer.step(report, among[-1], True, among) == among[0]
    assert viewer.step(report, picks[0], True, ()) == picks[0]
    assert viewer.first(report) in picks


def test_without_flagged_frames_the_strongest_is_shown_and_steps_stay() -> None:
    report = REPORTS["untouched"]()
    assert viewer.flagged(report) == []
    pick = viewer.first(report)
    assert pick is not None
    assert report.lanes[0].scores.logit[pick.row] == report.lanes[0].scores.logit.max()
    assert viewer.step(report, pick, forward=True) == pick
    assert viewer.first(REPORTS["no_face"]()) is None


@pytest.mark.parametrize(("lane", "row"), [(-1, 0), (0, -1), (9, 0), (0, 999), ("0", 0), (None, 0)])
def test_a_pick_that_is_not_in_the_report_is_refused(lane: object, row: object) -> None:
    assert viewer.within(REPORTS["two_faces"](), lane, row) is None


def test_picture_puts_the_map_over_the_picked_face() -> None:
    report = REPORTS["two_faces"]()
    pick = viewer.first(report)
    assert pick is not None
    shown = viewer.picture(report, pick, signed=False)
    lane = report.lanes[pick.lane]
    plain, mapped = shown.crop
    assert plain.shape == mapped.shape
    assert (plain != mapped).any()
    changed = np.argwhere((shown.frame[0] != shown.frame[1]).any(axis=2))
    x0, y0, x1, y1 = lane.track.box_xyxy[pick.row] * report.previews[0].scale
    centre = changed.mean(axis=0)
    assert y0 < centre[0] < y1
    assert x0 < centre[1] < x1
    assert 0 <= shown.beside < 100 * x0 / plain.shape[1] * 10
    assert shown.time_s == lane.track.time_s[pick.row]
    assert f"face {lane.track_id}" in shown.text


def test_view_moves_the_dividers() -> None:
    assert View(show=words.SHOW[0]).divided(50, 20) == (50, 20)
    assert View(show=words.SHOW[1]).divided(50, 20) == (100, 100)
    assert View(show=words.SHOW[2]).divided(50, 20) == (0, 0)


def test_calibration_tab_holds_figures_table_and_samples() -> None:
    loaded = drawn_weights()
    found = loaded.calibration
    assert found is not None
    lead, figures, table, _ = calibration.shown(loaded)
    assert isinstance(lead, str)
    assert isinstance(figures, str)
    assert isinstance(table, gr.Dataframe)
    assert figures.count("<svg") == 3
    assert f"ECE {found.ece:.2f}" in lead
    assert f"{len(found.labels)} videos" in lead
    assert html.escape(found.measured_on) in lead
    rows = table.constructor_args["value"]
    assert [row[-1] for row in rows] == found.reliability.count.tolist()
    empty = [row for row in rows if row[-1] == 0]
    assert all(row[3] == "–" for row in empty)


def test_uncalibrated_weights_have_no_diagram() -> None:
    lead, figures, table, measured = calibration.shown(drawn_weights(calibrated=False))
    assert words.UNCALIBRATED_TITLE in str(lead)
    assert figures == ""
    assert isinstance(table, gr.Dataframe)
    assert table.visible is False
    because = "the weights came without evaluation.json"
    assert measured == f'<p class="hint">No evaluation is recorded: {because}.</p>'


def test_calibration_tab_shows_every_table_of_the_evaluation() -> None:
    loaded = drawn_weights()
    assert loaded.evaluation is not None
    shown = str(calibration.shown(loaded)[3])
    assert f'<p class="hint">{loaded.evaluation.measured_on}</p>' in shown
    assert words.EVALUATION_HELP in shown
    for table in loaded.evaluation.tables:
        head = f'<summary>{table.title}</summary><p class="hint">{table.note}</p>'
        assert head in shown
        for column in table.columns:
            assert f'<th scope="col">{column}</th>' in shown
    auc = "0.971 <small>0.960 to 0.980; n 400; chance 0.5</small>"
    assert f'<th scope="row">blend</th><td data-label="AUC"><div>{auc}</div></td>' in shown
    absent = '<span class="hint">not measured</span>'
    unmeasured = f"{absent} <small>n 3; chance 0.5</small>"
    assert f'a | b &lt;i&gt;</th><td data-label="AUC"><div>{unmeasured}</div></td>' in shown
    assert f'<td data-label="false positives"><div>{absent}</div></td>' in shown
    rows = sum(len(table.rows) for table in loaded.evaluation.tables)
    assert shown.count('<th scope="row">') == rows


def test_text_of_an_evaluation_cannot_become_markup() -> None:
    bad = '"><script>alert(1)</script>'
    table = EvaluationTable("k", bad, bad, (bad, bad), ((bad, bad),))
    measured = Evaluation("", bad, (table,))
    shown = str(calibration.shown(replace(drawn_weights(), evaluation=measured))[3])
    assert "<script" not in shown
    assert 'data-label="&quot;&gt;' in shown


def test_the_card_leaves_what_was_measured_to_the_calibration_tab() -> None:
    loaded = hub.load("default")
    assert loaded.evaluation is not None
    assert loaded.heatmaps is not None
    card = weights.shown(loaded)[2]
    assert isinstance(card, str)
    assert words.EVALUATION_ELSEWHERE in card
    assert "What it cannot see" in card
    shown = str(calibration.shown(loaded)[3])
    tables = [*loaded.evaluation.tables, *loaded.heatmaps.tables]
    for title in dict.fromkeys(table.title for table in tables):
        assert shown.count(f"<summary>{html.escape(title)}</summary>") == 1
        assert f"### {title}" in loaded.card
        assert f"### {title}" not in card
    # Weights without these tables keep their card whole.
    alone = replace(loaded, evaluation=None)
    assert "### Robustness" in str(weights.shown(alone)[2])


def test_weights_tab_names_the_weights_and_says_why_not() -> None:
    found = drawn_weights()
    status, facts, card = weights.shown(found)
    assert found.info.sha256 in str(facts)
    assert found.info.name in str(status)
    assert not str(card).startswith("---")
    error = WeightsNotFound("weights must be <here>, but got nothing. Look elsewhere.")
    line = str(weights.failed(error, kept=True)[0])
    assert "&lt;here&gt;" in line
    assert error.code in line
    assert words.KEPT in line
    assert words.KEPT not in str(weights.failed(error, kept=False)[0])
