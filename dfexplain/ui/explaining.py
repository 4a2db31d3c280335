"""What happens on the Explain tab, and the line of evidence under the open frame of the desk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from dfexplain.explain.explainer import Covered, Explainer
from dfexplain.explain.methods import METHODS
from dfexplain.hub import Weights
from dfexplain.report import words as told
from dfexplain.structures import Explanation, Faithfulness, VideoReport
from dfexplain.ui import desk, evidence, reasons, timeline, viewer, words
from dfexplain.ui.desk import Desk, Update
from dfexplain.ui.reasons import Disc, Reasons
from dfexplain.ui.services import Services, lively
from dfexplain.ui.viewer import Pick, View

__all__ = ["strongest", "tested", "wire"]

LATEST: dict[str, Any] = {
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "concurrency_limit": 2,
}


def strongest(report: VideoReport) -> list[Pick]:
    """All flagged frames, to be tested in the background: the strongest first."""
    picks = viewer.flagged(report)
    return sorted(picks, key=lambda p: -float(report.lanes[p.lane].scores.logit[p.row]))


def tested(
    services: Services, report: VideoReport, weights: Weights
) -> Iterator[tuple[str, tuple[Pick, ...]]]:
    """Test the maps of the flagged frames against chance, one after another; each step in words,
    with the frames whose maps have beaten it so far."""
    picks, found, held = strongest(report), list[Faithfulness](), list[Pick]()
    explainer = services.explainer(weights)

    def each() -> Iterator[tuple[Pick, Faithfulness | None]]:
        for pick in picks:
            lane = report.lanes[pick.lane]
            yield pick, explainer.explain(report, lane, pick.row, regions=False).faithfulness

    for answer in lively(each()):
        pick, test = answer or (None, None)
        if pick is not None and test is not None:
            found.append(test)
            if test.tells and test.beats_chance:
                held.append(pick)
        yield words.note(words.TESTING.format(done=len(found), total=len(picks))), tuple(held)
    spans = [span for lane in report.lanes for span in explainer.spans(report, lane)]
    said = words.note(told.beats_chance(found)) + "".join(
        words.note(f"face {lane.track_id}: {told.carried(mine)}")
        for lane in report.lanes
        if (mine := [span for span in spans if span.track_id == lane.track_id])
    )
    yield said, tuple(held)


def wire(
    at: Desk, to: Reasons, loaded: gr.State, services: Services, runs: Sequence[Dependency]
) -> None:
    """The open frame, the method, the covers, and the test of the other flagged frames, which
    begins when one of the `runs` of an analysis is over."""
    same: Update = {to.panel: gr.skip()}  # Gradio takes no empty dictionary

    def ready(
        report: VideoReport | None, pick: Pick | None, weights: Weights | None
    ) -> tuple[VideoReport, Pick, Explainer] | None:
        """What it takes to explain a frame; None where something is missing, or where other weights
        have been loaded since the video was analysed."""
        if report is None or pick is None or weights is None:
            return None
        same_weights = weights.info.sha256 == report.weights.sha256
        return (report, pick, services.explainer(weights)) if same_weights else None

    def opened(
        report: VideoReport | None,
        pick: Pick | None,
        weights: Weights | None,
        signed: bool,
        show: str,
    ) -> Update:
        """Another frame is open: nothing is covered, and the default method speaks."""
        if (known := ready(report, pick, weights)) is None:
            return dict(reasons.nothing(to))
        report, pick, explainer = known
        found = explainer.explain(report, report.lanes[pick.lane], pick.row)
        choices = [(METHODS[name].label, name) for name in explainer.scales]
        update = {
            **reasons.shown(to, report, pick, found, signed),
            to.method: gr.Dropdown(choices, value=explainer.default),
            to.how: explainer.cover_by,
            to.exact: False,
            to.discs: (),
            to.regions: [],
            at.evidence: evidence.line(report, found),
            at.found: found,
        }
        if found.loses_to_chance:
            # The map on the desk was drawn before it was known to be worth nothing.
            drawn = desk.facing(at, report, pick, View(signed, show), found)
            update |= {part: drawn[part] for part in (at.crop, at.frame)}
        return update

    def redrawn(
        report: VideoReport | None,
        pick: Pick | None,
        weights: Weights | None,
        signed: bool,
        method: str | None,
        exact: bool,
        how: str,
        regions: list[str],
        discs: tuple[Disc, ...],
    ) -> Update:
        """Another method, another cover."""
        if (known := ready(report, pick, weights)) is None:
            return same
        report, pick, explainer = known
        lane = report.lanes[pick.lane]
        # A method of other weights may still stand in the field.
        name = method if method in explainer.scales else None
        mask = reasons.cover_mask(report, pick, regions, discs)
        found: Explanation | Covered
        if mask is None:
            found = explainer.explain(report, lane, pick.row, name, exact=exact)
        else:
            found = explainer.cover(report, lane, pick.row, mask, how, name)
        return dict(reasons.shown(to, report, pick, found, signed))

    def chosen(
        report: VideoReport | None, lane: int | None, row: int | None, signed: bool, show: str
    ) -> Update:
        """A face or a frame was chosen here: the desk opens it."""
        lanes = () if report is None else report.lanes
        if report is None or lane is None or not 0 <= lane < len(lanes):
            return {at.pick: gr.skip()}
        pick = Pick(lane, min(row or 0, len(lanes[lane]) - 1))
        moved = timeline.cursor(pick.lane, pick.row)
        return {**desk.facing(at, report, pick, View(signed, show)), at.timeline: moved}

    def clicked(
        report: VideoReport | None, discs: tuple[Disc, ...], size: str, event: gr.SelectData
    ) -> tuple[Disc, ...]:
        """A place of the crop is to be covered."""
        if report is None or not isinstance(event.index, list | tuple):
            return discs
        size_px = report.weights.crop_px
        x, y = (float(value) * size_px / reasons.SHOWN_PX for value in event.index[:2])
        return (*discs, Disc(x, y, float(size) * size_px))

    def dragged(
        report: VideoReport | None, discs: tuple[Disc, ...], size: str, event: gr.EventData
    ) -> tuple[Disc, ...]:
        """All places under a stroke are to be covered."""
        if report is None:
            return discs
        size_px = report.weights.crop_px
        points = reasons.stroke((event._data or {}).get("points"))
        return (*discs, *(Disc(x * size_px, y * size_px, float(size) * size_px) for x, y in points))

    def background(report: VideoReport | None, weights: Weights | None) -> Iterator[Update]:
        if report is None or weights is None or weights.info.sha256 != report.weights.sha256:
            return
        for line, held in tested(services, report, weights):
            yield {to.summary: line, **desk.holding(at, held)}

    outputs, faced = to.outputs(), [at.evidence, at.found, at.crop, at.frame]
    asked = [at.report, at.pick, loaded, at.signed]
    again = [*asked, to.method, to.exact, to.how, to.regions, to.discs]
    facing = [at.pick, at.caption, at.crop, at.frame, at.bar, at.player, at.evidence, at.found]
    for field in (to.face, to.frame):
        field.input(
            chosen,
            [at.report, to.face, to.frame, at.signed, at.show],
            [*facing, at.timeline],
            **LATEST,
        )
    at.pick.change(opened, [*asked, at.show], [*outputs, *faced], **LATEST)
    for part in (to.method, to.exact, to.how, to.regions):
        part.input(redrawn, again, outputs, **LATEST)
    at.signed.input(redrawn, again, outputs, **LATEST)
    for event, more in ((to.crop.select, clicked), (to.strokes.stroke, dragged)):
        event(
            more, [at.report, to.discs, to.size], to.discs, queue=False, show_progress="hidden"
        ).then(redrawn, again, outputs, **LATEST)
    to.uncover.click(lambda: ((), []), None, [to.discs, to.regions], queue=False).then(
        redrawn, again, outputs, **LATEST
    )
    tests = [
        run.success(
            background,
            [at.report, loaded],
            [to.summary, at.held, at.holding],
            show_progress="hidden",
            concurrency_id="test",
            concurrency_limit=1,
        )
        for run in runs
    ]
    starts = [at.upload.upload, at.again.click, at.another.click]
    for start in (*starts, *(button.click for button in at.examples.values())):
        start(None, None, None, cancels=tests, queue=False)
