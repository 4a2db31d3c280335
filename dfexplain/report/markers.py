"""The flagged spans as marker files: WebVTT, SRT and EDL, by presentation time.

Only `VideoReport.segments` are written. A video about which nobody can tell has no marker for that.
"""

from __future__ import annotations

import itertools

from dfexplain.report import words
from dfexplain.report.document import file_name, shows_probability
from dfexplain.structures import Outcome, Segment, VideoReport

__all__ = ["to_edl", "to_srt", "to_vtt"]

# Frame rates that a timecode can count (two digits a frame), and what counts where it cannot.
RATES = range(10, 61)
PLAIN_RATE = 25.0


def _label(report: VideoReport, span: Segment) -> str:
    """Which face, what it means for the verdict, and the number with what it needs beside it."""
    if report.verdict.outcome is Outcome.FAKE:
        what = "flagged"
    else:
        what = f"stands out, but the verdict is: {words.headline(report.verdict).lower()}"
    number = f"highest score {span.peak_logit:.2f}, no probability"
    if shows_probability(report) and report.calibration and span.peak_p_fake is not None:
        low, high = words.band(report.calibration)
        number = f"highest p {span.peak_p_fake:.2f} (cannot tell between {low:.2f} and {high:.2f})"
    return f"face {span.track_id}: {what}, {number}"


def _stamp(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"


def _cues(report: VideoReport, mark: str) -> list[tuple[str, str]]:
    """(from --> to, text) of each span; `mark` stands before the milliseconds."""
    cues = []
    for span in report.segments:
        start = round(1000 * span.start_s)
        end = max(start + 1, round(1000 * span.end_s))
        times = f"{_stamp(start, mark)} --> {_stamp(end, mark)}"
        cues.append((times, _label(report, span)))
    return cues


def to_vtt(report: VideoReport) -> str:
    """The flagged spans as WebVTT (W3C), a cue each, in order of their start; maybe none.

    A note at the top says which file they belong to, and what the verdict on it is.
    """
    name = words.plain(file_name(report)).replace("-->", "--\ufffd")
    verdict = ", ".join(filter(None, [words.headline(report.verdict), words.number(report)]))
    note = [
        f"Flagged spans of {name}, {len(report.segments)} in all. Verdict: {verdict}.",
        "Times are presentation times from the first frame.",
        f"sha256 of the file: {report.info.sha256}",
        f"sha256 of the weights: {report.weights.sha256}",
    ]
    blocks = ["WEBVTT", "NOTE\n" + "\n".join(note)]
    blocks += [
        f"{number}\n{times}\n{text}" for number, (times, text) in enumerate(_cues(report, "."), 1)
    ]
    return "\n\n".join(blocks) + "\n"


def to_srt(report: VideoReport) -> str:
    """The flagged spans as SubRip; without any an empty file, as the format has no head."""
    return "".join(
        f"{number}\r\n{times}\r\n{text}\r\n\r\n"
        for number, (times, text) in enumerate(_cues(report, ","), 1)
    )


def _timecode(frame: int, base: int) -> str:
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"


def _counting(fps: float | None, rate: float, base: int) -> str:
    """How the timecode counts, for a reader who sets up a timeline."""
    if rate != fps:
        own = "is not known" if fps is None else f"of {fps:.3f} has no timecode"
        return f"the frame rate of the file {own}: counted at {base} fps, non-drop"
    if abs(rate - base) < 0.0005:
        return f"{base} fps, non-drop"
    return (
        f"{rate:.3f} fps on average, which is no integer: frames are counted, {base} to a second "
        "of timecode, non-drop, so that timecode and clock drift apart"
    )


def to_edl(report: VideoReport) -> str:
    """The flagged spans as CMX3600 edit decision list, in non-drop timecode.

    00:00:00:00 is the file's first frame; source and record times are the same, so that the list
    lies over the video. The format has one picture track, on which no event may overlap another:
    where spans of several faces meet, the piece that they share is an event that names them all.
    Comments stand below the event that they belong to, as readers want them.
    """
    fps = report.info.fps
    rate = fps if fps is not None and round(fps) in RATES else PLAIN_RATE
    base = round(rate)
    found = []
    for span in report.segments:
        first, last = round(span.start_s * rate), round(span.end_s * rate)
        found.append((first, last + 1, span))
    edges = sorted({edge for first, end, _ in found for edge in (first, end)})
    pieces = [
        (start, stop, here)
        for start, stop in itertools.pairwise(edges)
        if (here := [span for first, end, span in found if first <= start and stop <= end])
    ]
    lines = [f"TITLE: FLAGGED SPANS, {rate:.6g} FPS, NON-DROP", "FCM: NON-DROP FRAME", ""]
    for number, (start, stop, here) in enumerate(pieces, 1):
        begin, end = _timecode(start, base), _timecode(stop, base)
        faces = " and ".join(f"face {span.track_id}" for span in here)
        lines += [
            f"{number:03d}  AX       V     C        {begin} {end} {begin} {end}",
            f"* FROM CLIP NAME: {words.plain(file_name(report))}",
            f"* LOC: {begin} YELLOW  {faces}",
            *(f"* COMMENT: {_label(report, span)}" for span in here),
        ]
        if number == 1:
            lines += [
                f"* COMMENT: timecode: {_counting(fps, rate, base)}",
                "* COMMENT: 00:00:00:00 is the first frame of the file",
                f"* COMMENT: sha256 of the file: {report.info.sha256}",
                f"* COMMENT: sha256 of the weights: {report.weights.sha256}",
            ]
        lines.append("")
    return "\r\n".join(lines)
