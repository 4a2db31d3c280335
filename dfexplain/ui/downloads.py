"""The row of downloads on the desk: a button a file, and what has become of the last one."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from dfexplain.structures import VideoReport
from dfexplain.ui import words
from dfexplain.ui.parts import button

__all__ = ["Downloads", "downloads", "empty", "nothing", "nothing_to_save", "ready"]

Update = dict[gr.components.Component, object]


@dataclass(frozen=True)
class Downloads:
    """A button a file, a line that says what is being made, and the button that saves it again."""

    buttons: dict[str, gr.Button]
    status: gr.HTML
    save: gr.DownloadButton

    def outputs(self) -> list[gr.components.Component]:
        """Everything that an event may change."""
        return [*self.buttons.values(), self.status, self.save]


def downloads() -> Downloads:
    """Lay the row out; nothing can be downloaded yet."""
    with gr.Row(elem_classes="tools", elem_id="downloads"):
        gr.HTML(f'<p class="hint">{words.DOWNLOAD}</p>', apply_default_css=False)
        buttons = {
            kind: button(label, f"download-{kind}") for kind, label in words.DOWNLOADS.items()
        }
    with gr.Row(elem_classes="tools"):
        status = gr.HTML(empty(), apply_default_css=False, elem_id="download-status")
        save = gr.DownloadButton(
            words.SAVE_AGAIN, size="sm", scale=0, min_width=60, interactive=False,
            elem_id="download-save",
        )  # fmt: skip
    return Downloads(buttons, status, save)


def empty() -> str:
    """What stands there before the first file."""
    return words.note(words.DOWNLOAD_HELP)


def nothing(at: Downloads) -> Update:
    """No report is open."""
    return {
        **{one: gr.Button(interactive=False) for one in at.buttons.values()},
        at.status: empty(),
        at.save: nothing_to_save(),
    }


def ready(at: Downloads, report: VideoReport) -> Update:
    """What can be downloaded of a report: a picture has no times to mark and is no film."""
    timed = report.info.kind == "video"
    return {
        one: gr.Button(interactive=timed or kind not in ("vtt", "srt", "edl", "annotated"))
        for kind, one in at.buttons.items()
    }


def nothing_to_save() -> gr.DownloadButton:
    """The button that saves again, without a file."""
    return gr.DownloadButton(value=None, interactive=False)
