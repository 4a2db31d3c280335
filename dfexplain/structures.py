"""The records that the rooms hand to each other: numpy arrays, checked at birth, and nothing else.

Label 1 is fake. `logit` is the raw output of a model (positive: toward fake), `p_fake` a calibrated
probability in [0, 1]. Times are presentation timestamps in seconds, counted from the first frame of
the file. Boxes are (x0, y0, x1, y1) in pixels of the displayed (rotated) frame. Pictures are RGB
uint8 of shape (H, W, 3). Letters: N rows of a track, S side of a crop, h and w of an evidence map.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Calibration",
    "Coverage",
    "FaceTrack",
    "Frame",
    "Heatmap",
    "Lane",
    "Outcome",
    "Preview",
    "Progress",
    "Reason",
    "ReliabilityTable",
    "Sampling",
    "Segment",
    "TrackScores",
    "Verdict",
    "VideoInfo",
    "VideoReport",
    "WeightsInfo",
]


def _check_rows(owner: str, rows: int, **arrays: NDArray[np.generic]) -> None:
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(
                f"{owner}.{name} must have {rows} rows like the others, but got {len(array)}."
            )


@dataclass(frozen=True)
class VideoInfo:
    """What the container says, as far as it was found to be true.

    `width_px` and `height_px` are those of the displayed frame (after rotation). `fps` is the mean
    frame rate over the file's own timestamps, None where fewer than two are known. `duration_s` is
    the time from the first frame to the end of the last; None where unknown.
    """

    file: str
    sha256: str
    size_bytes: int
    container: str
    codec: str
    pixel_format: str
    width_px: int
    height_px: int
    rotation_deg: int
    fps: float | None
    duration_s: float | None
    frame_count: int | None


@dataclass(frozen=True)
class Frame:
    """One decoded picture. `index` is its position in presentation order, None if not counted."""

    index: int | None
    time_s: float
    rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Sampling:
    """Which frames are wanted: `frames` spread over the file, `fps` a second, or every `every`-th.

    Exactly one of the three is set. `max_frames` bounds the work whatever the file.
    """

    frames: int | None = 32
    fps: float | None = None
    every: int | None = None
    max_frames: int = 3000

    def __post_init__(self) -> None:
        chosen = [v for v in (self.frames, self.fps, self.every) if v is not None]
        if len(chosen) != 1 or not 0 < chosen[0] < float("inf"):
            raise ValueError(
                "Sampling must set one positive value of frames, fps or every, but got "
                f"frames={self.frames}, fps={self.fps}, every={self.every}."
            )


@dataclass(frozen=True)
class FaceTrack:
    """One face followed through consecutive sampled frames, N rows, time strictly rising.

    `frame_index` is -1 where the position was not counted. `detected` is False where the box was
    followed from its neighbours instead of found by a full detection. `shot` numbers the shot.
    """

    frame_index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    detected: NDArray[np.bool_]
    shot: NDArray[np.int64]

    def __post_init__(self) -> None:
        rows = len(self.time_s)
        _check_rows(
            "FaceTrack",
            rows,
            frame_index=self.frame_index,
            box_xyxy=self.box_xyxy,
            landmarks_xy=self.landmarks_xy,
            confidence=self.confidence,
            detected=self.detected,
            shot=self.shot,
        )
        if self.box_xyxy.shape != (rows, 4) or self.landmarks_xy.shape != (rows, 5, 2):
            raise ValueError(
                "FaceTrack must hold boxes (N, 4) and landmarks (N, 5, 2), but got "
                f"{self.box_xyxy.shape} and {self.landmarks_xy.shape}."
            )
        if rows > 1 and not bool(np.all(np.diff(self.time_s) > 0)):
            raise ValueError("FaceTrack.time_s must rise strictly.")

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True)
class TrackScores:
    """What the model said of a track's crops, N rows.

    `evidence` (N, h, w) is in logits: its mean over the map plus the model's bias is `logit`
    (closed form of Grad-CAM for a linear head on globally pooled features). `features` (N, D) are
    the pooled features. `crops_jpeg` are the crops as the model saw them, for display.
    """

    logit: NDArray[np.float64]
    evidence: NDArray[np.float32]
    features: NDArray[np.float32]
    crops_jpeg: tuple[bytes, ...]

    def __post_init__(self) -> None:
        rows = len(self.logit)
        _check_rows("TrackScores", rows, evidence=self.evidence, features=self.features)
        if len(self.crops_jpeg) != rows or self.evidence.ndim != 3:
            raise ValueError("TrackScores must hold one crop and one (h, w) evidence map per row.")

    def __len__(self) -> int:
        return len(self.logit)


@dataclass(frozen=True)
class Lane:
    """One face of the video as the analyst sees it: tracks joined over cuts, named A, B, C ...

    `score` is the lane's logit (see `aggregate.lane_score`). `p_fake` (N,) puts each frame's logit
    on the video's calibrated scale and is None for uncalibrated weights.
    """

    track_id: str
    track: FaceTrack
    scores: TrackScores
    score: float
    p_fake: NDArray[np.float64] | None

    def __post_init__(self) -> None:
        _check_rows("Lane", len(self.track), scores=self.scores.logit)

    def __len__(self) -> int:
        return len(self.track)


@dataclass(frozen=True)
class Segment:
    """A flagged span of one lane. `peak_p_fake` is None for uncalibrated weights."""

    track_id: str
    start_s: float
    end_s: float
    peak_logit: float
    peak_p_fake: float | None


@dataclass(frozen=True)
class Coverage:
    """How much of what was wanted was seen, in frames: with_face <= decoded <= wanted."""

    wanted: int
    decoded: int
    with_face: int


@dataclass(frozen=True)
class Heatmap:
    """Evidence toward fake (positive) and real (negative) on a crop, (h, w), in logits.

    `scale` is the magnitude drawn in full colour: one value for all frames of all videos of one set
    of weights.
    """

    values: NDArray[np.float32]
    scale: float
    method: str


class Outcome(StrEnum):
    """The four verdicts."""

    FAKE = "fake"
    REAL = "real"
    UNCERTAIN = "uncertain"
    NOT_ANALYSABLE = "not_analysable"


class Reason(StrEnum):
    """Why a verdict is not fake or real. The first three go with not_analysable."""

    NO_FACE = "no_face"
    TOO_FEW_FRAMES = "too_few_frames"
    LOW_COVERAGE = "low_coverage"
    IN_BAND = "in_band"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True)
class Verdict:
    """The answer. `score` is the video's raw logit; both numbers are None without evidence."""

    outcome: Outcome
    reason: Reason | None
    score: float | None
    p_fake: float | None


@dataclass(frozen=True)
class ReliabilityTable:
    """Reliability of p_fake in K bins: edges (K+1,), mean p, observed share fake, 95 % interval."""

    edges: NDArray[np.float64]
    mean_p: NDArray[np.float64]
    share_fake: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """What a score of one set of weights is worth, and on which videos that was measured.

    `p_fake = sigmoid(slope * score + intercept)` (Platt scaling, Platt 1999). Thresholds are in
    logits of the video score: at or above `threshold` is fake, at or below `band_low` is real,
    between them the tool abstains. `false_positive_rate` is the share of real validation videos at
    or above `threshold`, `miss_rate` the share of fake ones at or below `band_low`; `*_interval`
    are 95 % Wilson intervals. `scores` and `labels` are the validation videos themselves, for
    figures.
    """

    slope: float
    intercept: float
    threshold: float
    band_low: float
    false_positive_rate: float
    false_positive_interval: tuple[float, float]
    miss_rate: float
    miss_interval: tuple[float, float]
    ece: float
    ece_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    reliability: ReliabilityTable
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    people: int
    measured_on: str
    min_face_px: float
    max_distance: float | None
    weights_sha256: str


@dataclass(frozen=True)
class WeightsInfo:
    """Which weights spoke. `revision` is a Hub commit sha, or "local"."""

    name: str
    revision: str
    sha256: str
    calibrated: bool
    architecture: str
    crop_px: int
    crop_margin: float


@dataclass(frozen=True)
class Preview:
    """A sampled frame for display: JPEG bytes of the frame scaled by `scale`."""

    frame_index: int | None
    time_s: float
    jpeg: bytes
    scale: float


@dataclass(frozen=True)
class Progress:
    """A sign of life of `Detector.analyze`. `stage` is one of open, read, score, explain, done.

    `lanes` are the scores so far, for a timeline that grows: (name, times_s, logits) a track.
    """

    stage: str
    done: int
    total: int
    preview: Preview | None = None
    lanes: tuple[tuple[str, NDArray[np.float64], NDArray[np.float64]], ...] = ()


@dataclass(frozen=True)
class VideoReport:
    """All that is known of one analysed video; what is shown or written comes from here."""

    info: VideoInfo
    weights: WeightsInfo
    calibration: Calibration | None
    sampling: Sampling
    verdict: Verdict
    coverage: Coverage
    segments: tuple[Segment, ...]
    lanes: tuple[Lane, ...]
    cuts_s: tuple[float, ...]
    previews: tuple[Preview, ...]
    heat_scale: float
    notes: tuple[str, ...]
    not_checked: tuple[str, ...]
    run_times_s: dict[str, float] = field(default_factory=dict)
