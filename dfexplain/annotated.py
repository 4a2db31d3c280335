"""The analysed video with what was found drawn on it: boxes, face letters and scores, as H.264.

Nothing is scored here. Each frame shows the values of the nearest analysed frame before it and says
so in words, and no box is drawn that the report does not hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import __version__, video
from dfexplain.errors import InputChanged
from dfexplain.plots import PALETTE
from dfexplain.report import words
from dfexplain.report.document import shows_probability
from dfexplain.report.files import make_folder, safe_stem
from dfexplain.structures import VideoReport
from dfexplain.video import Limits

__all__ = ["Box", "Moments", "Shown", "make_annotated", "write_annotated"]

LONGEST_S = 1800.0
"""An annotated copy holds at most so many seconds."""

Image = NDArray[np.uint8]

# Presentation times are multiples of the stream's own tick; two of one frame agree within this.
SAME_TIME_S = 1e-3
# A smaller picture has no room for words, so it is drawn larger.
LEAST_PX = 480
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER, _INK = (24, 24, 24), (240, 240, 240)


@dataclass(frozen=True)
class Box:
    """A face on a frame: its box in pixels of the report's video, its words, and which side it is
    on ("fake", "real" or "uncertain")."""

    xyxy: tuple[float, float, float, float]
    text: str
    side: str


@dataclass(frozen=True)
class Shown:
    """What is drawn at one moment: the boxes, and where their values come from."""

    boxes: tuple[Box, ...]
    source: str


def _side(report: VideoReport, logit: float) -> str:
    """On which side of the band a frame lies; without a probability there is no side."""
    calibration = report.calibration
    if calibration is None or not shows_probability(report):
        return "uncertain"
    if logit >= calibration.threshold:
        return "fake"
    return "real" if logit <= calibration.band_low else "uncertain"


def _scale(report: VideoReport) -> str:
    """What the numbers on the frames are."""
    if report.verdict.score is None:
        return f"{words.headline(report.verdict)}: nothing was scored"
    if report.calibration is None:
        return "score, not calibrated"
    if not shows_probability(report):
        return "score; no probability for such a video"
    low, high = words.band(report.calibration)
    return f"p of one frame; cannot tell between {low:.2f} and {high:.2f}"


class Moments:
    """What a report holds for each moment of its video."""

    def __init__(self, report: VideoReport) -> None:
        self._report = report
        self._times = [seen.time_s for seen in report.previews]

    def at(self, time_s: float) -> Shown:
        """The faces of the nearest analysed frame at or before a moment."""
        place = bisect_right(self._times, time_s + SAME_TIME_S) - 1
        if place < 0:
            first = f"; the first is at {words.clock(self._times[0])}" if self._times else ""
            return Shown((), f"before the first analysed frame{first}")
        analysed = self._times[place]
        source = f"analysed frame {words.clock(analysed)}"
        if time_s - analysed > SAME_TIME_S:
            source = f"between analysed frames: values of {words.clock(analysed)}"
            following = self._times[place + 1] if place + 1 < len(self._times) else analysed
            if any(analysed < cut <= following for cut in self._report.cuts_s):
                source += ", a cut follows"
        return Shown(tuple(self._boxes(analysed)), source)

    def _boxes(self, analysed_s: float) -> Iterator[Box]:
        report = self._report
        for lane in report.lanes:
            row = int(np.searchsorted(lane.track.time_s, analysed_s - SAME_TIME_S))
            if row == len(lane) or lane.track.time_s[row] > analysed_s + SAME_TIME_S:
                continue
            logit = float(lane.scores.logit[row])
            value = f"score {logit:.2f}"
            if shows_probability(report) and lane.p_fake is not None:
                value = f"p {lane.p_fake[row]:.2f}"
            x0, y0, x1, y1 = (float(edge) for edge in lane.track.box_xyxy[row])
            yield Box((x0, y0, x1, y1), f"{lane.track_id}  {value}", _side(report, logit))


def _watermark(report: VideoReport) -> str:
    label = f"{report.weights.name}@{report.weights.revision[:12]}"
    return f"scores by dfexplain {__version__}, weights {words.plain(label)}"


def _colour(side: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(PALETTE[side][1:])
    return red, green, blue


def _fitting(text: str, width_px: int, largest: float) -> tuple[str, float]:
    """The text as this font has it (ASCII), and the size at which it fits a width."""
    text = text.replace("\N{EN DASH}", "-").encode("ascii", "replace").decode("ascii")
    (wide, _), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    return text, min(largest, width_px / max(1, wide))


class _Painter:
    """Draws on frames of one size; `width_px` is that of the video the report is about."""

    def __init__(self, report: VideoReport, width_px: int) -> None:
        self._moments = Moments(report)
        self._width_px = width_px
        self._below = (_scale(report), _watermark(report))

    def frame(self, rgb: Image, time_s: float) -> Image:
        """The frame with its boxes, above three lines that say what they are."""
        shown = self._moments.at(time_s)
        grow = max(1, -(-LEAST_PX // rgb.shape[1]))
        if grow > 1:
            rgb = np.repeat(np.repeat(rgb, grow, axis=0), grow, axis=1)
        height, width = rgb.shape[:2]
        letters = max(0.5, max(height, width) / 1600)
        line_px = round(32 * letters)
        out = np.full((height + 3 * line_px + line_px // 2, width, 3), _PAPER, np.uint8)
        picture = out[:height]
        picture[:] = rgb
        scale = width / self._width_px
        for box in shown.boxes:
            self._box(picture, box, scale, letters)
        for number, line in enumerate((shown.source, *self._below), start=1):
            text, size = _fitting(line, width - 16, letters)
            at = (8, height + round((number + 0.1) * line_px) - line_px // 4)
            cv2.putText(out, text, at, _FONT, size, _INK, 1, cv2.LINE_AA)
        return out

    def _box(self, picture: Image, box: Box, scale: float, letters: float) -> None:
        x0, y0, x1, y1 = (round(edge * scale) for edge in box.xyxy)
        thick = max(2, round(max(picture.shape[:2]) / 320))
        colour = _colour(box.side)
        cv2.rectangle(picture, (x0, y0), (x1, y1), (255, 255, 255), thick + 2, cv2.LINE_AA)
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, thick, cv2.LINE_AA)
        text, size = _fitting(box.text, picture.shape[1], letters)
        (wide, high), below = cv2.getTextSize(text, _FONT, size, 1)
        high += 2 * below
        left = int(np.clip(x0, 0, max(0, picture.shape[1] - wide - 8)))
        top = int(np.clip(y0 - high, 0, max(0, picture.shape[0] - high)))
        cv2.rectangle(picture, (left, top), (left + wide + 8, top + high), colour, -1)
        at = (left + 4, top + high - below)
        cv2.putText(picture, text, at, _FONT, size, (255, 255, 255), 1, cv2.LINE_AA)


def write_annotated(
    report: VideoReport,
    source: str | Path,
    out: str | Path,
    max_px: int = 1280,
    limits: Limits | None = None,
) -> Path:
    """Write the analysed video with boxes and scores on it, as browsers play it, and return its
    absolute path.

    Frames are read, drawn and written one by one and keep their times; the longer side of the
    picture is at most `max_px`, three lines of text stand below it, there is no sound, and it ends
    after `LONGEST_S`. Raises InputChanged where `source` is not the file that was analysed, and as
    `video.sample`.
    """
    with video.playback_frames(source, max_px, LONGEST_S, limits) as stream:
        if stream.info.sha256 != report.info.sha256:
            raise InputChanged(
                f"{words.plain(Path(source).name)} must be the file that was analysed, but got the "
                f"sha256 {stream.info.sha256}, not {report.info.sha256}. Analyse it again."
            )
        painter = _Painter(report, report.info.width_px)

        def drawn() -> Iterator[tuple[float, Image]]:
            for frame in stream:
                yield frame.time_s, painter.frame(frame.rgb, frame.time_s)

        return video.write_for_playback(out, drawn(), stream.info.fps)


def make_annotated(report: VideoReport, source: str | Path, folder: str | Path) -> Path:
    """Write the annotated video into a folder, under the name of the video; see
    `write_annotated`."""
    make_folder(Path(folder))
    return write_annotated(
        report, source, Path(folder) / f"{safe_stem(report.info.file)}.annotated.mp4"
    )
