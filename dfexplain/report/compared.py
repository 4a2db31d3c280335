"""Two reports of one file by two sets of weights, side by side: where they agree and where not.

Faces are found without weights, so both reports hold the same boxes; only how tracks are joined
into lanes hangs on the weights. Lanes are therefore paired by their boxes at equal times, and
frames by boxes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dfexplain import evaluation
from dfexplain.errors import SettingError
from dfexplain.faces import iou
from dfexplain.report import words
from dfexplain.report.document import file_name, lane_score
from dfexplain.structures import EvaluationTable, Lane, Outcome, VideoReport

__all__ = ["Alone", "Compared", "FacePair", "Row", "compare", "label", "lines", "tables"]

# From this overlap of boxes at one time on, two faces are one.
SAME_FACE_IOU = 0.5
SAME_TIME_S = 1e-3
NONE = "–"


@dataclass(frozen=True)
class FacePair:
    """A face in both reports, or in one of them: names of its lanes, and the mean overlap of their
    boxes at the times that both have."""

    first: str | None
    second: str | None
    overlap: float | None


@dataclass(frozen=True)
class Row:
    """One line of the table: what is compared, what each says, and second minus first."""

    what: str
    first: str
    second: str
    difference: str


@dataclass(frozen=True)
class Alone:
    """A frame of a face that only one of the two flags, with the logit that each gives it (None
    where a report does not hold that face at that time). `face` is its name in the one that flags
    it; `first` says whether that is the first."""

    time_s: float
    face: str
    first: bool
    logits: tuple[float | None, float | None]


@dataclass(frozen=True)
class Compared:
    """What two sets of weights say of one file. `agree` is None where one takes no side."""

    labels: tuple[str, str]
    agree: bool | None
    sentence: str
    faces: tuple[FacePair, ...]
    rows: tuple[Row, ...]
    alone: tuple[Alone, ...]
    flagged_by_both: int
    notes: tuple[str, ...]


def label(report: VideoReport) -> str:
    """Which weights spoke, short and never ambiguous: "default@local, 9be1f02c"."""
    weights = report.weights
    return words.plain(f"{weights.name}@{weights.revision[:12]}, {weights.sha256[:8]}")


def compare(first: VideoReport, second: VideoReport) -> Compared:
    """Hold two reports of one file against each other. SettingError for two different files."""
    if first.info.sha256 != second.info.sha256:
        raise SettingError(
            "the two reports must be of one file, but got "
            f"{words.plain(file_name(first))} and {words.plain(file_name(second))} with different "
            "sha256. Analyse the same file twice."
        )
    flags = (_flagged(first), _flagged(second))
    frames = list(_frames(first, second))
    both = sum(flags[0][a] and flags[1][b] for a, b in frames if a and b)
    alone = sorted(_alone(first, second, flags, frames), key=lambda one: (one.time_s, one.face))
    faces = tuple(_pairs(first, second))
    agree = _agree(first, second)
    return Compared(
        labels=(label(first), label(second)),
        agree=agree,
        sentence=_sentence(first, second, agree, both, len(alone)),
        faces=faces,
        rows=tuple(_rows(first, second, faces, flags)),
        alone=tuple(alone),
        flagged_by_both=both,
        notes=tuple(_notes(first, second, faces)),
    )


Place = tuple[str, int]  # a lane's name and a row of it


def _flagged(report: VideoReport) -> dict[Place, bool]:
    """Of every row of every lane, whether it lies in a flagged span."""
    return {
        (lane.track_id, row): any(
            span.track_id == lane.track_id and span.start_s <= time_s <= span.end_s
            for span in report.segments
        )
        for lane in report.lanes
        for row, time_s in enumerate(lane.track.time_s.tolist())
    }


def _at(lane: Lane, time_s: float) -> int | None:
    """The row of a lane at a time; None where it has none."""
    row = int(np.searchsorted(lane.track.time_s, time_s - SAME_TIME_S))
    found = row < len(lane) and abs(lane.track.time_s[row] - time_s) < SAME_TIME_S
    return row if found else None


def _overlap(a: Lane, row_a: int, b: Lane, row_b: int) -> float:
    return float(iou(a.track.box_xyxy[[row_a]], b.track.box_xyxy[[row_b]])[0, 0])


def _frames(first: VideoReport, second: VideoReport) -> Iterator[tuple[Place | None, Place | None]]:
    """Rows of the two reports that show one face at one time; None where the other has none."""
    free = {(lane.track_id, row) for lane in second.lanes for row in range(len(lane))}
    for lane in first.lanes:
        for row, time_s in enumerate(lane.track.time_s.tolist()):
            rivals = [
                (_overlap(lane, row, other, there), (other.track_id, there))
                for other in second.lanes
                if (there := _at(other, time_s)) is not None and (other.track_id, there) in free
            ]
            overlap, place = max(rivals, default=(0.0, None))
            if overlap < SAME_FACE_IOU or place is None:
                yield (lane.track_id, row), None
                continue
            free.discard(place)
            yield (lane.track_id, row), place
    yield from ((None, place) for place in sorted(free))


def _alone(
    first: VideoReport,
    second: VideoReport,
    flags: tuple[dict[Place, bool], dict[Place, bool]],
    frames: list[tuple[Place | None, Place | None]],
) -> Iterator[Alone]:
    lanes = [{lane.track_id: lane for lane in report.lanes} for report in (first, second)]
    for pair in frames:
        flagged = [place is not None and flags[k][place] for k, place in enumerate(pair)]
        if flagged[0] == flagged[1]:
            continue
        which = flagged.index(True)
        place = pair[which]
        assert place is not None
        logits = [
            None if spot is None else float(lanes[k][spot[0]].scores.logit[spot[1]])
            for k, spot in enumerate(pair)
        ]
        time_s = float(lanes[which][place[0]].track.time_s[place[1]])
        yield Alone(time_s, place[0], which == 0, (logits[0], logits[1]))


def _pairs(first: VideoReport, second: VideoReport) -> Iterator[FacePair]:
    """Lanes of both that overlap most first, each in one pair at most; then what is left over."""
    rivals = []
    for a in first.lanes:
        for b in second.lanes:
            shared = [
                _overlap(a, row, b, there)
                for row, time_s in enumerate(a.track.time_s.tolist())
                if (there := _at(b, time_s)) is not None
            ]
            if shared and (mean := float(np.mean(shared))) >= SAME_FACE_IOU:
                rivals.append((-float(np.sum(shared)), a.track_id, b.track_id, mean))
    found: dict[str, tuple[str, float]] = {}
    for _, name_a, name_b, mean in sorted(rivals):
        if name_a not in found and name_b not in {other for other, _ in found.values()}:
            found[name_a] = name_b, mean
    for lane in first.lanes:
        yield FacePair(lane.track_id, *found.get(lane.track_id, (None, None)))
    taken = {other for other, _ in found.values()}
    for lane in second.lanes:
        if lane.track_id not in taken:
            yield FacePair(None, lane.track_id, None)


def _agree(first: VideoReport, second: VideoReport) -> bool | None:
    sides = [report.verdict.outcome for report in (first, second)]
    if sides[0] == sides[1]:
        return True
    taken = {Outcome.FAKE, Outcome.REAL}
    return False if set(sides) == taken else None


def _sentence(
    first: VideoReport, second: VideoReport, agree: bool | None, both: int, alone: int
) -> str:
    said = [f"“{words.headline(report.verdict).lower()}”" for report in (first, second)]
    if agree:
        start = f"They agree: both say {said[0]}"
    elif agree is None:
        start = f"They do not say the same: the first says {said[0]}, the second {said[1]}"
    else:
        start = f"They contradict each other: the first says {said[0]}, the second {said[1]}"
    if both + alone == 0:
        return f"{start}; neither flags a frame."
    return f"{start}; {both} frames are flagged by both, {alone} by one of them only."


def _numbers(what: str, first: float | None, second: float | None, digits: int = 2) -> Row:
    """A row whose difference is that of the numbers as they are shown, so that it adds up."""
    told = [NONE if x is None else f"{x:.{digits}f}" for x in (first, second)]
    gap = NONE if NONE in told else f"{float(told[1]) - float(told[0]):+.{digits}f}"
    return Row(what, told[0], told[1], gap)


def _rows(
    first: VideoReport,
    second: VideoReport,
    faces: tuple[FacePair, ...],
    flags: tuple[dict[Place, bool], dict[Place, bool]],
) -> Iterator[Row]:
    two = (first, second)

    heads = [words.headline(report.verdict).lower() for report in two]
    whys = ["" if r.verdict.reason is None else f" ({r.verdict.reason})" for r in two]
    same = "the same" if heads[0] == heads[1] else "another"
    yield Row("verdict", heads[0] + whys[0], heads[1] + whys[1], same)
    yield _numbers("p", first.verdict.p_fake, second.verdict.p_fake)
    bands = [
        NONE if r.calibration is None else "{:.2f} to {:.2f}".format(*words.band(r.calibration))
        for r in two
    ]
    yield Row("cannot tell between p", bands[0], bands[1], NONE)
    yield _numbers("score (logit)", first.verdict.score, second.verdict.score)
    for pair in faces:
        names = " = ".join(name for name in dict.fromkeys((pair.first, pair.second)) if name)
        scores = [
            next((lane_score(r, lane) for lane in r.lanes if lane.track_id == name), None)
            for r, name in zip(two, (pair.first, pair.second), strict=True)
        ]
        yield _numbers(f"score of face {names}", scores[0], scores[1])
    yield _numbers("flagged spans", len(first.segments), len(second.segments), 0)
    lengths = [sum(span.end_s - span.start_s for span in report.segments) for report in two]
    yield _numbers("flagged seconds", lengths[0], lengths[1], 1)
    yield _numbers("flagged frames", sum(flags[0].values()), sum(flags[1].values()), 0)


def _notes(first: VideoReport, second: VideoReport, faces: tuple[FacePair, ...]) -> Iterator[str]:
    a, b = first.weights, second.weights
    if a.sha256 == b.sha256:
        yield "Both sets hold the same tensors (one sha256)."
    else:
        yield (
            "A logit has the units of its weights: compare verdicts, p and spans, and scores only "
            "with scores of the same weights."
        )
    if (a.crop_px, a.crop_margin) != (b.crop_px, b.crop_margin):
        yield (
            f"They see other crops of the same faces: {a.crop_px} px with a margin of "
            f"{words.share(a.crop_margin)}, and {b.crop_px} px with {words.share(b.crop_margin)}."
        )
    for name, report in (("first", first), ("second", second)):
        measured = report.calibration
        if measured is None:
            yield f"The {name} is not calibrated."
        else:
            yield f"The {name} was measured on {words.plain(measured.measured_on)}"
    if any(None in (pair.first, pair.second) for pair in faces):
        yield (
            "The faces are grouped differently: tracks are joined over cuts by what the weights "
            "see in them, and a report without a score shows no face."
        )


def tables(found: Compared) -> tuple[EvaluationTable, ...]:
    """What each says and how far they differ; which frames only one of them flags."""
    differences = EvaluationTable(
        key="compared",
        title="What each says",
        note=f"First: {found.labels[0]}. Second: {found.labels[1]}.",
        columns=("what", "first", "second", "second − first"),
        rows=tuple((row.what, row.first, row.second, row.difference) for row in found.rows),
    )
    if not found.alone:
        return (differences,)
    alone = EvaluationTable(
        key="flagged_alone",
        title="Flagged by one of them only",
        note="With the logit that each gives the frame, on its own scale.",
        columns=("time", "face", "flagged by", "first logit", "second logit"),
        rows=tuple(
            (
                words.clock(one.time_s),
                one.face,
                "first" if one.first else "second",
                *(NONE if logit is None else f"{logit:.2f}" for logit in one.logits),
            )
            for one in found.alone
        ),
    )
    return differences, alone


def lines(found: Compared) -> list[str]:
    """The comparison as lines of text for a terminal."""
    told = [line for table in tables(found) for line in (*evaluation.lines(table), "")]
    return [*told, found.sentence, *found.notes]
