"""The words for a report: one wording for the page, the command line and whoever shows a verdict.

A probability never comes without its band and what it was measured on; where there is none, the
number is a "score, not calibrated"; where there is no evidence, there is no number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from dfexplain import aggregate
from dfexplain import calibration as calibrate
from dfexplain.report.outside import notes, strange
from dfexplain.structures import (
    Calibration,
    Coverage,
    Faithfulness,
    Outcome,
    Reason,
    RegionSpan,
    Sampling,
    Segment,
    Verdict,
    VideoReport,
)

__all__ = [
    "NO_BETTER",
    "NO_TEST",
    "again",
    "band",
    "beats_chance",
    "carried",
    "clock",
    "coverage",
    "covering",
    "decided",
    "explanation",
    "face_share",
    "faithfulness",
    "head",
    "headline",
    "notes",
    "number",
    "number_of",
    "one_line",
    "operating_point",
    "plain",
    "sampled",
    "share",
    "spans",
    "strange",
]

_HEADLINES = {
    Outcome.FAKE: "Likely manipulated",
    Outcome.REAL: "No sign found",
    Outcome.UNCERTAIN: "Cannot tell",
    Outcome.NOT_ANALYSABLE: "Not analysable",
}


def plain(text: str) -> str:
    """`text` on one line, without control characters and lone surrogates.

    File names may hold terminal commands, line breaks, marks that reverse the reading direction, or
    bytes that are no text; each such character becomes U+FFFD.
    """
    return "".join(
        "\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char
        for char in text
    )


def clock(time_s: float) -> str:
    """m:ss.s, rounded to the tenth: 83.96 is 1:24.0."""
    tenths = round(time_s * 10)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def share(value: float) -> str:
    """A rate in 0..1 as a percentage of two digits: 0.0525 is "5.2 %"."""
    return f"{100 * value:.2g} %" if value < 0.995 else "100 %"


def headline(verdict: Verdict) -> str:
    """The verdict in two or three words."""
    if verdict.reason is Reason.NO_FACE:
        return "No face found"
    return _HEADLINES[verdict.outcome]


def band(calibration: Calibration) -> tuple[float, float]:
    """The probabilities between which the answer is "cannot tell"."""
    edges = np.array([calibration.band_low, calibration.threshold])
    low, high = calibrate.p_fake(calibration, edges)
    return float(low), float(high)


def number(report: VideoReport) -> str:
    """The number of the verdict with what it needs beside it; empty where there is no evidence."""
    edges = None if report.calibration is None else band(report.calibration)
    return number_of(report.verdict, edges)


def number_of(verdict: Verdict, edges: tuple[float, float] | None) -> str:
    """The same of a verdict and the `band` that it was given with."""
    if verdict.score is None:
        return ""
    if verdict.p_fake is None or edges is None:
        withheld = verdict.reason is Reason.OUT_OF_DISTRIBUTION
        what = "no probability for such a video" if withheld else "not calibrated"
        return f"score {verdict.score:.2f}, {what}"
    low, high = edges
    return f"p {verdict.p_fake:.2f} (cannot tell between {low:.2f} and {high:.2f})"


def again(verdict: Verdict) -> str:
    """How far the number of a verdict moves when its frames are drawn again, and what that covers;
    empty where there is no evidence."""
    number, interval = verdict.p_fake, verdict.p_interval
    if number is None:
        number, interval = verdict.score, verdict.score_interval
    if number is None or interval is None:
        return ""
    low, high = interval
    return (
        f"{number:.2f} ({low:.2f} to {high:.2f} when frames are drawn again). The interval covers "
        "the choice of frames, not whether the weights are right about such a video."
    )


def decided(report: VideoReport) -> str:
    """Which face and which of its frames the video's score is made of, and the score without that
    face; empty where there is no score, or nothing to choose from."""
    found = aggregate.deciding(report.lanes, report.info.kind)
    if found is None or report.verdict.score is None or report.info.kind == "image":
        return ""
    frames, span = found.last - found.first + 1, f"{clock(found.start_s)}–{clock(found.end_s)}"
    other = "no other face could be judged"
    if found.without is not None:
        other = f"without this face it would be {found.without:.2f}"
    return (
        f"The score {report.verdict.score:.2f} is the mean of {frames} frames of face "
        f"{found.track_id}, {span}; {other}."
    )


def coverage(seen: Coverage, kind: str = "video") -> str:
    """How much was looked at: "31 of 32 frames had a face", and what could not be read."""
    if kind == "image":
        return f"{'a' if seen.with_face else 'no'} face was found in the picture"
    text = f"{seen.with_face} of {seen.decoded} frames had a face"
    if seen.decoded < seen.wanted:
        text += f"; {seen.decoded} of {seen.wanted} wanted frames could be read"
    return text


def sampled(sampling: Sampling) -> str:
    """Which frames were asked for."""
    if sampling.fps is not None:
        return f"{sampling.fps:g} frames a second"
    if sampling.every is not None:
        return f"every frame in {sampling.every}"
    return f"{sampling.frames} frames"


def spans(segments: Sequence[Segment]) -> str:
    """The flagged spans by face: "face B, 2 spans: 0:03.2–0:04.9, 0:07.0–0:07.6"."""
    faces: dict[str, list[Segment]] = {}
    for segment in segments:
        faces.setdefault(segment.track_id, []).append(segment)
    parts = []
    for name, found in faces.items():
        times = ", ".join(f"{clock(s.start_s)}–{clock(s.end_s)}" for s in found)
        parts.append(f"face {name}, {len(found)} span{'s' * (len(found) > 1)}: {times}")
    return "; ".join(parts)


def operating_point(calibration: Calibration) -> str:
    """What the threshold costs, with 95 % intervals and sample sizes."""
    real = int((calibration.labels == 0).sum())
    fake = int((calibration.labels == 1).sum())
    flagged, missed = calibration.false_positive_interval, calibration.miss_interval
    return (
        f"At this threshold {share(calibration.false_positive_rate)} of {real} real videos were "
        f"flagged (95 % interval {share(flagged[0])} to {share(flagged[1])}); below the band lay "
        f"{share(calibration.miss_rate)} of {fake} fakes "
        f"({share(missed[0])} to {share(missed[1])})."
    )


def explanation(report: VideoReport) -> str:
    """One or two sentences that say why the verdict is what it is."""
    verdict, seen, image = report.verdict, report.coverage, report.info.kind == "image"
    match verdict.reason:
        case Reason.NO_FACE:
            if image:
                return "No face was found in the picture, so there is no score."
            return f"None of the {seen.decoded} frames read shows a face, so there is no score."
        case Reason.TOO_FEW_FRAMES:
            return (
                f"No face is in {aggregate.MIN_FRAMES} or more of the frames read, as a score "
                "needs. More frames may help if a face is in view for a short while."
            )
        case Reason.LOW_COVERAGE:
            return (
                f"Only {seen.with_face} of {seen.wanted} wanted frames show a face; a score needs "
                f"{share(aggregate.MIN_COVERAGE)} of them."
            )
        case Reason.IN_BAND:
            return (
                "The score lies in the band where real and manipulated validation videos mix, "
                "so no side is taken."
            )
        case Reason.OUT_OF_DISTRIBUTION:
            why = strange(report)
            return (
                "The face is unlike those on which the score was measured, so it is not turned "
                f"into a probability{f': {why}' if why else ''}."
            )
        case Reason.UNCALIBRATED if image:
            return (
                "What a score is worth was not measured on pictures for these weights, so it is "
                "not turned into a probability, and no side is taken. Compare it only with scores "
                "of other pictures by the same weights."
            )
        case Reason.UNCALIBRATED:
            return (
                "These weights have no calibration, so it is not known which scores are high. "
                "Compare scores only with scores of the same weights."
            )
    if verdict.outcome is Outcome.FAKE:
        found = spans(report.segments)
        return f"Flagged: {found}." if found else "A face scores high over its whole length."
    return (
        "No face scores above the band. That is no statement about what was not checked, "
        "nor about kinds of manipulation that the weights have never met."
    )


def one_line(report: VideoReport) -> str:
    """The report as one line of text for a terminal."""
    parts = [head(report.verdict), number(report), strange(report), spans(report.segments)]
    if report.coverage.with_face < report.coverage.wanted:
        parts.append(coverage(report.coverage, report.info.kind))
    return f"{plain(report.info.file)}: " + ", ".join(part for part in parts if part)


def head(verdict: Verdict) -> str:
    """The verdict within a line: "cannot tell (in_band)"."""
    said = headline(verdict).lower()
    return said if verdict.reason is None else f"{said} ({verdict.reason})"


NO_BETTER = "no better than chance here"
NO_TEST = "not tested: with these weights even the places known to be forged fail this test"


def covering(region: str, before: float, after: float, calibration: Calibration | None) -> str:
    """What a frame's logit does when a region is covered, as probabilities where those are known:
    "the score drops from 0.91 to 0.34 when the mouth is covered"."""
    numbers = np.array([before, after])
    if calibration is not None:
        numbers = calibrate.p_fake(calibration, numbers)
    # What is said must be what the two digits show. Adding 0.0 takes the sign from a zero.
    first, last = (round(float(number), 2) + 0.0 for number in numbers)
    if first == last:
        change = f"stays at {first:.2f}"
    else:
        change = f"{'drops' if last < first else 'rises'} from {first:.2f} to {last:.2f}"
    return f"the score {change} when the {region} is covered"


def faithfulness(found: Faithfulness) -> str:
    """Whether the score hangs on where a map is hot, with the numbers that say so."""
    numbers = (
        f"({found.how}: map {found.of_map:+.2f}, random map {found.of_random:+.2f}, "
        f"centre {found.of_centre:+.2f} logits)"
    )
    if not found.tells:
        return f"{NO_TEST} {numbers}"
    if not found.beats_chance:
        return f"{NO_BETTER} {numbers}"
    return f"the score hangs on where the map is hot more than on places taken by chance {numbers}"


def beats_chance(found: Sequence[Faithfulness]) -> str:
    """On how many frames the map does better than chance; empty where none was tested."""
    if not found:
        return ""
    if not all(one.tells for one in found):
        return f"the maps of {len(found)} flagged frames are {NO_TEST}"
    won = sum(one.beats_chance for one in found)
    return (
        f"on {won} of {len(found)} flagged frames the map beats a random one and the centre; "
        "one that knows nothing would on about a seventh"
    )


def face_share(value: float | None) -> str:
    """How much of a map's heat lies on the face."""
    if value is None:
        return "the map has no heat"
    return f"{share(value)} of the heat lies on the face"


def carried(spans: Sequence[RegionSpan]) -> str:
    """Which region leads when: "mouth 0:03.2–0:04.1 (62 % of the heat), nose 0:04.1–0:04.9 (...)".

    The spans of one face.
    """
    return ", ".join(
        f"{span.name} {clock(span.start_s)}–{clock(span.end_s)} "
        f"({share(span.heat_share)} of the heat)"
        for span in spans
    )
