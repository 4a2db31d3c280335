"""Realistic `VideoReport`s for tests of everything that shows one, with drawn faces and no model.

`REPORTS` names the cases; each value is a maker without arguments. The same call gives the same
bytes. Numbers hang together as in a real report: boxes move smoothly, evidence maps average to the
logit, p_fake is the calibration applied to the logit, segments span their rows, previews show the
boxes' faces. `make_report` builds further cases.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dfexplain import aggregate
from dfexplain.jpegs import Jpeg
from dfexplain.structures import (
    Coverage,
    FaceTrack,
    Lane,
    Outcome,
    Outside,
    Preview,
    Reason,
    Sampling,
    Segment,
    TrackScores,
    Verdict,
    VideoInfo,
    VideoReport,
)
from tests.calibrations import CROP_PX, MARGIN, make_calibration, make_weights
from tests.drawing import (  # fmt: skip
    HEIGHT_PX,
    WIDTH_PX,
    Person,
    box_at,
    draw_face,
    evidence,
    jpeg,
    room,
    within,
)
from tests.report_changes import renamed, with_explanations

__all__ = ["REPORTS", "Person", "make_calibration", "make_report", "make_weights", "renamed"]

FPS, SCALE = 25.0, 1 / 3
NOT_CHECKED = (
    "sound and voices",
    "whether lips match the words",
    "wholly synthetic pictures or people",
    "edits outside faces",
    "where the file comes from",
)


def _lane(
    name: str, person: Person, times: NDArray[np.float64], shots: list[int], p_of: Callable | None
) -> Lane | None:
    keep = [i for i, t in enumerate(times) if not within(float(t), person.absent)]
    if not keep:
        return None
    rng = np.random.default_rng(ord(name))
    logits, maps, crops, boxes, landmarks = [], [], [], [], []
    for i in keep:
        time_s = float(times[i])
        forged = within(time_s, person.forged)
        logit = (person.peak if forged else person.calm) + float(rng.normal(0, 0.45))
        box = box_at(person, time_s)
        picture = room(CROP_PX, CROP_PX, shots[i])
        inner = CROP_PX / (1 + 2 * MARGIN)
        edge = (CROP_PX - inner) / 2
        drawn = (edge + 0.1 * inner, edge, edge + 0.9 * inner, edge + inner)
        draw_face(picture, drawn, person.skin, forged, time_s)
        logits.append(logit)
        maps.append(evidence(logit, forged, rng))
        crops.append(jpeg(picture))
        boxes.append(box)
        spots = ((0.32, 0.42), (0.68, 0.42), (0.5, 0.58), (0.36, 0.77), (0.64, 0.77))
        landmarks.append(
            [(box[0] + u * (box[2] - box[0]), box[1] + v * (box[3] - box[1])) for u, v in spots]
        )
    logit_rows = np.array(logits)
    track = FaceTrack(
        frame_index=np.array([round(float(times[i]) * FPS) for i in keep], dtype=np.int64),
        time_s=times[keep],
        box_xyxy=np.array(boxes, dtype=np.float32),
        landmarks_xy=np.array(landmarks, dtype=np.float32),
        confidence=np.full(len(keep), 0.99, dtype=np.float32),
        detected=np.array([row % 4 == 0 for row in range(len(keep))]),
        shot=np.array([shots[i] for i in keep], dtype=np.int64),
    )
    features = rng.normal(0, 1, (len(keep), 16)).astype(np.float32)
    scores = TrackScores(logit_rows, np.stack(maps), features, tuple(crops))
    # The lane's mean, or its clearest three frames where those are forged: enough for a test.
    score = float(max(logit_rows.mean(), np.sort(logit_rows)[-3:].mean() - 1.0))
    return Lane(name, track, scores, score, p_of(logit_rows) if p_of else None)


def _segments(lane: Lane, person: Person) -> list[Segment]:
    out = []
    for start, end in person.forged:
        rows = (lane.track.time_s >= start) & (lane.track.time_s <= end)
        if rows.any():
            t, logit = lane.track.time_s[rows], lane.scores.logit[rows]
            p = None if lane.p_fake is None else float(lane.p_fake[rows].max())
            out.append(Segment(lane.track_id, float(t[0]), float(t[-1]), float(logit.max()), p))
    return out


def make_report(
    people: Sequence[Person],
    outcome: Outcome,
    reason: Reason | None = None,
    *,
    file: str = "clip.mp4",
    calibrated: bool = True,
    duration_s: float = 10.0,
    frames: int = 32,
    decoded: int | None = None,
    cuts_s: tuple[float, ...] = (),
    counted: bool = True,
    notes: tuple[str, ...] = (),
) -> VideoReport:
    """Draw a video of `people` and report it with the given verdict.

    `decoded` below `frames` cuts the end of the file off. `counted` False leaves frame positions
    unknown (-1 in arrays, None elsewhere), as for long files that are read through key frames.
    """
    weights = make_weights(calibrated)
    calibration = make_calibration(weights.sha256) if calibrated else None
    p_of: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    if calibration is not None:
        slope, intercept = calibration.slope, calibration.intercept

        def p_of(logit: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(1 / (1 + np.exp(-(slope * logit + intercept))))

    decoded = frames if decoded is None else decoded
    times = np.round((np.arange(frames) + 0.5) * duration_s / frames * FPS) / FPS
    times = times[:decoded]
    shots = [sum(float(t) >= cut for cut in cuts_s) for t in times]
    lanes: list[Lane] = []
    segments: list[Segment] = []
    for person in people:
        lane = _lane(chr(ord("A") + len(lanes)), person, times, shots, p_of)
        if lane is not None:
            if not counted:
                unknown = np.full(len(lane), -1, dtype=np.int64)
                track = dataclasses.replace(lane.track, frame_index=unknown)
                lane = dataclasses.replace(lane, track=track)
            lanes.append(lane)
            if calibrated and reason is not Reason.OUT_OF_DISTRIBUTION:
                segments += _segments(lane, person)
    with_face = len({float(t) for lane in lanes for t in lane.track.time_s})
    if outcome is Outcome.NOT_ANALYSABLE:
        lanes, segments = [], []
    previews = []
    for time_s, shot in zip(times, shots, strict=True):
        picture = room(round(WIDTH_PX * SCALE), round(HEIGHT_PX * SCALE), shot)
        for person in people:
            if not within(float(time_s), person.absent):
                box = [v * SCALE for v in box_at(person, float(time_s))]
                forged = within(float(time_s), person.forged)
                draw_face(picture, box, person.skin, forged, float(time_s))
        index = round(float(time_s) * FPS) if counted else None
        previews.append(Preview(index, float(time_s), Jpeg(jpeg(picture)), SCALE))
    score = max((lane.score for lane in lanes), default=None)
    p_fake = None
    if score is not None and p_of is not None and reason is not Reason.OUT_OF_DISTRIBUTION:
        p_fake = float(p_of(np.array([score]))[0])
    judged = aggregate.judged(lanes)
    again = aggregate.score_interval(judged) if judged else None
    p_again = None
    if again is not None and p_fake is not None and p_of is not None:
        p_low, p_high = p_of(np.array(again))
        p_again = float(p_low), float(p_high)
    return VideoReport(
        info=VideoInfo(
            file=file,
            sha256=hashlib.sha256(f"{file} {outcome} {reason}".encode()).hexdigest(),
            size_bytes=1_843_201,
            container="mov,mp4,m4a,3gp,3g2,mj2",
            codec="h264",
            pixel_format="yuv420p",
            width_px=WIDTH_PX,
            height_px=HEIGHT_PX,
            rotation_deg=0,
            fps=FPS,
            duration_s=duration_s,
            frame_count=round(duration_s * FPS) if counted else None,
        ),
        weights=weights,
        calibration=calibration,
        sampling=Sampling(frames=frames),
        verdict=Verdict(outcome, reason, score, p_fake, again, p_again),
        coverage=Coverage(frames, decoded, with_face),
        segments=tuple(sorted(segments, key=lambda s: (s.start_s, s.track_id))),
        lanes=tuple(lanes),
        cuts_s=cuts_s,
        previews=tuple(previews),
        heat_scale=10.0,
        notes=notes,
        not_checked=NOT_CHECKED,
        run_times_s={"open": 0.05, "read": 0.81, "score": 0.42, "explain": 0.02, "total": 1.31},
    )


RIGHT = Person(
    0.7,
    skin=(168, 120, 92),
    forged=((3.2, 4.9), (7.0, 7.7)),
    absent=((5.4, 6.3),),
)


def two_faces() -> VideoReport:
    """Lane A clean with a gap, lane B with two forged spans and a gap, one cut."""
    left = Person(0.3, absent=((8.6, 9.2),))
    return make_report((left, RIGHT), Outcome.FAKE, file="two people.mp4", cuts_s=(6.0,))


def explained() -> VideoReport:
    """Two faces, of whose open frames one map beats chance and one does not."""
    return with_explanations(two_faces())


def untouched() -> VideoReport:
    return make_report((Person(0.5),), Outcome.REAL, file="untouched.mp4")


def in_band() -> VideoReport:
    return make_report(
        (Person(0.5, calm=-0.1),), Outcome.UNCERTAIN, Reason.IN_BAND, file="between.mp4"
    )


def out_of_distribution() -> VideoReport:
    """The video's probability is withdrawn, though the lane still holds p_fake of its frames."""
    why = "unlike the faces that were measured (distance 19.30, limit 12.50)"
    made = make_report(
        (Person(0.5, side=0.12, calm=0.8),),
        Outcome.UNCERTAIN,
        Reason.OUT_OF_DISTRIBUTION,
        file="far off.mp4",
        notes=(f"face A: {why}",),
    )
    return dataclasses.replace(made, outside=(Outside("A", "features", 19.3, 12.5, why),))


def uncalibrated() -> VideoReport:
    return make_report(
        (Person(0.3), RIGHT),
        Outcome.UNCERTAIN,
        Reason.UNCALIBRATED,
        file="no calibration.mp4",
        calibrated=False,
    )


def no_face() -> VideoReport:
    return make_report((), Outcome.NOT_ANALYSABLE, Reason.NO_FACE, file="landscape.mp4")


def too_few_frames() -> VideoReport:
    """A face in four frames only: no lane, no number."""
    brief = Person(0.5, absent=((1.2, 10.0),))
    return make_report((brief,), Outcome.NOT_ANALYSABLE, Reason.TOO_FEW_FRAMES, file="brief.mp4")


def low_coverage() -> VideoReport:
    """60 of 64 wanted frames decoded, 10 of them with a face."""
    seldom = Person(0.5, absent=((1.5, 10.0),))
    return make_report(
        (seldom,),
        Outcome.NOT_ANALYSABLE,
        Reason.LOW_COVERAGE,
        file="seldom.mp4",
        frames=64,
        decoded=60,
        notes=("60 of 64 frames could be read",),
    )


def crowd() -> VideoReport:
    """Five lanes, three cuts, a truncated and uncounted file with a long name: the fullest page."""
    people = (
        Person(0.14, side=0.2, absent=((10.0, 40.0),)),
        Person(0.32, side=0.22, forged=((12.0, 22.0),), absent=((0.0, 9.9), (30.1, 40.0))),
        Person(0.5, side=0.24, skin=(232, 196, 170), forged=((33.0, 36.0),)),
        Person(0.68, side=0.2, skin=(120, 84, 64), absent=((14.0, 26.0),)),
        Person(0.86, side=0.18, calm=-1.2, absent=((20.0, 40.0),)),
    )
    return make_report(
        people,
        Outcome.FAKE,
        file="Aufnahme Straßenfest – ein recht langer Dateiname, Kamera 2 (Kopie).mp4",
        duration_s=40.0,
        frames=48,
        decoded=46,
        cuts_s=(10.0, 20.0, 30.0),
        counted=False,
        notes=(
            "46 of 48 frames could be read",
            "frames were reached through key frames, so their positions were not counted",
        ),
    )


_MAKERS = (two_faces, explained, untouched, in_band, out_of_distribution, uncalibrated, no_face,
           too_few_frames, low_coverage, crowd)  # fmt: skip
# Drawn once a process: treat them as read-only, and `dataclasses.replace` what should differ.
REPORTS: dict[str, Callable[[], VideoReport]] = {
    maker.__name__: functools.cache(maker) for maker in _MAKERS
}
