"""What happens on the batch tab. Each file takes its own turn in the queue that the desk uses, so
that whoever waits there waits for one file at most."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from dfexplain.errors import DfExplainError
from dfexplain.hub import Weights
from dfexplain.structures import Sampling, VideoReport
from dfexplain.ui import batch, keeping, words
from dfexplain.ui.batch import BatchTab, Job, State
from dfexplain.ui.desk import Desk, Update
from dfexplain.ui.services import Services, lively

__all__ = ["one", "wire"]

QUICK = {"queue": False, "show_progress": "hidden"}
# Only of events that pass through the queue does the page hear that a state has changed: the turn.
TURNING = {"show_progress": "hidden", "concurrency_limit": 8}
Jobs = tuple[Job, ...]


def one(
    at: BatchTab,
    seen_at: gr.State,
    services: Services,
    jobs: Jobs,
    turn: int,
    loaded: Weights | None,
    frames: int,
    seen: frozenset[str],
) -> Iterator[Update]:
    """Analyse the first file that waits, and hand the turn on if another waits after it. `seen_at`
    holds the videos of which the session has seen a verdict."""
    place = _first(jobs, State.WAITING)
    if place is None or loaded is None:
        text = words.NO_WEIGHTS if loaded is None else ""
        yield {**_idle(at, jobs), at.status: words.note(text)}
        return
    jobs = _with(jobs, place, batch.running(jobs[place]))
    yield {**batch.drawn(at, jobs, None), at.status: batch.progress(jobs, jobs[place].name)}
    job, update = jobs[place], Update()
    try:
        for item in lively(services.analyze(job.path, loaded, Sampling(frames=frames))):
            if isinstance(item, VideoReport):
                trouble = keeping.keep(services.history(), item, job.path, loaded, bundled=False)
                if trouble:
                    gr.Warning(trouble)
                job = batch.done(job, item, _folder(at, job))
                # What is on this list Gradio deletes with the uploads, after a while.
                at.save.temp_files.add(str(job.page))
                update[seen_at] = seen | {item.info.sha256}
            elif item is not None:
                doing = f"{job.name}: {words.progress(item)}"
                yield {at.status: batch.progress(jobs, doing)}
            else:
                yield {at.status: gr.skip()}
    except DfExplainError as error:
        job = batch.failed(job, error)
    jobs = _with(jobs, place, job)
    yield {**update, **batch.drawn(at, jobs, _folder(at, job)), **_next(at, jobs, turn)}


def _next(at: BatchTab, jobs: Jobs, turn: int) -> Update:
    """The next file's turn, or the end."""
    if _first(jobs, State.WAITING) is None:
        return {**_idle(at, jobs), at.status: batch.progress(jobs, words.BATCH_OVER)}
    return {at.turn: turn + 1, at.status: batch.progress(jobs, "")}


def _first(jobs: Jobs, state: State) -> int | None:
    return next((place for place, job in enumerate(jobs) if job.state is state), None)


def _with(jobs: Jobs, place: int, job: Job) -> Jobs:
    return (*jobs[:place], job, *jobs[place + 1 :])


def _folder(at: BatchTab, job: Job) -> Path:
    """A folder of this batch among the files that Gradio serves and, later, deletes."""
    folder = Path(at.save.GRADIO_CACHE) / "batches" / job.batch
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _idle(at: BatchTab, jobs: Jobs) -> Update:
    return {**_switched(at, busy=False), at.go_on: gr.Button(interactive=_waits(jobs))}


def _waits(jobs: Jobs) -> bool:
    return _first(jobs, State.WAITING) is not None


def _switched(at: BatchTab, *, busy: bool) -> Update:
    return {
        at.busy: busy,
        at.upload: gr.File(interactive=not busy),
        at.frames: gr.Dropdown(interactive=not busy),
        at.cancel: gr.Button(interactive=busy),
        at.go_on: gr.Button(interactive=False),
    }


def wire(
    at: BatchTab, desk: Desk, loaded: gr.State, services: Services, ready: dict[str, Any]
) -> None:
    """All events of the tab; `ready` sees to it that there are weights."""
    outputs = [*at.outputs(), desk.reading.seen]

    def take(paths: list[str] | None, turn: int) -> Update:
        if not paths:
            return {at.status: gr.skip()}
        if len(paths) > batch.MOST:
            return {at.status: words.note(words.too_many(len(paths), batch.MOST))}
        jobs = batch.jobs_of(paths, uuid.uuid4().hex)
        return {
            **_switched(at, busy=True),
            **batch.drawn(at, jobs, None),
            at.save: gr.DownloadButton(value=None, interactive=False),
            at.report: "",
            at.turn: turn + 1,
            at.status: batch.progress(jobs, words.WAITING),
        }

    def go_on(jobs: Jobs, turn: int) -> Update:
        return {
            **_switched(at, busy=True),
            at.turn: turn + 1,
            at.status: batch.progress(jobs, words.WAITING),
        }

    def stopped(jobs: Jobs) -> Update:
        """What is done stays; what was being done waits again."""
        place = _first(jobs, State.RUNNING)
        if place is not None:
            jobs = _with(jobs, place, batch.waiting(jobs[place]))
        shown = batch.drawn(at, jobs, None)
        return {**_idle(at, jobs), **shown, at.status: batch.progress(jobs, words.BATCH_STOPPED)}

    def trouble(busy: bool, jobs: Jobs, turn: int) -> Update:
        """A cancelled run, one that never began, or one in which the program failed."""
        if not busy:
            return stopped(jobs)
        place = _first(jobs, State.RUNNING)
        if place is None:
            return {**_idle(at, jobs), at.status: words.note(words.BUSY_TEXT)}
        jobs = _with(jobs, place, batch.broken(jobs[place]))
        return {**batch.drawn(at, jobs, None), **_next(at, jobs, turn)}

    def show(number: int | None, jobs: Jobs) -> str:
        job = next((job for job in jobs if job.number == number), None)
        return "" if job is None else batch.page(job)

    def select(jobs: Jobs, event: gr.SelectData) -> str:
        # After sorting, the place of a row says nothing; its first cell is its number.
        row = event.row_value
        return show(int(row[0]) if isinstance(row, list) and row else None, jobs)

    def analyse(
        busy: bool,
        jobs: Jobs,
        turn: int,
        weights: Weights | None,
        frames: int,
        seen: frozenset[str],
    ) -> Iterator[Update]:
        if not busy:  # Cancelled while the weights were loading.
            yield {at.status: gr.skip()}
            return
        yield from one(at, desk.reading.seen, services, jobs, turn, weights, frames, seen)

    at.upload.upload(take, [at.upload, at.turn], outputs, **TURNING)
    at.go_on.click(go_on, [at.jobs, at.turn], outputs, **TURNING)
    run = at.turn.change(**ready).success(
        analyse,
        [at.busy, at.jobs, at.turn, loaded, at.frames, desk.reading.seen],
        outputs,
        show_progress="hidden",
        concurrency_id="analysis",
        concurrency_limit=1,
    )
    run.failure(trouble, [at.busy, at.jobs, at.turn], outputs, **TURNING)
    at.cancel.click(stopped, at.jobs, outputs, cancels=[run], **QUICK)
    at.table.select(select, at.jobs, at.report, **QUICK)
    at.choice.input(show, [at.choice, at.jobs], at.report, **QUICK)
