"""What a model said of the faces: scores, evidence, lanes and flagged spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain.structures.rows import check_rows
from dfexplain.structures.video import FaceTrack, Preview

__all__ = ["Coverage", "Heatmap", "Lane", "Progress", "Segment", "TrackScores"]


@dataclass(frozen=True)
class TrackScores:
    """What the model said of a track's crops, N rows.

    `evidence` (N, h, w) is in logits: for a linear head on globally pooled features its mean over
    the map plus the model's bias is `logit` (closed form of Grad-CAM). `features` (N, D) are
    the pooled features. `crops_jpeg` are the crops as the model saw them, for display. `mask`
    (N, h, w) in 0..1 is where the model's mask head, if it has one, takes them to be forged.
    """

    logit: NDArray[np.float64]
    evidence: NDArray[np.float32]
    features: NDArray[np.float32]
    crops_jpeg: tuple[bytes, ...]
    mask: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        rows = len(self.logit)
        check_rows("TrackScores", rows, evidence=self.evidence, features=self.features)
        if self.mask is not None:
            check_rows("TrackScores", rows, mask=self.mask)
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
        check_rows("Lane", len(self.track), scores=self.scores.logit)

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
