"""What happens when a download of the desk is asked for: the file is made, and then saved.

The files are those of the command line: `analyze` (JSON, CSV, markers), `explain` (HTML and PDF,
with why the frames that they show got their scores), `annotate` and `bundle`. They lie among the
files that Gradio serves and, after a while, deletes.
"""

from __future__ import annotations

import html
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from dfexplain import annotated
from dfexplain import report as reports
from dfexplain.errors import DfExplainError, SettingError
from dfexplain.hub import Weights
from dfexplain.report import bundle
from dfexplain.report.explained import explaining
from dfexplain.structures import Progress, VideoReport
from dfexplain.ui import downloads, keeping, words
from dfexplain.ui.desk import Desk, Update
from dfexplain.ui.services import Services, lively

__all__ = ["made", "wire"]

# What `report.write` makes for each, and which of the files it gives; the other two are made here.
WRITTEN = {
    "html": ("html", 0), "pdf": ("pdf", 0), "json": ("json", 0), "frames": ("csv", 0),
    "video": ("csv", 1), "vtt": ("vtt", 0), "srt": ("srt", 0), "edl": ("edl", 0),
}  # fmt: skip
EXPLAINED = ("html", "pdf")

# A file that has just been made is saved at once, as if its button had been pressed.
SAVE = """(file) => { if (file) setTimeout(() => {
    const at = document.querySelector('#download-save');
    (at.querySelector('a, button') || at).click();
}, 200); }"""


def made(
    kind: str,
    report: VideoReport,
    source: Path,
    weights: Weights | None,
    services: Services,
    folder: Path,
) -> Iterator[Progress | Path]:
    """Make a file in a folder that is empty; how far it is, and at the end its path.

    `weights` are those that are loaded. Raises SettingError for a bundle with other weights than
    those of the report, InputChanged where `source` is not the file that was analysed any more.
    """
    same = weights is not None and weights.info.sha256 == report.weights.sha256
    if kind in EXPLAINED and weights is not None and same and report.verdict.score is not None:
        explainer = services.explainer(weights)
        for step in explaining(explainer, explainer.default, report):
            if isinstance(step, VideoReport):
                report = step
            else:
                yield step
    yield Progress(words.DOWNLOADS[kind], 0, 1)
    if kind in WRITTEN:
        form, place = WRITTEN[kind]
        yield reports.write(report, folder, (form,))[place]
    elif kind == "annotated":
        yield annotated.make_annotated(report, source, folder)
    elif weights is None:
        raise SettingError("weights must be those of the report, but none are loaded. Load them.")
    else:
        attached = keeping.attached(services.history(), report.info.sha256)
        out = folder / f"{reports.safe_stem(report.info.file)}.evidence.zip"
        bundle.write_bundle(report, source, weights, out, attached)
        yield out


def _told(kind: str, path: Path) -> str:
    """What was made; of a bundle its digest, too, which is to be noted elsewhere."""
    name = f"<b>{html.escape(path.name)}</b> · {words.size(path.stat().st_size)}"
    line = f'<p class="hint" role="status">{name}</p>'
    if kind != "bundle":
        return line
    digest = bundle.digest_of(path)
    return f'{line}<p class="digest">{words.DIGEST} <code>{digest}</code>. {words.DIGEST_HELP}</p>'


def _making(kind: str, step: Progress | None, elapsed_s: float) -> str:
    name = words.DOWNLOADS[kind]
    said = html.escape(words.making(name, step, elapsed_s))
    known = f' value="{step.done}" max="{step.total}"' if step and step.done else ""
    return f'<p class="hint making"><progress aria-label="{said}"{known}></progress>{said}</p>'


def wire(at: Desk, loaded: gr.State, services: Services, starts: Sequence[Any]) -> None:
    """Each button makes its file and saves it. Whatever `starts` another video ends that."""
    to = at.downloads
    outputs = [to.status, to.save]

    def make(
        kind: str, found: VideoReport | None, path: Path | None, weights: Weights | None
    ) -> Iterator[Update]:
        if found is None or path is None:
            yield {to.status: downloads.empty()}
            return
        folder = Path(to.save.GRADIO_CACHE) / "downloads" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        start, step = time.monotonic(), None
        yield {to.status: _making(kind, None, 0.0), to.save: downloads.nothing_to_save()}
        try:
            for item in lively(made(kind, found, path, weights, services, folder)):
                if isinstance(item, Path):
                    _keep_only(folder, item)
                    # What is on this list Gradio deletes after a while.
                    to.save.temp_files.add(str(item))
                    save = gr.DownloadButton(value=item, interactive=True)
                    yield {to.status: _told(kind, item), to.save: save}
                    return
                step = item or step
                yield {to.status: _making(kind, step, time.monotonic() - start)}
        except DfExplainError as error:
            said = f"{html.escape(str(error))} <code>{error.code}</code>"
            yield {to.status: f'<p class="hint trouble" role="alert">{said}</p>'}

    def failed(found: VideoReport | None) -> Update:
        # Gradio's page calls it a failure, too, that another video ended the work.
        if found is None:
            return {to.status: downloads.empty()}
        return {to.status: f'<p class="hint trouble" role="alert">{words.BUSY_TEXT}</p>'}

    works = []
    for kind, button_of in to.buttons.items():
        work = button_of.click(
            partial(make, kind), [at.report, at.source, loaded], outputs,
            show_progress="hidden", concurrency_id="download", concurrency_limit=1,
        )  # fmt: skip
        work.success(None, to.save, None, js=SAVE)
        work.failure(failed, at.report, outputs, queue=False, show_progress="hidden")
        works.append(work)
    for begin in starts:
        begin(None, None, None, cancels=works, queue=False)


def _keep_only(folder: Path, file: Path) -> None:
    """Only what was asked for stays; `report.write` says when and where it was made, too."""
    for other in folder.iterdir():
        if other != file:
            other.unlink()
