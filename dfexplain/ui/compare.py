"""The compare tab: two sets of weights on one video, side by side."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from dfexplain import plots
from dfexplain.errors import DfExplainError
from dfexplain.plots.compared import MOST_LANES
from dfexplain.plots.compared import compared as figure
from dfexplain.report import compared
from dfexplain.structures import Progress, Sampling, VideoReport
from dfexplain.ui import hosting, tables, verdict, words
from dfexplain.ui.desk import FORMATS, Desk, Update
from dfexplain.ui.parts import button
from dfexplain.ui.services import Services, lively

__all__ = ["Compare", "comparison", "shown", "tab", "wire"]

# Of the box to drop a file into, in px.
SMALL = 132


@dataclass(frozen=True)
class Compare:
    """The components of the tab."""

    upload: gr.File
    first: gr.Textbox
    second: gr.Textbox
    run: gr.Button
    cancel: gr.Button
    result: gr.HTML

    def outputs(self) -> list[gr.components.Component]:
        """What a comparison changes."""
        return [self.run, self.cancel, self.result]


def tab() -> Compare:
    """Lay the tab out."""
    info = words.WEIGHTS_INFO_HOSTED if hosting.hosted() else words.WEIGHTS_INFO

    def field(label: str, name: str) -> gr.Textbox:
        return gr.Textbox(
            "default" if name == "first" else "",
            label=label, info=info, max_lines=1, max_length=300, elem_id=f"compare-{name}",
        )  # fmt: skip

    with gr.Tab(words.TAB_COMPARE, id="compare"):
        gr.HTML(words.note(words.COMPARE_LEAD), apply_default_css=False, elem_id="compare-lead")
        with gr.Row():
            with gr.Column(min_width=280):
                first = field(words.COMPARE_FIRST, "first")
                second = field(words.COMPARE_SECOND, "second")
            with gr.Column(min_width=280):
                upload = gr.File(
                    label=words.COMPARE_FILE,
                    file_types=FORMATS,
                    height=SMALL,
                    elem_id="compare-upload",
                )
        with gr.Row(elem_classes="tools"):
            run = gr.Button(
                words.COMPARE_RUN,
                variant="primary",
                size="sm",
                scale=0,
                min_width=60,
                elem_id="compare-run",
            )
            cancel = button(words.CANCEL, "compare-cancel")
        result = gr.HTML(apply_default_css=False, elem_id="compare-result")
    return Compare(upload, first, second, run, cancel, result)


def shown(first: VideoReport, second: VideoReport) -> str:
    """Two reports of one file beside each other, as HTML."""
    found = compared.compare(first, second)
    said = html.escape(found.sentence)
    cards = "".join(
        f"<div><p class='hint'>{name}: {html.escape(label)}</p>{verdict.card(report)}</div>"
        for name, label, report in zip(
            (words.COMPARE_FIRST, words.COMPARE_SECOND),
            found.labels,
            (first, second),
            strict=True,
        )
    )
    pairs = [(pair.first, pair.second) for pair in found.faces]
    drawing = words.note(words.COMPARE_NONE)
    if pairs:
        drawing = (
            f'<figure class="lanes-of-two"><figcaption>{words.COMPARE_LANES}</figcaption>'
            f"{plots.figure_svg(figure(first, second, pairs))}"
            f"{words.note(words.COMPARE_LANES_HELP)}</figure>"
        )
    if sum(name is not None for pair in pairs for name in pair) > MOST_LANES:
        drawing += words.note(words.COMPARE_CROWDED.format(most=MOST_LANES))
    parts = "".join(tables.drawn(table) for table in compared.tables(found))
    notes = "".join(words.note(note) for note in found.notes)
    return (
        f'<p class="agreement" role="status">{said}</p>{notes}<div class="side-by-side">{cards}'
        f'</div>{drawing}<div class="measured">{parts}</div>'
    )


def comparison(
    services: Services, source: Path, specs: tuple[str, str], sampling: Sampling
) -> Iterator[str]:
    """HTML that says what is being done, twice a second at least, and last the comparison.

    Raises what loading and analysing raise.
    """
    sets = (services.load(specs[0] or None), services.load(specs[1] or None))
    reports: list[VideoReport] = []
    step: Progress | None = None
    for item in lively(services.compare(source, sets, sampling)):
        if isinstance(item, VideoReport):
            reports.append(item)
            step = None
        elif item is not None:
            step = item
        if len(reports) < len(sets):
            yield words.note(words.comparing(len(reports), step))
    yield shown(reports[0], reports[1])


def wire(at: Desk, to: Compare, services: Services) -> None:
    """Run and cancel. A comparison waits in the same line as the analyses."""

    def idle(text: str) -> Update:
        return {
            to.run: gr.Button(interactive=True),
            to.cancel: gr.Button(interactive=False),
            to.result: text,
        }

    def begun() -> Update:
        return {
            to.run: gr.Button(interactive=False),
            to.cancel: gr.Button(interactive=True),
            to.result: words.note(words.WAITING),
        }

    def run(
        own: str | None,
        source: Path | None,
        report: VideoReport | None,
        first: str,
        second: str,
        frames: int,
    ) -> Iterator[Update]:
        # What lies on the desk unread by a blind reader has no report there yet.
        path = Path(own) if own else source if report is not None else None
        if path is None:
            yield idle(words.note(words.COMPARE_NOTHING))
            return
        specs = (first.strip(), second.strip())
        try:
            last = ""
            for last in comparison(services, path, specs, Sampling(frames=frames)):
                yield {to.result: last}
            yield idle(last)
        except DfExplainError as error:
            yield idle(verdict.refused(words.REFUSED, error))

    def stopped() -> Update:
        # Gradio's page calls a cancelled run a failure, too.
        return idle(words.note(words.COMPARE_STOPPED))

    quick = {"queue": False, "show_progress": "hidden"}
    asked = [to.upload, at.source, at.report, to.first, to.second, at.frames]
    work = to.run.click(begun, None, to.outputs(), **quick).success(
        run,
        asked,
        to.outputs(),
        show_progress="hidden",
        concurrency_id="analysis",
        concurrency_limit=1,
    )
    work.failure(stopped, None, to.outputs(), **quick)
    to.cancel.click(stopped, None, to.outputs(), cancels=[work], **quick)
