"""What a model says of each video of a data set, from crops that were cut or from the videos.

A video that cannot be scored has a reason and no number. A video's score is that of its highest
track (`aggregate.lane_score`), as in the app.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfexplain import aggregate, calibration, jpegs, lanes
from dfexplain.detector import Detector
from dfexplain.engine import Engine
from dfexplain.errors import InputError, SettingError
from dfexplain.hub import OutOfDistribution, Weights
from dfexplain.models import ModelConfig
from dfexplain.reference import Departure, departure
from dfexplain.structures import Calibration, Sampling, Verdict, VideoReport
from train.checkpoints import load_checkpoint
from train.importers.files import locate
from train.pictures import read_crop
from train.records import CropRow, VideoRecord, write_table

__all__ = [
    "ScoredVideo",
    "clip_records",
    "engine_of_run",
    "score_crops",
    "score_video",
    "score_videos",
    "write_frames",
    "write_videos",
]

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]
Wear = Callable[[list[Image]], list[Image]]

NO_CROP = "no_crop_readable"
VIDEO_COLUMNS = ("video", "label", "method", "compression", "score", "p_fake", "face_px", "frames",
                 "unread", "reason")  # fmt: skip
FRAME_COLUMNS = ("video", "track", "frame_index", "time_s", "logit", "p_fake")


@dataclass(frozen=True)
class ScoredVideo:
    """One video: its `score` (logit) or the `reason` why it has none, and what its N frames said.

    `frame_logits`, `frame_time_s` (N,) in seconds (nan where unknown), `frame_index` (N,) (-1 where
    unknown) and `frame_track` name every scored face. `face_px` is the median longer side of the
    face that decided and `confidence` how sure the face finder was of it, None where unknown,
    `departure` how far it lies from the training crops (None without a reference), and `crop_jpeg`
    its crop with the highest logit. `unread` counts crops whose pictures could not be read.
    `verdict` and `notes` are those of the app's report, None and empty where it made none.
    """

    record: VideoRecord
    score: float | None
    reason: str | None = None
    frame_logits: Floats = field(default_factory=lambda: np.zeros(0))
    frame_time_s: Floats = field(default_factory=lambda: np.zeros(0))
    frame_index: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    frame_track: tuple[str, ...] = ()
    face_px: float | None = None
    confidence: float | None = None
    departure: Departure | None = None
    crop_jpeg: bytes | None = field(default=None, repr=False)
    unread: int = 0
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.score is None) != (self.reason is not None):
            raise ValueError(f"{self.record.key} must have a score or a reason, not both.")
        rows = {len(x) for x in (self.frame_logits, self.frame_time_s, self.frame_index)}
        if rows != {len(self.frame_track)}:
            raise ValueError(f"{self.record.key} must have one track, time and index a logit.")

    @property
    def withdrawn(self) -> bool:
        """Whether the app gives no probability: it cannot judge, or the face is like none that was
        measured. `notes` and `reason` say why."""
        return self.verdict is None or self.verdict.p_fake is None


def clip_records(root: Path) -> list[VideoRecord]:
    """The videos of `root`/clips.csv (file, label, original), which lie in `root`/clips.

    Clips that share an original share a source. Raises SettingError without the table.
    """
    table = root / "clips.csv"
    if not table.is_file():
        raise SettingError(f"the data folder must hold clips.csv, but got '{root}'. Set --data.")
    with table.open(newline="", encoding="utf-8") as handle:
        return [
            VideoRecord(
                path=f"clips/{row['file']}",
                label=int(row["label"]),
                dataset="clips",
                source_id=f"clips:clips/{row['original'] or row['file']}",
            )
            for row in csv.DictReader(handle)
        ]


def engine_of_run(run_dir: Path, which: str = "best") -> Engine:
    """The averaged weights of a run, ready to score. Raises SettingError without a checkpoint."""
    state = load_checkpoint(run_dir, which)
    if state is None:
        raise SettingError(
            f"--run must hold a checkpoint '{which}', but got '{run_dir}'. Run fit first."
        )
    return Engine(ModelConfig.from_dict(state["config"]), state["averaged"])


def score_crops(
    weights: Weights | Engine,
    crops: Sequence[CropRow],
    image_root: Path,
    *,
    wear: Wear | None = None,
    progress: Progress | None = None,
) -> list[ScoredVideo]:
    """Score the videos of a crops table, in the order of the table.

    `wear` is applied to the pictures (S, S, 3) of each track before the model sees them. A track
    decides if it has MIN_FRAMES crops, as in the app; where no track of a video has so many, its
    longest ones do. Pictures that cannot be read are left out and counted.
    """
    engine = weights if isinstance(weights, Engine) else Engine(weights.config, weights.state)
    reference = None if isinstance(weights, Engine) else weights.out_of_distribution
    videos: dict[str, list[CropRow]] = {}
    for crop in crops:
        videos.setdefault(crop.video.key, []).append(crop)
    out = []
    for number, rows in enumerate(videos.values(), start=1):
        out.append(_score_rows(engine, rows, image_root, wear, reference))
        if progress is not None:
            progress(number, len(videos))
    return out


def _score_rows(
    engine: Engine,
    rows: list[CropRow],
    image_root: Path,
    wear: Wear | None,
    reference: OutOfDistribution | None,
) -> ScoredVideo:
    """Score the crops of one video."""
    tracks: dict[str, list[tuple[CropRow, Image]]] = {}
    unread = 0
    # Where frames are not numbered the order of the table stays.
    for row in sorted(rows, key=lambda c: c.frame_index):
        picture = read_crop(image_root / row.file, engine.config.crop_px)
        if picture is None:
            unread += 1
        else:
            tracks.setdefault(row.track, []).append((row, picture))
    record = rows[0].video
    if not tracks:
        return ScoredVideo(record, None, NO_CROP, unread=unread)
    enough = min(aggregate.MIN_FRAMES, max(map(len, tracks.values())))
    logits: dict[str, Floats] = {}
    best: tuple[float, str] = (-math.inf, "")
    crop_jpeg, far = b"", None
    for name, track in tracks.items():
        pictures = [picture for _, picture in track]
        pictures = wear(pictures) if wear else pictures
        output = engine.run(np.stack(pictures))
        logits[name] = output.logit
        score = aggregate.lane_score(logits[name])
        if len(track) >= enough and score > best[0]:
            best = (score, name)
            crop_jpeg = jpegs.encoded(pictures[int(np.argmax(logits[name]))])
            if reference is not None:
                far = departure(output.features, [jpegs.encoded(p) for p in pictures], reference)
    kept = [row for track in tracks.values() for row, _ in track]
    sizes = np.array([row.face_px for row, _ in tracks[best[1]]])
    known = sizes[np.isfinite(sizes)]
    return ScoredVideo(
        record,
        best[0],
        frame_logits=np.concatenate(list(logits.values())),
        frame_time_s=np.array([row.time_s for row in kept]),
        frame_index=np.array([row.frame_index for row in kept], np.int64),
        frame_track=tuple(row.track for row in kept),
        face_px=float(np.median(known)) if len(known) else None,
        departure=far,
        crop_jpeg=crop_jpeg,
        unread=unread,
    )


def score_videos(
    weights: Weights,
    records: Iterable[VideoRecord],
    video_root: Path,
    *,
    sampling: Sampling | None = None,
    progress: Progress | None = None,
) -> list[ScoredVideo]:
    """Score videos below a folder as `score_video` does."""
    detector = Detector(weights)
    records = list(records)
    out = []
    for number, record in enumerate(records, start=1):
        out.append(score_video(detector, record, locate(video_root, record.path), sampling))
        if progress is not None:
            progress(number, len(records))
    return out


def score_video(
    detector: Detector, record: VideoRecord, path: Path, sampling: Sampling | None = None
) -> ScoredVideo:
    """Score the video at `path` as the app does: a refused file is a reason as well."""
    try:
        *_, report = detector.analyze(path, sampling)
    except InputError as error:
        return ScoredVideo(record, None, error.code)
    assert isinstance(report, VideoReport)
    if report.verdict.score is None:
        why = str(report.verdict.reason)
        return ScoredVideo(record, None, why, verdict=report.verdict, notes=report.notes)
    top = max(aggregate.judged(report.lanes, report.info.kind), key=lambda lane: lane.score)
    every = [lane.track for lane in report.lanes]
    known, seen = detector.weights.out_of_distribution, (top.scores.features, top.scores.crops_jpeg)
    return ScoredVideo(
        record,
        report.verdict.score,
        frame_logits=np.concatenate([lane.scores.logit for lane in report.lanes]),
        frame_time_s=np.concatenate([track.time_s for track in every]),
        frame_index=np.concatenate([track.frame_index for track in every]).astype(np.int64),
        frame_track=tuple(lane.track_id for lane in report.lanes for _ in lane.track.time_s),
        face_px=lanes.face_px(top.track),
        confidence=lanes.confidence(top.track),
        departure=None if known is None else departure(*seen, known),
        crop_jpeg=top.scores.crops_jpeg[int(np.argmax(top.scores.logit))],
        verdict=report.verdict,
        notes=report.notes,
    )


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


def write_videos(
    path: Path, scored: Iterable[ScoredVideo], fitted: Calibration | None = None
) -> None:
    """One row a video: what it is, its score and p_fake (empty without calibration), or its reason.

    `video` is the whole key, data set and path.
    """
    rows = []
    for item in scored:
        p = None
        if fitted is not None and item.score is not None:
            p = float(calibration.p_fake(fitted, np.array([item.score]))[0])
        video = item.record
        label = "" if video.label is None else str(video.label)
        rows.append(
            [
                *(video.key, label, video.method, video.compression),
                *(_cell(item.score), _cell(p), _cell(item.face_px)),
                *(len(item.frame_logits), item.unread, item.reason or ""),
            ]
        )
    write_table(path, VIDEO_COLUMNS, rows)


def write_frames(
    path: Path, scored: Iterable[ScoredVideo], fitted: Calibration | None = None
) -> None:
    """One row a scored face: video, track, frame_index, time_s, logit, p_fake.

    p_fake puts the frame on the video's calibrated scale, as the app's timeline does.
    """
    rows: list[list[object]] = []
    for item in scored:
        p = [None] * len(item.frame_logits)
        if fitted is not None:
            p = calibration.p_fake(fitted, item.frame_logits).tolist()
        columns = zip(
            item.frame_track,
            item.frame_index.tolist(),
            item.frame_time_s.tolist(),
            item.frame_logits.tolist(),
            p,
            strict=True,
        )
        for track, index, time_s, logit, p_frame in columns:
            cells = [_cell(time_s), _cell(logit), _cell(p_frame)]
            rows.append([item.record.key, track, index if index >= 0 else "", *cells])
    write_table(path, FRAME_COLUMNS, rows)
