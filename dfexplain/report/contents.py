"""What a report tells a reader, before it is laid out: `page` and `pdf` show this and nothing else.

Sentences and numbers are made here, so that the two cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

from dfexplain import __version__, explain, plots
from dfexplain.report import explained, pictures, words, worth
from dfexplain.report.chosen import Shown, shown_frames
from dfexplain.report.document import file_name, shows_probability
from dfexplain.structures import MASK, Outcome, Sampling, VideoReport

__all__ = [
    "CAPTIONS",
    "FIGURES",
    "TITLES",
    "Band",
    "Contents",
    "Evidence",
    "ShownFrame",
    "contents",
]

# The heads of the parts, and what stands below the pictures of a frame.
TITLES = {
    "not_checked": "What was not checked",
    "limits": "Limits",
    "timeline": "Over time",
    "worth": "What a score of these weights is worth",
    "notes": "Notes on this file",
    "facts": "Settings and files",
}
CAPTIONS = ("the crop the model saw", "where the model looked", "in the frame")
# The figures of a calibration, each with what it shows.
FIGURES = (
    (
        plots.reliability,
        "Does p hold? On the dashed line, of the videos with p 0.7 seven in ten are fakes. Bars "
        "are 95 % intervals; below, how many videos each rests on.",
    ),
    (
        plots.score_histogram,
        "How far the scores of real and manipulated validation videos part, and the band between, "
        "in which the answer is “cannot tell”.",
    ),
)
LIMITS = (
    "The score speaks of faces only, and of the frames that were looked at.",
    "New kinds of manipulation, strong compression and small faces lower what it can see.",
    "“No sign found” is not a statement that a video is untouched.",
    "Do not rest a decision about a person on this report alone.",
)
_COLOURS = {
    Outcome.FAKE: "fake",
    Outcome.REAL: "real",
    Outcome.UNCERTAIN: "uncertain",
    Outcome.NOT_ANALYSABLE: "uncertain",
}


@dataclass(frozen=True)
class ShownFrame:
    """A frame ready for reading. `clock` is empty for a picture, `said` where nobody asked why."""

    clock: str
    face: str
    value: str
    pictures: pictures.FramePictures
    said: tuple[str, ...]


@dataclass(frozen=True)
class Band:
    """p of the video between 0 and 1, the band around "cannot tell", and a key of each part."""

    low: float
    high: float
    p: float
    keys: tuple[str, str, str]


@dataclass(frozen=True)
class Evidence:
    """The frames that are shown, what their colours mean, and what stands at the colour bar's two
    ends."""

    title: str
    ends: tuple[str, str]
    says: tuple[str, ...]
    frames: tuple[ShownFrame, ...]


@dataclass(frozen=True)
class Contents:
    """A report in the order in which it is read.

    `colour` is a key of `plots.PALETTE`; `number` is empty without evidence, `band` None without a
    probability. `says` is the verdict in sentences, `basis` what it rests on, `seen` the share of
    the wanted frames that show a face. `timeline` is what is said of it: None for a picture.
    `evidence` is None where no frame is shown, `figures` empty without calibration.
    """

    name: str
    sha256: str
    headline: str
    colour: str
    number: str
    band: Band | None
    says: tuple[str, ...]
    seen: float
    basis: tuple[str, ...]
    timeline: str | None
    evidence: Evidence | None
    worth: str
    calibrated: bool
    not_checked: tuple[str, ...]
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def contents(report: VideoReport) -> Contents:
    """The whole of a report, ready to be laid out."""
    verdict, calibration = report.verdict, report.calibration
    return Contents(
        name=words.plain(file_name(report)),
        sha256=report.info.sha256,
        headline=words.headline(verdict),
        colour=_COLOURS[verdict.outcome],
        number=words.number(report),
        band=_band(report),
        says=_verdict(report),
        seen=report.coverage.with_face / max(1, report.coverage.wanted),
        basis=_basis(report),
        timeline=None if _is_picture(report) else _timeline(report),
        evidence=_evidence(report),
        worth=_worth(report),
        calibrated=calibration is not None,
        not_checked=report.not_checked,
        limits=LIMITS,
        notes=tuple(words.plain(note) for note in words.notes(report)),
        facts=_facts(report),
    )


def _is_picture(report: VideoReport) -> bool:
    return report.info.kind == "image"


def _band(report: VideoReport) -> Band | None:
    if report.verdict.p_fake is None or report.calibration is None:
        return None
    low, high = words.band(report.calibration)
    keys = (
        f"no sign found, up to {low:.2f}",
        "cannot tell",
        f"likely manipulated, from {high:.2f}",
    )
    return Band(low, high, report.verdict.p_fake, keys)


def _verdict(report: VideoReport) -> tuple[str, ...]:
    said = [words.explanation(report)]
    if report.segments and report.verdict.outcome is not Outcome.FAKE:
        said.append(f"Spans that stand out: {words.spans(report.segments)}.")
    return tuple(said)


def _basis(report: VideoReport) -> tuple[str, ...]:
    seen = report.coverage
    covered = words.coverage(seen, report.info.kind)
    covered = f"{covered[:1].upper()}{covered[1:]}."
    if seen.wanted != seen.decoded:
        covered += " The bar counts all that were wanted."
    said = [covered, words.again(report.verdict), words.decided(report)]
    if report.calibration is not None and shows_probability(report):
        said.append(
            f"{words.operating_point(report.calibration)} p holds where half of the videos are "
            "fakes, as in that measurement; where fakes are rarer, it is too high."
        )
        said.append(worth.alarms(report.weights.alarms, report.weights.found))
    return tuple(filter(None, said))


def _timeline(report: VideoReport) -> str:
    said = []
    if report.lanes:
        flagged = bool(report.segments)
        if shows_probability(report):
            said.append(
                "One lane a face: p of each frame on the scale of the video, where 1 is "
                "manipulated. The grey band is “cannot tell”"
                f"{', filled spans are flagged' if flagged else ''}."
            )
        else:
            said.append(
                "One lane a face: the raw score of each frame, which is no probability"
                f"{'; filled spans stand out' if flagged else ''}."
            )
        cuts = ", dotted lines are cuts" if report.cuts_s else ""
        said.append(f"A missing line is a missing face{cuts}.")
    said.append(
        "The marks at the bottom are the frames that were read, tall where a face was found."
    )
    return " ".join(said)


def _frame(report: VideoReport, shown: Shown) -> ShownFrame:
    lane, row = shown.lane, shown.row
    found = explained.explanation_of(report, lane.track_id, row)
    with_p = shows_probability(report)
    value = f"logit {lane.scores.logit[row]:.2f}"
    if with_p and lane.p_fake is not None:
        value = f"p {lane.p_fake[row]:.2f} on the scale of the video, {value}"
    scale = report.calibration if with_p else None
    return ShownFrame(
        clock="" if _is_picture(report) else words.clock(float(lane.track.time_s[row])),
        face=lane.track_id,
        value=value,
        pictures=pictures.of_frame(report, lane, row),
        said=() if found is None else tuple(explained.in_words(found, scale)),
    )


def _drawn(report: VideoReport) -> tuple[str, float]:
    """By which method all maps of the report are drawn, and what is full colour."""
    if report.explanations:
        heatmap = report.explanations[0].heatmap
        return heatmap.method, heatmap.scale
    if report.heat_method == MASK:
        return explain.MASK_HEAD, report.heat_scale
    return "Grad-CAM; for networks over time HiResCAM", report.heat_scale


def _evidence(report: VideoReport) -> Evidence | None:
    shown = shown_frames(report)
    if not shown:
        return None
    title = "Flagged frames" if shown[0].flagged else "The highest frame (not flagged)"
    method, scale = _drawn(report)
    mask = method == explain.MASK_HEAD
    tested = [found.faithfulness for found in report.explanations if found.faithfulness]
    says = [
        f"The colour shows where the model looked ({'by its mask head' if mask else method}), on "
        "one scale for every frame of every video of these weights. It does not show what was "
        f"changed.{' A grey map does no better than chance.' if tested else ''}"
    ]
    if tested:
        says.append(f"Tested against chance: {words.beats_chance(tested)}.")
    if report.region_spans:
        says.append(f"Where the heat lies: {words.carried(report.region_spans)}.")
    full = "taken to be forged" if mask else "logits or more toward manipulated"
    return Evidence(
        title="The faces of the picture" if _is_picture(report) else title,
        ends=("no evidence", f"{scale:.2g} {full}"),
        says=tuple(says),
        frames=tuple(_frame(report, one) for one in shown),
    )


def _worth(report: VideoReport) -> str:
    if report.calibration is not None:
        on = words.plain(report.calibration.measured_on).rstrip(".")
        return (
            f"Measured on {on}. It was done with these very weights and says nothing about other "
            "kinds of video."
        )
    return (
        f"These weights come without a calibration{' for pictures' if _is_picture(report) else ''},"
        " so their score is not turned into a probability, and no threshold is known."
    )


def _asked(sampling: Sampling) -> str:
    if sampling.fps is not None:
        return f"{sampling.fps:g} frames a second, at most {sampling.max_frames}"
    if sampling.every is not None:
        return f"every frame in {sampling.every}, at most {sampling.max_frames}"
    return f"{sampling.frames} frames spread over the file"


def _facts(report: VideoReport) -> tuple[tuple[str, str], ...]:
    """The settings and the files behind the report, as (name, value)."""
    info, weights = report.info, report.weights
    rate = "" if info.fps is None else f", {info.fps:.2f} frames a second"
    length = "unknown" if info.duration_s is None else words.clock(info.duration_s)
    turned = f", turned by {info.rotation_deg}°" if info.rotation_deg else ""
    over_time = [] if _is_picture(report) else [("Length", length)]
    asked = [] if _is_picture(report) else [("Frames wanted", _asked(report.sampling))]
    return (
        ("File", words.plain(file_name(report))),
        ("sha256 of the file", info.sha256),
        ("Size", f"{info.size_bytes:,} bytes"),
        ("Picture", f"{info.width_px} × {info.height_px} px{turned}{rate}"),
        *over_time,
        ("Coding", f"{info.codec}, {info.pixel_format}"),
        *asked,
        ("Weights", f"{weights.name}, revision {weights.revision}"),
        ("sha256 of the weights", weights.sha256),
        (
            "Model",
            f"{weights.architecture}, face crops of {weights.crop_px} px "
            f"with a margin of {words.share(weights.crop_margin)}",
        ),
        ("Program", f"dfexplain {__version__}"),
    )
