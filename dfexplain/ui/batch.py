"""The batch tab: many files, one after the other, in a table that can be sorted and saved."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import gradio as gr

from dfexplain import report as reports
from dfexplain.errors import DfExplainError
from dfexplain.report import rows
from dfexplain.report import table as tables
from dfexplain.report import words as told
from dfexplain.report.rows import FileRow
from dfexplain.structures import VideoReport
from dfexplain.ui import words
from dfexplain.ui.desk import FORMATS, FRAME_COUNTS, Update
from dfexplain.ui.parts import button

__all__ = [
    "MOST", "BatchTab", "Job", "State", "broken", "done", "drawn", "failed", "jobs_of", "page",
    "progress", "running", "tab", "waiting",
]  # fmt: skip

# Of files at once.
MOST = 200
HEIGHT_PX = 900


class State(StrEnum):
    """How far a file is."""

    WAITING = "waiting"
    RUNNING = "analysing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """One file of the batch of a name: its place from 1, and its row as far as it is known.

    `found` is its row once it is over, `said` the number in words, `page` its HTML report.
    """

    batch: str
    number: int
    path: Path
    state: State = State.WAITING
    found: FileRow | None = None
    said: str = ""
    broken: str = ""
    page: Path | None = None

    @property
    def name(self) -> str:
        """The file's name, in one line."""
        return told.plain(self.path.name)

    def row(self) -> list[str | float | None]:
        """The job in the columns of the table."""
        found = self.found
        if found is None:
            return [self.number, self.name, str(self.state), "", None, "", self.broken]
        score = found.found.get("score")
        shown = round(score, 2) if isinstance(score, float) else None
        return [self.number, self.name, found.verdict, self.said, shown, found.spans, found.why]


@dataclass(frozen=True)
class BatchTab:
    """The components of the tab. `turn` rises whenever the next file is to begin."""

    upload: gr.File
    frames: gr.Dropdown
    cancel: gr.Button
    go_on: gr.Button
    save: gr.DownloadButton
    status: gr.HTML
    table: gr.Dataframe
    choice: gr.Dropdown
    report: gr.HTML
    jobs: gr.State
    turn: gr.State
    busy: gr.State

    def outputs(self) -> list[gr.components.Component]:
        """Everything that an event may change."""
        return list(vars(self).values())


def tab(kept_s: float) -> BatchTab:
    """Lay the tab out; what was found is forgotten after `kept_s` seconds."""
    with gr.Tab(words.TAB_BATCH, id="batch"):
        gr.HTML(words.note(words.BATCH_LEAD), apply_default_css=False, elem_id="batch-lead")
        upload = gr.File(
            label=words.BATCH_DROP, file_types=FORMATS, file_count="multiple", height=160,
            elem_id="batch-upload",
        )  # fmt: skip
        with gr.Row(elem_classes="tools"):
            frames = gr.Dropdown(
                [(words.frames(number), number) for number in FRAME_COUNTS], value=32,
                label=words.FRAMES, container=False, filterable=False, scale=0, min_width=130,
                elem_classes="choice", elem_id="batch-frames",
            )  # fmt: skip
            cancel = button(words.CANCEL, "batch-cancel")
            go_on = button(words.GO_ON, "batch-go-on")
            save = gr.DownloadButton(
                words.SAVE_TABLE,
                size="sm",
                scale=0,
                min_width=60,
                interactive=False,
                elem_id="batch-save",
            )
        status = gr.HTML(apply_default_css=False, elem_id="batch-status")
        table = gr.Dataframe(
            headers=list(words.BATCH_COLUMNS),
            datatype=["number", "str", "str", "str", "number", "str", "str"],
            column_widths=["48px", "170px", "130px", "210px", "72px", "220px", "322px"],
            label=words.BATCH_TABLE,
            type="array",
            interactive=False,
            wrap=True,
            visible=False,
            elem_id="batch-table",
        )
        choice = gr.Dropdown([], label=words.OPEN_REPORT, visible=False, elem_id="batch-open")
        report = gr.HTML(apply_default_css=False, elem_id="batch-report")
        jobs = gr.State((), time_to_live=kept_s)
        turn, busy = gr.State(0), gr.State(False)
    return BatchTab(
        upload, frames, cancel, go_on, save, status, table, choice, report, jobs, turn, busy
    )


def jobs_of(paths: Sequence[str], name: str) -> tuple[Job, ...]:
    """The files of the batch `name`, in the order in which they were handed in."""
    return tuple(Job(name, number, Path(path)) for number, path in enumerate(paths, 1))


def done(job: Job, report: VideoReport, folder: Path) -> Job:
    """The job with what was found; its HTML report is written into `folder`."""
    name = f"{job.number:03d}-{reports.safe_stem(report.info.file)}"
    path = folder / f"{job.number:03d}.html"
    path.write_text(reports.to_html(report), "utf-8")
    found = rows.of_report(str(job.path), reports.content(report), name)
    return replace(job, state=State.DONE, found=found, said=told.number(report), page=path)


def running(job: Job) -> Job:
    """The job that is being done."""
    return replace(job, state=State.RUNNING)


def waiting(job: Job) -> Job:
    """The job that was not finished."""
    return replace(job, state=State.WAITING)


def failed(job: Job, error: DfExplainError) -> Job:
    """The job of a file that cannot be used, in the words of the command line."""
    found = rows.of_error(str(job.path), error.code, str(error))
    return replace(job, state=State.FAILED, found=found)


def broken(job: Job) -> Job:
    """The job during which the program failed."""
    return replace(job, state=State.FAILED, broken=words.BROKEN)


def drawn(at: BatchTab, jobs: Sequence[Job], folder: Path | None) -> Update:
    """The table, the files that can be opened, and in `folder` the table as CSV."""
    choices = [(f"{job.number}: {job.name}", job.number) for job in jobs if job.page]
    update: Update = {
        at.jobs: tuple(jobs),
        at.table: gr.Dataframe([job.row() for job in jobs], visible=bool(jobs)),
        at.choice: gr.Dropdown(choices, visible=bool(choices)),
    }
    over = [job.found for job in jobs if job.found is not None and job.state is State.DONE]
    if over and folder is not None:
        cells = [[tables.cell(v) for v in (row.report, *row.found.values())] for row in over]
        text = tables.written(tables.VIDEO_COLUMNS, cells)
        path = folder / "videos.csv"
        path.write_bytes(text.encode("utf-8"))
        update[at.save] = gr.DownloadButton(value=path, interactive=True)
    return update


def progress(jobs: Sequence[Job], doing: str) -> str:
    """How many files are over, and what is being done."""
    over = sum(job.state in (State.DONE, State.FAILED) for job in jobs)
    text = html.escape(words.batch_progress(over, len(jobs), doing))
    known = f'aria-valuenow="{over}" aria-valuemin="0" aria-valuemax="{len(jobs)}"'
    share = 100 * over / max(1, len(jobs))
    return (
        f'<div class="cover" role="progressbar" aria-label="{text}" {known}>'
        f'<b style="width:{share:.1f}%"></b></div><p class="hint" role="status">{text}</p>'
    )


def page(job: Job) -> str:
    """The job's HTML report in a frame of its own, in which no script runs."""
    if job.page is None or not job.page.exists():
        return words.note(words.REPORT_GONE)
    inside = html.escape(job.page.read_text("utf-8"), quote=True)
    title = html.escape(words.report_of(job.name))
    return (
        f'<iframe class="batch-report" sandbox="" title="{title}" srcdoc="{inside}" '
        f'style="width:100%;height:{HEIGHT_PX}px;border:0;background:white"></iframe>'
    )
