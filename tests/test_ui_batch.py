"""The batch tab, without a browser."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from dfexplain import ui
from dfexplain.errors import NotAVideo
from dfexplain.history import History
from dfexplain.report import words as told
from dfexplain.report.table import VIDEO_COLUMNS
from dfexplain.ui import batch, batching, words
from dfexplain.ui.batch import State
from tests.pages import Drawn, drawn_weights, in_loop
from tests.reports import REPORTS

FILES = ["two_faces.mp4", "broken.mp4", "no_face.mp4"]
SEEN: frozenset[str] = frozenset()


@pytest.fixture
def at(tmp_path: Path) -> batch.BatchTab:
    def make() -> batch.BatchTab:
        with gr.Blocks(analytics_enabled=False), gr.Tabs():
            made = batch.tab(60)
            made.save.GRADIO_CACHE = str(tmp_path / "cache")
            return made

    return in_loop(make)


@pytest.fixture
def seen() -> gr.State:
    return gr.State(SEEN)


def test_files_are_analysed_in_turn_and_a_bad_one_stops_none(
    at: batch.BatchTab, seen: gr.State, tmp_path: Path
) -> None:
    store = History(tmp_path / "h.sqlite")
    services = Drawn(pause_s=0.0, history=store).services()
    jobs, turn, known = batch.jobs_of(FILES, "name"), 0, SEEN
    turns: list[object] = []
    while any(job.state is State.WAITING for job in jobs):
        updates = list(batching.one(at, seen, services, jobs, turn, drawn_weights(), 32, known))
        assert [job.state for job in updates[0][at.jobs]].count(State.RUNNING) == 1
        last = updates[-1]
        jobs, known = last[at.jobs], last.get(seen, known)
        turns.append(last.get(at.turn))
    # Each file takes a turn; the last one hands it to nobody and lets the buttons go.
    assert turns == [1, 1, None]
    assert last[at.busy] is False
    assert [job.state for job in jobs] == [State.DONE, State.FAILED, State.DONE]
    first, broken, none = (job.row() for job in jobs)
    report = REPORTS["two_faces"]()
    assert first[1:4] == ["two_faces.mp4", "likely manipulated", told.number(report)]
    assert first[5] == told.spans(report.segments)
    assert str(broken[-1]).startswith("error[not-a-video]: broken.mp4 must hold")
    assert none[2:5] == ["no face found", "", None]
    assert none[-1] == "no_face"
    assert len(known) == len(store.list()) == 2
    # The table on disk is that of the command line; the page is the report.
    saved = Path(last[at.save].constructor_args["value"])
    with saved.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == VIDEO_COLUMNS
    assert [row[3] for row in rows] == ["fake", "not_analysable"]
    assert {str(job.page) for job in jobs if job.page} <= at.save.temp_files
    page = batch.page(jobs[0])
    assert 'sandbox=""' in page
    assert "Likely manipulated" in page
    assert "<script" not in page
    assert words.REPORT_GONE in batch.page(jobs[1])
    assert "3 of 3 files done" in last[at.status]


def test_without_weights_nothing_begins(at: batch.BatchTab, seen: gr.State) -> None:
    drawn = Drawn(pause_s=0.0)
    jobs = batch.jobs_of(FILES, "name")
    updates = list(batching.one(at, seen, drawn.services(), jobs, 0, None, 32, SEEN))
    assert len(updates) == 1
    assert words.NO_WEIGHTS in updates[0][at.status]
    assert updates[0][at.go_on].interactive is True
    assert drawn.started == 0


def test_cancelling_keeps_what_is_finished_and_goes_on() -> None:
    built = in_loop(lambda: ui.build(Drawn(pause_s=0.0).services(), Path("nowhere")))
    named: dict[str, Callable[..., Any]] = {
        fn.fn.__name__: fn.fn
        for fn in built.fns.values()
        if fn.fn is not None and fn.fn.__module__ == "dfexplain.ui.batching"
    }

    def at_jobs(update: dict[Any, Any]) -> tuple[batch.Job, ...]:
        return next(value for value in update.values() if isinstance(value, tuple))

    done, doing, waiting = batch.jobs_of(FILES, "name")
    done = batch.failed(done, NotAVideo("x must be a video, but got text."))
    mid = (done, batch.running(doing), waiting)
    kept = at_jobs(named["stopped"](mid))
    assert [job.state for job in kept] == [State.FAILED, State.WAITING, State.WAITING]
    assert kept[0] is done
    # A run in which the program failed is marked and handed on; a cancelled one is not.
    crashed = named["trouble"](True, mid, 4)
    assert [job.state for job in at_jobs(crashed)] == [State.FAILED, State.FAILED, State.WAITING]
    assert 5 in crashed.values()
    assert at_jobs(named["trouble"](False, mid, 4)) == kept
    # A run that never began leaves everything as it was.
    refused = named["trouble"](True, kept, 4)
    assert words.BUSY_TEXT in str(refused.values())
    assert 5 not in refused.values()
    assert words.too_many(201, batch.MOST) in str(named["take"](["x.mp4"] * 201, 0).values())
    assert [job.number for job in at_jobs(named["take"](FILES, 0))] == [1, 2, 3]
    assert 8 in named["go_on"](kept, 7).values()
