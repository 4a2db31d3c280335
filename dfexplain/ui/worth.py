"""The tab that says what a score is worth: to a reader with a prior of their own, at an operating
point of their choice, and after compression."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from dfexplain import evaluation, plots, worth
from dfexplain.errors import DfExplainError
from dfexplain.hub import Weights
from dfexplain.recompress import Recompressed, Step
from dfexplain.report import recompressed
from dfexplain.report import worth as told
from dfexplain.structures import Calibration, Number, VideoReport
from dfexplain.ui import tables, words
from dfexplain.ui.desk import Desk
from dfexplain.ui.parts import button
from dfexplain.ui.services import Services, lively

__all__ = ["Worth", "answer", "slices", "tab", "this_video", "wire"]

Update = dict[gr.components.Component, object]
FIRST_STEP = worth.PRIORS.index(0.05)
# Tables of an evaluation that say how the threshold does on other videos and on parts of them.
SLICES = (
    evaluation.GENUINE,
    evaluation.FORGED,
    "made_face_px",
    "made_crf",
    "made_recipes",
    "made_kinds",
    "groups",
)
LATEST: dict[str, Any] = {
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "concurrency_limit": 4,
}


@dataclass(frozen=True)
class Worth:
    """The components of the tab; `step` says which of `worth.PRIORS` is chosen."""

    prior: gr.HTML
    point: gr.Dropdown
    answer: gr.HTML
    video: gr.HTML
    figures: gr.HTML
    compress: gr.Button
    stop: gr.Button
    compressed: gr.HTML
    slices: gr.HTML
    step: gr.State


def tab(kept_s: float) -> Worth:
    """Lay the tab out; it is filled when weights are loaded."""
    targets = (None, *worth.TARGETS)
    with gr.Tab(words.TAB_WORTH, id="worth"):
        gr.HTML(words.note(words.WORTH_LEAD), apply_default_css=False)
        with gr.Row(equal_height=False, elem_classes="worth-asked"):
            prior = gr.HTML(
                _slider(),
                html_template="${value}",
                js_on_load=Path(__file__).with_name("prior.js").read_text(encoding="utf-8"),
                apply_default_css=False,
                elem_id="prior",
                label=words.PRIOR,
            )
            point = gr.Dropdown(
                [(told.point_name(target), k) for k, target in enumerate(targets)],
                value=0,
                label=words.POINT,
                filterable=False,
                elem_id="point",
            )
        answered = gr.HTML(apply_default_css=False, elem_id="worth-answer")
        video = gr.HTML(words.note(words.NO_VIDEO), apply_default_css=False, elem_id="worth-video")
        figures = gr.HTML(apply_default_css=False, elem_id="worth-figures")
        gr.HTML(_head(words.RECOMPRESS, words.RECOMPRESS_HELP), apply_default_css=False)
        with gr.Row(elem_classes="tools"):
            compress = button(words.COMPRESS, "compress")
            stop = button(words.CANCEL, "compress-stop")
        result = gr.HTML(apply_default_css=False, elem_id="compressed")
        parts = gr.HTML(apply_default_css=False, elem_id="worth-slices")
        step = gr.State(FIRST_STEP, time_to_live=kept_s)
    return Worth(prior, point, answered, video, figures, compress, stop, result, parts, step)


def _head(title: str, text: str) -> str:
    return f'<div class="measured"><h2>{title}</h2>{words.note(text)}</div>'


def _slider() -> str:
    names = [told.prior_name(prior) for prior in worth.PRIORS]
    said = html.escape(json.dumps(names))
    return (
        f'<div class="prior"><label for="prior-range">{words.PRIOR}</label>'
        f'<output for="prior-range">{names[FIRST_STEP]}</output>'
        f'<input id="prior-range" type="range" min="0" max="{len(names) - 1}" step="1" '
        f'value="{FIRST_STEP}" aria-valuetext="{names[FIRST_STEP]}" data-said="{said}">'
        f'<span class="prior-ends" aria-hidden="true"><i>{names[0]}</i><i>{names[-1]}</i></span>'
        "</div>"
    )


def answer(
    calibration: Calibration | None,
    prior: float,
    number: int,
    rates: tuple[Number | None, Number | None] = (None, None),
) -> tuple[str, str]:
    """What a flag means at a prior and the operating point of that `number`; the figures.

    `rates` are the shares of genuine recordings and of deepfakes of others that are flagged at the
    threshold of these weights, which is the first operating point.
    """
    if calibration is None:
        return f'<div class="lead"><p>{words.UNCALIBRATED_TEXT}</p></div>', ""
    point = worth.operating_points(calibration)[number]
    said = [told.of_hundred(point, prior), told.flagged(point, prior)]
    others = worth.on_others(calibration, *rates)
    if others is not None and number == 0:
        said.append(told.on_others(others, prior))
    text = "".join(f"<p>{html.escape(line)}</p>" for line in said if line)
    points = tables.drawn(told.points_table(calibration, prior))
    answered = f'<div class="lead worth" aria-live="polite">{text}</div>'
    curve = worth.risk_coverage(calibration, prior)
    figure = (
        f"<figure><figcaption>{words.RISK}</figcaption>"
        f"{plots.figure_svg(plots.risk_coverage(curve))}<p>{words.RISK_HELP}</p>"
        f"{tables.beside_figure(told.risk_table(curve))}</figure>"
    )
    drawn = f'<div class="measured">{points}</div><div class="figures">{figure}</div>'
    return answered, drawn


def this_video(report: VideoReport | None, prior: float) -> str:
    """What the p of the video on the desk becomes."""
    if report is None:
        return words.note(words.NO_VIDEO)
    return f'<div class="lead"><p>{html.escape(told.this_video(report, prior))}</p></div>'


def slices(weights: Weights) -> str:
    """How the shipped threshold does by size, compression and recipe, where that was recorded."""
    measured = weights.evaluation
    told = {} if measured is None else {table.key: table for table in measured.tables}
    found = [told[key] for key in SLICES if key in told]
    if not found:
        return _head(words.SLICES, words.NO_SLICES)
    return (
        f'<div class="measured"><h2>{words.SLICES}</h2>{words.note(words.SLICES_HELP)}'
        f"{''.join(tables.folded(table, opened=table is found[0]) for table in found)}</div>"
    )


def _ready(report: VideoReport | None, weights: Weights | None) -> bool:
    """Whether the video on the desk can be compressed and scored by the weights that scored it."""
    return (
        report is not None
        and weights is not None
        and report.verdict.score is not None
        and report.info.kind == "video"
        and report.weights.sha256 == weights.info.sha256
    )


def wire(
    at: Desk, to: Worth, loaded: gr.State, services: Services, runs: Sequence[Dependency]
) -> None:
    """Slider, operating point, the video on the desk, and its compression, which waits in the same
    line as the analyses."""

    def chosen(event: gr.EventData) -> int:
        step = (event._data or {}).get("step")
        if isinstance(step, int) and 0 <= step < len(worth.PRIORS):
            return step
        return FIRST_STEP

    def weighed(
        weights: Weights | None, report: VideoReport | None, step: int, number: int
    ) -> Update:
        if weights is None:
            return {to.answer: gr.skip()}
        prior = worth.PRIORS[step]
        answered, figures = answer(
            weights.calibration, prior, number, (weights.info.alarms, weights.info.found)
        )
        return {
            to.answer: answered,
            to.figures: figures,
            to.video: this_video(report, prior),
        }

    def opened(weights: Weights | None, report: VideoReport | None, step: int) -> Update:
        """A video was analysed, or taken off the desk."""
        return {
            to.video: this_video(report, worth.PRIORS[step]),
            to.compress: gr.Button(interactive=_ready(report, weights)),
            to.stop: gr.Button(interactive=False),
            to.compressed: "",
        }

    def compressed(
        source: Path | None, weights: Weights | None, report: VideoReport | None
    ) -> Iterator[Update]:
        if source is None or weights is None or report is None or not _ready(report, weights):
            yield {to.compressed: words.note(words.NOT_COMPRESSED)}
            return
        found: list[Recompressed] = []
        running = {to.compress: gr.Button(interactive=False), to.stop: gr.Button(interactive=True)}
        yield {**running, to.compressed: words.note(words.WAITING)}
        line = ""
        try:
            for item in lively(services.recompress(source, weights, report)):
                if isinstance(item, Recompressed):
                    found.append(item)
                elif isinstance(item, Step):
                    line = words.recompressing(item.variant.name, item.doing, item.progress)
                yield {to.compressed: words.note(line) + _table(report, found)}
            yield {to.compressed: _table(report, found)}
        except DfExplainError as error:
            yield {to.compressed: words.note(str(error)) + _table(report, found)}
        yield {to.compress: gr.Button(interactive=True), to.stop: gr.Button(interactive=False)}

    def stopped(weights: Weights | None, report: VideoReport | None) -> Update:
        return {
            to.compress: gr.Button(interactive=_ready(report, weights)),
            to.stop: gr.Button(interactive=False),
            to.compressed: words.note(words.CANCELLED),
        }

    asked = [loaded, at.report, to.step, to.point]
    shown = [to.answer, to.figures, to.video]
    about = [to.video, to.compress, to.stop, to.compressed]
    to.prior.select(chosen, None, to.step, queue=False, show_progress="hidden").then(
        weighed, asked, shown, **LATEST
    )
    to.point.input(weighed, asked, shown, **LATEST)
    # The line of the weights changes whenever others are loaded.
    at.weights_line.change(weighed, asked, shown, **LATEST).then(
        lambda weights: "" if weights is None else slices(weights), loaded, to.slices,
        show_progress="hidden",
    )  # fmt: skip
    at.weights_line.change(opened, asked[:3], about, **LATEST)
    for run in runs:
        run.success(opened, asked[:3], about, **LATEST)
    work = to.compress.click(
        compressed,
        [at.source, loaded, at.report],
        [to.compress, to.stop, to.compressed],
        show_progress="hidden",
        concurrency_id="analysis",
        concurrency_limit=1,
    )
    to.stop.click(
        stopped, [loaded, at.report], [to.compress, to.stop, to.compressed], cancels=[work],
        queue=False, show_progress="hidden",
    )  # fmt: skip
    cleared = [to.compressed, to.compress, to.stop, to.video]
    starts = [at.upload.upload, at.again.click, at.another.click]
    for start in (*starts, *(one.click for one in at.examples.values())):
        start(
            lambda: ("", *(gr.Button(interactive=False),) * 2, words.note(words.NO_VIDEO)),
            None, cleared, cancels=[work], queue=False, show_progress="hidden",
        )  # fmt: skip


def _table(report: VideoReport, found: Sequence[Recompressed]) -> str:
    said = recompressed.survival(report, found)
    lead = f'<div class="lead"><p>{html.escape(said)}</p></div>' if said else ""
    return f'{lead}<div class="measured">{tables.drawn(recompressed.table(report, found))}</div>'
