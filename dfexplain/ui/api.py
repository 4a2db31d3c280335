"""What programs ask of the app: endpoints with names and types, described in docs/api.md.

They share the page's limits and its queue: one analysis at a time, whoever wants it.
"""

# No `from __future__ import annotations`: Gradio reads the types of an endpoint from its signature.
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypedDict

import gradio as gr
from gradio import utils

from dfexplain import calibration as calibrations
from dfexplain import report as reports
from dfexplain.errors import DfExplainError, FileRefused, SettingError
from dfexplain.hub import Weights
from dfexplain.structures import Explanation, Progress, Sampling, VideoReport
from dfexplain.ui import desk, viewer
from dfexplain.ui.services import Services, lively
from dfexplain.ui.viewer import Pick

__all__ = ["NAMES", "Upload", "wire"]

NAMES = ("analyze", "explain", "calibration")
MOST_FRAMES = max(desk.FRAME_COUNTS)

Document = dict[str, Any]


class Kind(TypedDict):
    """How Gradio tells a file from other objects."""

    _type: Literal["gradio.FileData"]


class Upload(TypedDict):
    """A file that the client has uploaded, as `gradio_client.handle_file` hands it over."""

    path: str
    meta: Kind


def wire(page: gr.Blocks, services: Services) -> None:
    """Add the endpoints to the page that is being built, after everything else on it: its own
    events are for its own components, and no program is offered them."""
    for event in page.fns.values():
        event.api_visibility = "private"

    def analyze(video: Upload, frames: int = 32) -> Iterator[Document]:
        """Score a video. `frames` (1 to 256) are looked at, spread over the file. Answers with its
        progress, and at the end with the report that `dfexplain analyze` writes as JSON."""
        with _told():
            asked = _uploaded(video), _sampling(frames)
            for item in _analysed(services, services.load(None), *asked):
                yield _document(item) if isinstance(item, VideoReport) else item

    def explain(
        video: Upload,
        frames: int = 32,
        track_id: str | None = None,
        time_s: float | None = None,
        method: str | None = None,
    ) -> Iterator[Document]:
        """Score a video and say why one frame of a face got its score. Without `track_id` and
        `time_s` it is the strongest frame; `method` draws the map. Answers with its progress, and
        at the end with the report, whose `explanations` hold that frame, or none without a face."""
        with _told():
            asked = _uploaded(video), _sampling(frames)
            weights = services.load(None)
            explainer = services.explainer(weights)
            name = explainer.checked(method)
            for item in _analysed(services, weights, *asked):
                if not isinstance(item, VideoReport):
                    yield item
                    continue
                last = _progress("explain", 0, 1)
                found: tuple[Explanation, ...] = ()
                picks = [pick] if (pick := _pick(item, track_id, time_s)) else []
                for answer in lively(
                    explainer.explain(item, item.lanes[p.lane], p.row, name) for p in picks
                ):
                    found = () if answer is None else (answer,)
                    yield last
                yield _document(replace(item, explanations=found))

    def calibration() -> Document:
        """What the scores of the app's weights are worth: calibration.json, null where there is
        none, with the name, revision and sha256 of the weights."""
        with _told():
            weights = services.load(None)
            known, info = weights.calibration, weights.info
            return {
                "weights": {"name": info.name, "revision": info.revision, "sha256": info.sha256},
                "calibration": known and calibrations.to_dict(known),
            }

    for endpoint in (analyze, explain):
        # Gradio documents the hint of a generator as the answer; the answer is what comes last.
        endpoint.__annotations__["return"] = Document
        gr.api(endpoint, concurrency_id="analysis", concurrency_limit=1)
    gr.api(calibration)


@contextmanager
def _told() -> Iterator[None]:
    """An error of ours becomes the client's, in one line with its code."""
    try:
        yield
    except DfExplainError as error:
        raise gr.Error(f"error[{error.code}]: {error}", print_exception=False) from error


def _analysed(
    services: Services, weights: Weights, path: Path, sampling: Sampling
) -> Iterator[Document | VideoReport]:
    """How far the analysis is, twice a second at least, so that it ends when its client leaves; in
    the end the report."""
    last = _progress("open", 0, 1)
    yield last
    for item in lively(services.analyze(path, weights, sampling)):
        if isinstance(item, VideoReport):
            yield item
            continue
        if isinstance(item, Progress):
            last = _progress(item.stage, item.done, item.total)
        yield last


def _progress(stage: str, done: int, total: int) -> Document:
    return {"progress": {"stage": stage, "done": done, "total": total}}


def _document(report: VideoReport) -> Document:
    document: Document = json.loads(reports.to_json(report))
    return document


def _uploaded(video: object) -> Path:
    """The file of an upload: nothing else on this machine, and no address. FileRefused for any."""
    path = video.get("path") if isinstance(video, dict) else None
    inside = isinstance(path, str) and "\0" not in path
    if not inside or not utils.is_in_or_equal(path, utils.get_upload_folder()):
        raise FileRefused(
            f"video must be a file that was uploaded before, but got {video!r:.120}. Hand it over "
            "with gradio_client.handle_file."
        )
    return Path(str(path))


def _sampling(frames: object) -> Sampling:
    if type(frames) is not int or not 1 <= frames <= MOST_FRAMES:
        raise SettingError(
            f"frames must be a whole number from 1 to {MOST_FRAMES}, but got {frames!r:.40}. "
            "Ask for another number."
        )
    return Sampling(frames=frames)


def _pick(report: VideoReport, track_id: object, time_s: object) -> Pick | None:
    """The frame that is meant: the one nearest to `time_s`, else the strongest; None without a
    face."""
    if time_s is not None and not (isinstance(time_s, int | float) and math.isfinite(time_s)):
        raise SettingError(
            f"time_s must be a number of seconds, but got {time_s!r:.40}. Correct it."
        )
    names = [lane.track_id for lane in report.lanes]
    if not (track_id is None or track_id in names):
        raise SettingError(
            f"track_id must be a face of this video ({', '.join(names) or 'it has none'}), but got "
            f"{track_id!r:.40}. Look at its report."
        )
    if track_id is None and time_s is None:
        return viewer.first(report)
    picks = [
        Pick(number, row)
        for number, lane in enumerate(report.lanes)
        if track_id in (None, lane.track_id)
        for row in range(len(lane))
    ]

    def order(pick: Pick) -> tuple[float, float]:
        lane = report.lanes[pick.lane]
        away = 0.0 if time_s is None else abs(float(lane.track.time_s[pick.row]) - time_s)
        return away, -float(lane.scores.logit[pick.row])

    return min(picks, key=order, default=None)
