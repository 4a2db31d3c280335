"""The desk: where the components of the first tab stand, and what each state of it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from dfexplain.structures import Explanation, VideoReport
from dfexplain.structures.video import SUFFIXES
from dfexplain.ui import downloads, reading, timeline, verdict, viewer, words
from dfexplain.ui import evidence as found_of
from dfexplain.ui.parts import HEIGHT, button, slider
from dfexplain.ui.viewer import Pick, View

__all__ = ["Desk", "Update", "desk", "facing", "idle", "nothing", "running", "showing"]

Update = dict[gr.components.Component, object]

# What the browser offers to choose from; whether a file is a video is found out in the cage.
FORMATS = list(SUFFIXES)
FRAME_COUNTS = [16, 32, 64, 128, 256]


@dataclass(frozen=True)
class Desk:
    """The components of the desk. The states belong to one session."""

    upload: gr.File
    player: gr.Video
    picture: gr.Image
    note: gr.HTML
    weights_line: gr.HTML
    origin: gr.HTML
    another: gr.Button
    again: gr.Button
    cancel: gr.Button
    forget: gr.Button
    frames: gr.Dropdown
    examples: dict[Path, gr.Button]
    verdict: gr.HTML
    timeline: gr.HTML
    caption: gr.HTML
    crop: gr.ImageSlider
    frame: gr.ImageSlider
    previous: gr.Button
    next: gr.Button
    holding: gr.Button
    signed: gr.Checkbox
    show: gr.Radio
    bar: gr.HTML
    evidence: gr.HTML
    busy: gr.State
    source: gr.State
    report: gr.State
    pick: gr.State
    found: gr.State
    held: gr.State
    downloads: downloads.Downloads
    reading: reading.Waiting

    def outputs(self) -> list[gr.components.Component]:
        """Everything that an event may change."""
        parts = [part for part in vars(self).values() if isinstance(part, gr.components.Component)]
        return [*parts, *self.downloads.outputs(), *self.reading.outputs(), *self.examples.values()]


def desk(examples: list[Path], kept_s: float) -> Desk:
    """Lay the desk out. The session's report is forgotten after `kept_s` seconds."""
    with gr.Tab(words.TAB_DESK, id="desk"):
        with gr.Row(equal_height=False):
            with gr.Column(scale=11, min_width=320):
                upload = gr.File(
                    label=words.DROP, file_types=FORMATS, height=HEIGHT, elem_id="upload"
                )
                player = gr.Video(
                    label=words.PLAYER,
                    interactive=False,
                    visible=False,
                    height=HEIGHT,
                    buttons=[],
                    elem_id="player",
                )
                picture = gr.Image(
                    label=words.PICTURE,
                    interactive=False,
                    visible=False,
                    height=HEIGHT,
                    format="jpeg",
                    buttons=["fullscreen"],
                    elem_id="picture",
                )
                note = gr.HTML(visible=False, apply_default_css=False, elem_id="note")
                weights_line = gr.HTML(apply_default_css=False, elem_id="weights-line")
                origin = gr.HTML(apply_default_css=False, elem_id="origin")
            with gr.Column(scale=10, min_width=320):
                card = gr.HTML(
                    verdict.message(words.EMPTY_VERDICT, words.EMPTY_VERDICT_TEXT),
                    apply_default_css=False,
                    elem_id="verdict",
                )
                reader = reading.waiting(kept_s)
        with gr.Row(elem_classes="tools"):
            another = button(words.ANOTHER, "another")
            again = button(words.AGAIN, "again")
            cancel = button(words.CANCEL, "cancel")
            forget = gr.Button(words.FORGET, size="sm", scale=0, min_width=60, elem_id="forget")
            frames = gr.Dropdown(
                [(words.frames(number), number) for number in FRAME_COUNTS],
                value=32,
                label=words.FRAMES,
                container=False,
                filterable=False,
                scale=0,
                min_width=130,
                elem_id="frames",
            )
            said = words.EXAMPLES if examples else words.NO_EXAMPLES
            gr.HTML(f'<p class="hint">{said}</p>', apply_default_css=False, elem_id="examples-hint")
            buttons = {
                path: gr.Button(
                    path.stem.replace("_", " ").replace("-", " "),
                    size="sm",
                    scale=0,
                    min_width=60,
                    elem_classes="example",
                )
                for path in examples
            }
        line = timeline.timeline()
        with gr.Row(elem_classes="caption-row"):
            caption = gr.HTML(_no_frame(), apply_default_css=False, elem_id="caption")
            previous = button(words.PREVIOUS, "previous")
            following = button(words.NEXT, "next")
            holding = button(words.NEXT_HOLDING, "holding", visible=False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                crop = slider(words.CROP, "crop")
            with gr.Column(scale=7, min_width=280):
                frame = slider(words.FRAME, "frame")
        with gr.Row(elem_classes="bar-row"):
            bar = gr.HTML(apply_default_css=False, elem_id="bar")
            signed = gr.Checkbox(
                label=words.SIGNED, container=False, scale=0, min_width=60, elem_id="signed"
            )
            show = gr.Radio(
                list(words.SHOW),
                value=words.SHOW[0],
                label=words.SHOW_LABEL,
                container=False,
                scale=0,
                min_width=60,
                elem_id="show",
            )
        evidence = gr.HTML(apply_default_css=False, elem_id="evidence")
        files = downloads.downloads()
        busy = gr.State(False)
        source, report, pick, found = (gr.State(None, time_to_live=kept_s) for _ in range(4))
        held = gr.State((), time_to_live=kept_s)
    return Desk(
        upload, player, picture, note, weights_line, origin, another, again, cancel, forget, frames,
        buttons, card, line, caption, crop, frame, previous, following, holding, signed, show,
        bar, evidence, busy, source, report, pick, found, held, files, reader,
    )  # fmt: skip


def _no_frame() -> str:
    return f'<div class="caption"><span>{words.EMPTY_FRAME}</span></div>'


def nothing(at: Desk) -> Update:
    """Before the first video, and after "Another video"."""
    return {
        **idle(at, ready=False),
        **_cleared(at),
        at.upload: gr.File(value=None, visible=True),
        at.player: gr.Video(value=None, visible=False),
        at.verdict: verdict.message(words.EMPTY_VERDICT, words.EMPTY_VERDICT_TEXT),
        at.source: None,
    }


def _cleared(at: Desk) -> Update:
    """No result on the desk."""
    return {
        at.note: gr.HTML("", visible=False),
        at.origin: "",
        at.picture: gr.Image(None, visible=False),
        at.report: None,
        at.pick: None,
        at.timeline: timeline.empty(),
        at.caption: _no_frame(),
        at.crop: None,
        at.frame: None,
        at.bar: "",
        at.evidence: "",
        at.found: None,
        **downloads.nothing(at.downloads),
        **reading.nothing_hidden(at.reading),
        at.previous: gr.Button(interactive=False),
        at.next: gr.Button(interactive=False),
        **holding(at, ()),
    }


def running(at: Desk, source: Path) -> Update:
    """A video was handed in and waits for its turn."""
    return {
        **_cleared(at),
        **_switched(at, busy=True, ready=True),
        at.upload: gr.File(visible=False),
        at.verdict: verdict.message(words.WAITING, words.WAITING_TEXT),
        at.source: source,
    }


def idle(at: Desk, *, ready: bool = True) -> Update:
    """Nothing runs. `ready`: there is a video that can be analysed again."""
    return _switched(at, busy=False, ready=ready)


def _switched(at: Desk, *, busy: bool, ready: bool) -> Update:
    switches: Update = {
        at.busy: busy,
        at.another: gr.Button(interactive=ready and not busy),
        at.again: gr.Button(interactive=ready and not busy),
        at.cancel: gr.Button(interactive=busy),
        at.forget: gr.Button(interactive=not busy),
        at.frames: gr.Dropdown(interactive=not busy),
    }
    for example in at.examples.values():
        switches[example] = gr.Button(interactive=not busy)
    return switches


def showing(at: Desk, report: VideoReport, view: View) -> Update:
    """A finished report, opened at its strongest frame."""
    pick = viewer.first(report)
    more = bool(viewer.flagged(report))
    shown: Update = {
        **idle(at),
        **downloads.ready(at.downloads, report),
        at.report: report,
        at.verdict: verdict.card(report),
        at.timeline: timeline.draw(report),
        at.previous: gr.Button(interactive=more),
        at.next: gr.Button(interactive=more),
    }
    if pick is not None:
        shown |= facing(at, report, pick, view)
        shown[at.timeline] = timeline.drawn(report, pick.lane, pick.row)
    if report.info.kind == "image":
        # Drawn from our own pixels: neither the browser nor Pillow opens the file itself.
        seen = [preview.picture.rgb for preview in report.previews]
        shown[at.picture] = gr.Image(seen[0] if seen else None, visible=True)
        shown[at.player] = gr.Video(None, visible=False)
    return shown


def holding(at: Desk, held: tuple[Pick, ...]) -> Update:
    """Which flagged frames have a map that beats chance: a button leads from one to the next."""
    return {at.held: held, at.holding: gr.Button(visible=bool(held), interactive=bool(held))}


def facing(
    at: Desk, report: VideoReport, pick: Pick, view: View, found: Explanation | None = None
) -> Update:
    """One frame of one face: crop, full frame, caption, and the video at its time. What is `found`
    about it stands below, and a map that does no better than chance is grey."""
    grey = found is not None and found.loses_to_chance
    picture = viewer.picture(report, pick, view.signed, grey)
    crop_at, frame_at = view.divided(50.0, picture.beside)
    return {
        at.pick: pick,
        at.caption: picture.text,
        at.crop: gr.ImageSlider(picture.crop, slider_position=crop_at),
        at.frame: gr.ImageSlider(picture.frame, slider_position=frame_at),
        at.bar: viewer.colour_bar(picture.heatmap, view.signed),
        at.player: gr.Video(playback_position=picture.time_s),
        at.evidence: words.note(words.LOOKING) if found is None else found_of.line(report, found),
        at.found: found,
    }
