"""What happens on the page: each event's handler, and which component sets it off.

Handlers return a dictionary of the components that change; what is not in it stays.
"""

from __future__ import annotations

import html
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from dfexplain.errors import DfExplainError
from dfexplain.hub import Weights
from dfexplain.report import origin
from dfexplain.structures import Explanation, Progress, Sampling, VideoReport
from dfexplain.ui import calibration, desk, keeping, timeline, verdict, viewer, weights, words
from dfexplain.ui.calibration import CalibrationTab
from dfexplain.ui.desk import Desk, Update
from dfexplain.ui.reasons import Reasons
from dfexplain.ui.services import Services, lively
from dfexplain.ui.viewer import Pick, View
from dfexplain.ui.visitors import VISITORS, visitor_of
from dfexplain.ui.weights import WeightsTab

__all__ = ["analyse", "starts_of", "wire_analysis", "wire_origin", "wire_viewing", "wire_weights"]

# The browser shows the file that it has just sent, so the server opens it nowhere but in the cage.
# A picture is shown once it has been decoded there.
SHOW_UPLOAD = r"""(file) => {
    const still = /\.(jpe?g|png|webp)$/i.test(file.orig_name || file.path);
    return { __type__: 'update', value: still ? null : file, visible: !still };
}"""

# Quick answers do not wait behind an analysis, and fast key presses do not pile up.
QUICK = {"queue": False, "show_progress": "hidden"}
LATEST = {"show_progress": "hidden", "trigger_mode": "always_last", "concurrency_limit": 8}


def analyse(
    at: Desk,
    services: Services,
    source: Path | None,
    loaded: Weights | None,
    frames: int,
    signed: bool,
    show: str,
) -> Iterator[Update]:
    """Analyse `source` and show it grow; yields twice a second at least, so it can be cancelled."""
    if source is None:
        yield desk.nothing(at)
        return
    if loaded is None:
        text = words.NO_WEIGHTS_TEXT
        yield {**desk.idle(at), at.verdict: verdict.message(words.NO_WEIGHTS, text, "trouble")}
        return
    start = time.monotonic()
    growing, step = timeline.Growing(), Progress("open", 0, 1)
    yield {at.verdict: verdict.working(step, 0.0)}
    try:
        for item in lively(services.analyze(source, loaded, Sampling(frames=frames))):
            if isinstance(item, VideoReport):
                yield desk.showing(at, item, View(signed, show))
                continue
            update: Update = {}
            if item is not None:
                step = item
                update[at.timeline] = growing.html(step)
            update[at.verdict] = verdict.working(step, time.monotonic() - start)
            yield update
    except DfExplainError as error:
        yield {
            **desk.idle(at),
            at.verdict: verdict.refused(words.REFUSED, error),
            at.timeline: timeline.empty(),
        }


def _kept(at: Desk, folder: str, name: str) -> Path:
    """A place among the files that Gradio serves and, after `delete_cache`, deletes."""
    place = Path(at.player.GRADIO_CACHE) / folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def starts_of(at: Desk) -> list[Callable[..., Dependency]]:
    """The events that take one video off the desk, with or without another one."""
    examples = (button.click for button in at.examples.values())
    return [at.upload.upload, at.again.click, at.another.click, *examples]


def wire_origin(at: Desk, services: Services, runs: Sequence[Dependency]) -> None:
    """When a report has come onto the desk: what its file says of its own making."""

    def told(report: VideoReport | None, source: Path | None) -> Iterator[str]:
        if report is None or source is None:
            return
        try:
            for found in lively(services.provenance(path) for path in [source]):
                if found is not None:
                    yield f'<p class="weights-line">{html.escape(origin.sentence(found))}</p>'
        except DfExplainError as error:
            yield words.note(f"{error} [{error.code}]")

    reads = [run.success(told, [at.report, at.source], at.origin, **LATEST) for run in runs]
    for start in starts_of(at):
        start(None, None, None, cancels=reads, queue=False)


def wire_analysis(
    at: Desk, loaded: gr.State, services: Services, ready: dict[str, Any]
) -> list[Dependency]:
    """Upload, examples, again, cancel, another; `ready` sees to it that there are weights. Returns
    the runs of the analysis."""
    outputs = at.outputs()

    def take(path: str | None) -> Update:
        return desk.running(at, Path(path)) if path else desk.nothing(at)

    def take_example(path: Path) -> Update:
        copy = _kept(at, "examples", path.name)
        if not copy.exists():
            shutil.copyfile(path, copy)
        shown = gr.Video(value=copy, visible=True, playback_position=0)
        return {**desk.running(at, path), at.player: shown}

    def repeat(source: Path | None) -> Update:
        return desk.running(at, source) if source else desk.nothing(at)

    def stopped() -> Update:
        text = verdict.message(words.CANCELLED, words.CANCELLED_TEXT)
        return {**desk.idle(at), at.timeline: timeline.empty(), at.verdict: text}

    def forget(request: gr.Request) -> Update:
        files = VISITORS.forget(visitor_of(dict(request.cookies)))
        text = words.FORGOTTEN_TEXT.format(files=files)
        return {**desk.nothing(at), at.verdict: verdict.message(words.FORGOTTEN, text)}

    def failed(busy: bool) -> Update:
        # Gradio's page calls a cancelled run a failure, after the last of its news has come in.
        if not busy:
            return stopped()
        text = verdict.message(words.BUSY, words.BUSY_TEXT, "trouble")
        return {**desk.idle(at), at.timeline: timeline.empty(), at.verdict: text}

    at.upload.upload(None, at.upload, at.player, js=SHOW_UPLOAD)
    starts = [at.upload.upload(take, at.upload, outputs, **QUICK)]
    starts.append(at.again.click(repeat, at.source, outputs, **QUICK))
    for path, button in at.examples.items():
        starts.append(button.click(partial(take_example, path), None, outputs, **QUICK))
    analysed = keeping.ended(at, services, partial(analyse, at, services))

    def unless_stopped(busy: bool, *given: Any) -> Iterator[Update]:
        # Whoever cancels while the weights are loading cancels what has not begun yet.
        yield from analysed(*given) if busy else iter([{at.busy: gr.skip()}])

    runs = [
        start.success(**ready).success(
            unless_stopped,
            [at.busy, *keeping.inputs(at), at.source, loaded, at.frames, at.signed, at.show],
            outputs,
            show_progress="hidden",
            concurrency_id="analysis",
            concurrency_limit=1,
        )
        for start in starts
    ]
    for run in runs:
        run.failure(failed, at.busy, outputs, **QUICK)
    at.cancel.click(stopped, None, outputs, cancels=runs, **QUICK)
    at.another.click(partial(desk.nothing, at), None, outputs, **QUICK)
    at.forget.click(forget, None, outputs, **QUICK)
    return runs


def wire_viewing(at: Desk, why: Reasons, services: Services) -> None:
    """Timeline, flagged frames, the view, and a copy for a browser that cannot play the file."""
    same: Update = {at.player: gr.skip()}  # Gradio takes no empty dictionary
    faced = [at.pick, at.caption, at.crop, at.frame, at.bar, at.player, at.timeline]
    faced += [at.evidence, at.found]

    def select(
        report: VideoReport | None, pick: Pick | None, signed: bool, show: str, event: gr.EventData
    ) -> Update:
        asked = event._data or {}
        if "step" in asked:
            return flagged(report, pick, signed, show, forward=asked["step"] == 1)
        found = viewer.within(report, asked.get("lane"), asked.get("row"))
        if report is None or found is None:
            return same
        return desk.facing(at, report, found, View(signed, show))

    def flagged(
        report: VideoReport | None,
        pick: Pick | None,
        signed: bool,
        show: str,
        among: tuple[Pick, ...] | None = None,
        *,
        forward: bool,
    ) -> Update:
        if report is None or pick is None:
            return same
        found = viewer.step(report, pick, forward, among)
        moved = timeline.cursor(found.lane, found.row)
        return {**desk.facing(at, report, found, View(signed, show)), at.timeline: moved}

    def redraw(
        report: VideoReport | None,
        pick: Pick | None,
        signed: bool,
        show: str,
        found: Explanation | None,
    ) -> Update:
        if report is None or pick is None:
            return same
        update = desk.facing(at, report, pick, View(signed, show), found)
        del update[at.player]  # the video stays where it is
        return update

    def said(text: str) -> gr.HTML:
        return gr.HTML(words.note(text), visible=True)

    def copy(source: Path | None) -> Iterator[Update]:
        """A copy that every browser plays, of the file that this one cannot."""
        if source is None:
            return
        yield {at.note: said(words.COPYING)}
        out = _kept(at, "copies", f"{uuid.uuid4().hex}.mp4")
        try:
            for made in lively(services.playable_copy(s, out) for s in [source]):
                yield same if made is None else {at.player: made, at.note: said(words.COPIED)}
        except DfExplainError as error:
            yield {at.note: said(f"{words.NOT_PLAYABLE} {error}")}

    inputs = [at.report, at.pick, at.signed, at.show]
    at.timeline.unplayable(copy, at.source, [at.player, at.note], show_progress="hidden")
    at.timeline.select(select, inputs, faced, **LATEST)
    for before, after in ((at.previous, at.next), (why.previous, why.next)):
        before.click(partial(flagged, forward=False), inputs, faced, **LATEST)
        after.click(partial(flagged, forward=True), inputs, faced, **LATEST)
    at.holding.click(partial(flagged, forward=True), [*inputs, at.held], faced, **LATEST)
    for part in (at.signed, at.show):
        part.input(redraw, [*inputs, at.found], faced, **LATEST)


def wire_weights(
    page: gr.Blocks,
    at: Desk,
    figures: CalibrationTab,
    model: WeightsTab,
    loaded: gr.State,
    services: Services,
) -> dict[str, Any]:
    """Load weights when the page opens and when others are chosen. Returns the event that loads
    them for a visitor who was quicker than the page."""
    outputs = [loaded, at.weights_line, *model.outputs(), *figures.outputs()]

    def load(spec: str | None, before: Weights | None) -> list[object]:
        try:
            found = services.load((spec or "").strip() or None)
        except DfExplainError as error:
            kept = [before, weights.line(before), *weights.failed(error, before is not None)]
            return [*kept, *(gr.skip() for _ in figures.outputs())]
        told = [found, weights.line(found), *weights.shown(found)]
        return [*told, *calibration.shown(found)]

    arguments = {"inputs": [model.spec, loaded], "outputs": outputs, "show_progress": "hidden"}
    page.load(load, **arguments)
    model.load.click(load, **arguments)
    model.spec.submit(load, **arguments)

    def ready(spec: str | None, before: Weights | None) -> list[object]:
        return load(spec, None) if before is None else [gr.skip() for _ in outputs]

    return arguments | QUICK | {"fn": ready}
