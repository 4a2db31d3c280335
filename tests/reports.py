"""Realistic `VideoReport`s for tests of everything that shows one, with drawn faces and no model.

`REPORTS` names the cases; each value is a maker without arguments. The same call gives the same
bytes. Numbers hang together as in a real report: boxes move smoothly, evidence maps average to the
logit, p_fake is the calibration applied to the logit, segments span their rows, previews show the
boxes' faces. `make_report` builds further cases.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.structures import (
    Calibration,
    Coverage,
    FaceTrack,
    Lane,
    Outcome,
    Preview,
    Reason,
    ReliabilityTable,
    Sampling,
    Segment,
    TrackScores,
    Verdict,
    VideoInfo,
    VideoReport,
    WeightsInfo,
)

__all__ = ["REPORTS", "Person", "make_calibration", "make_report", "make_weights"]

FPS = 25.0
WIDTH_PX, HEIGHT_PX = 1920, 1080
SCALE = 1 / 3
CROP_PX, MARGIN = 224, 0.3
MAP = 7
BIAS = -0.4
NOT_CHECKED = (
    "sound and voices",
    "whether lips match the words",
    "wholly synthetic pictures or people",
    "edits outside faces",
    "where the file comes from",
)


@dataclass(frozen=True)
class Person:
    """A face of the drawn video. `forged` and `absent` are spans in seconds; `x`, `y` in 0..1."""

    x: float
    y: float = 0.48
    side: float = 0.26
    skin: tuple[int, int, int] = (214, 172, 142)
    forged: tuple[tuple[float, float], ...] = ()
    absent: tuple[tuple[float, float], ...] = ()
    calm: float = -2.4
    peak: float = 3.1


def _within(time_s: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(start <= time_s <= end for start, end in spans)


def _wilson(k: int, n: int) -> tuple[float, float]:
    """95 % interval of a share k/n (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    z, share = 1.959964, k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def make_calibration(weights_sha256: str, people: int = 60) -> Calibration:
    """A calibration of 2 videos a person whose every number follows from its scores and labels."""
    rng = np.random.default_rng(7)
    labels = np.tile(np.array([0, 1], dtype=np.int64), people)
    scores = rng.normal(np.where(labels == 1, 1.5, -1.3), 1.6)
    slope, intercept = 1.05, -0.1
    p_fake = 1 / (1 + np.exp(-(slope * scores + intercept)))
    real, fake = scores[labels == 0], scores[labels == 1]
    threshold, band_low = float(np.quantile(real, 0.95)), float(np.quantile(fake, 0.05))
    band_low = min(band_low, threshold)
    edges = np.linspace(0, 1, 11)
    rows = np.clip(np.digitize(p_fake, edges) - 1, 0, 9)
    count = np.bincount(rows, minlength=10).astype(np.int64)
    hits = np.bincount(rows, weights=labels, minlength=10).astype(int)
    filled = np.maximum(count, 1)
    mean_p = np.where(
        count > 0,
        np.bincount(rows, weights=p_fake, minlength=10) / filled,
        (edges[:-1] + edges[1:]) / 2,
    )
    share = np.where(count > 0, hits / filled, np.nan)
    bounds = np.array([_wilson(int(k), int(n)) for k, n in zip(hits, count, strict=True)])
    ece = float(np.sum(count * np.abs(np.nan_to_num(share) - mean_p) * (count > 0)) / count.sum())
    false_positives, misses = int((real >= threshold).sum()), int((fake <= band_low).sum())
    wins = (fake[:, None] > real[None, :]).mean()
    return Calibration(
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        band_low=band_low,
        false_positive_rate=false_positives / len(real),
        false_positive_interval=_wilson(false_positives, len(real)),
        miss_rate=misses / len(fake),
        miss_interval=_wilson(misses, len(fake)),
        ece=ece,
        ece_interval=(ece * 0.6, ece * 1.7),
        auc=float(wins),
        auc_interval=(float(wins) - 0.03, min(1.0, float(wins) + 0.02)),
        reliability=ReliabilityTable(edges, mean_p, share, bounds[:, 0], bounds[:, 1], count),
        scores=scores,
        labels=labels,
        people=people,
        measured_on=f"{2 * people} made clips of {people} validation people",
        min_face_px=48.0,
        max_distance=12.5,
        weights_sha256=weights_sha256,
    )


def make_weights(calibrated: bool = True) -> WeightsInfo:
    """The weights that the drawn reports name."""
    sha256 = hashlib.sha256(b"drawn weights").hexdigest()
    return WeightsInfo("default", "local", sha256, calibrated, "frame", CROP_PX, MARGIN)


def _draw_face(
    picture: NDArray[np.uint8],
    box: Sequence[float],
    skin: tuple[int, int, int],
    forged: bool,
    time_s: float,
) -> None:
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    centre = (round((x0 + x1) / 2), round((y0 + y1) / 2))

    def at(u: float, v: float) -> tuple[int, int]:
        return round(x0 + u * wide), round(y0 + v * high)

    def oval(where: tuple[int, int], u: float, v: float, colour: tuple[int, int, int]) -> None:
        axes = (max(1, round(u * wide)), max(1, round(v * high)))
        cv2.ellipse(picture, where, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval((centre[0], round(centre[1] - 0.06 * high)), 0.54, 0.58, (62, 46, 38))
    oval(centre, 0.46, 0.52, skin)
    for u in (0.32, 0.68):
        oval(at(u, 0.42), 0.075, 0.045, (250, 250, 250))
        oval(at(u, 0.42), 0.03, 0.035, (52, 40, 30))
    oval(at(0.5, 0.58), 0.04, 0.07, tuple(round(0.86 * c) for c in skin))  # type: ignore[arg-type]
    mouth = (170, 70, 90) if not forged else (190, 40, 120)
    oval(at(0.5, 0.77), 0.17, 0.03 + 0.02 * (1 + math.sin(6 * time_s)), mouth)


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    return data.tobytes()


def _room(wide: int, high: int, shot: int) -> NDArray[np.uint8]:
    """A wall and a floor; each shot has its own colours."""
    wall = ((96, 118, 138), (138, 116, 96), (104, 128, 104), (122, 108, 140))[shot % 4]
    shade = np.linspace(1.1, 0.7, high)[:, None, None] * np.array(wall)[None, None, :]
    picture = np.repeat(shade, wide, axis=1).clip(0, 255).astype(np.uint8)
    cv2.rectangle(picture, (0, round(0.86 * high)), (wide, high), (70, 62, 58), -1)
    return picture


def _box(person: Person, time_s: float) -> list[float]:
    side = person.side * HEIGHT_PX
    x = (person.x + 0.02 * math.sin(0.7 * time_s)) * WIDTH_PX
    y = (person.y + 0.015 * math.sin(1.1 * time_s)) * HEIGHT_PX
    return [x - side * 0.4, y - side / 2, x + side * 0.4, y + side / 2]


def _evidence(logit: float, forged: bool, rng: np.random.Generator) -> NDArray[np.float32]:
    """A map whose mean plus the bias is the logit, hot at the mouth where the frame is forged."""
    rows, cols = np.mgrid[0:MAP, 0:MAP]
    hill = np.exp(-((rows - 4.6) ** 2 + (cols - 3.0) ** 2) / 2.2)
    values = rng.normal(0, 0.25, (MAP, MAP)) + (14.0 if forged else -0.6) * hill
    return (values - values.mean() + logit - BIAS).astype(np.float32)


def _lane(
    name: str, person: Person, times: NDArray[np.float64], shots: list[int], p_of: Callable | None
) -> Lane | None:
    keep = [i for i, t in enumerate(times) if not _within(float(t), person.absent)]
    if not keep:
        return None
    rng = np.random.default_rng(ord(name))
    logits, maps, crops, boxes, landmarks = [], [], [], [], []
    for i in keep:
        time_s = float(times[i])
        forged = _within(time_s, person.forged)
        logit = (person.peak if forged else person.calm) + float(rng.normal(0, 0.45))
        box = _box(person, time_s)
        picture = _room(CROP_PX, CROP_PX, shots[i])
        inner = CROP_PX / (1 + 2 * MARGIN)
        edge = (CROP_PX - inner) / 2
        drawn = (edge + 0.1 * inner, edge, edge + 0.9 * inner, edge + inner)
        _draw_face(picture, drawn, person.skin, forged, time_s)
        logits.append(logit)
        maps.append(_evidence(logit, forged, rng))
        crops.append(_jpeg(picture))
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
                track = FaceTrack(
                    np.full(len(lane), -1, dtype=np.int64),
                    lane.track.time_s,
                    lane.track.box_xyxy,
                    lane.track.landmarks_xy,
                    lane.track.confidence,
                    lane.track.detected,
                    lane.track.shot,
                )
                lane = Lane(lane.track_id, track, lane.scores, lane.score, lane.p_fake)
            lanes.append(lane)
            if calibrated and reason is not Reason.OUT_OF_DISTRIBUTION:
                segments += _segments(lane, person)
    with_face = len({float(t) for lane in lanes for t in lane.track.time_s})
    if outcome is Outcome.NOT_ANALYSABLE:
        lanes, segments = [], []
    previews = []
    for time_s, shot in zip(times, shots, strict=True):
        picture = _room(round(WIDTH_PX * SCALE), round(HEIGHT_PX * SCALE), shot)
        for person in people:
            if not _within(float(time_s), person.absent):
                box = [v * SCALE for v in _box(person, float(time_s))]
                forged = _within(float(time_s), person.forged)
                _draw_face(picture, box, person.skin, forged, float(time_s))
        index = round(float(time_s) * FPS) if counted else None
        previews.append(Preview(index, float(time_s), _jpeg(picture), SCALE))
    score = max((lane.score for lane in lanes), default=None)
    p_fake = None
    if score is not None and p_of is not None and reason is not Reason.OUT_OF_DISTRIBUTION:
        p_fake = float(p_of(np.array([score]))[0])
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
        verdict=Verdict(outcome, reason, score, p_fake),
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


LEFT = Person(0.3)
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


def untouched() -> VideoReport:
    return make_report((Person(0.5),), Outcome.REAL, file="untouched.mp4")


def in_band() -> VideoReport:
    return make_report(
        (Person(0.5, calm=-0.1),), Outcome.UNCERTAIN, Reason.IN_BAND, file="between.mp4"
    )


def out_of_distribution() -> VideoReport:
    """The video's probability is withdrawn, though the lane still holds p_fake of its frames."""
    note = "face A: its crops lie at distance 19.3 from those of the calibration; 12.5 is the limit"
    return make_report(
        (Person(0.5, side=0.12, calm=0.8),),
        Outcome.UNCERTAIN,
        Reason.OUT_OF_DISTRIBUTION,
        file="far off.mp4",
        notes=(note,),
    )


def uncalibrated() -> VideoReport:
    return make_report(
        (LEFT, RIGHT),
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


# Drawn once a process: treat them as read-only, and `dataclasses.replace` what should differ.
REPORTS: dict[str, Callable[[], VideoReport]] = {
    maker.__name__: functools.cache(maker)
    for maker in (
        two_faces,
        untouched,
        in_band,
        out_of_distribution,
        uncalibrated,
        no_face,
        too_few_frames,
        low_coverage,
        crowd,
    )
}
