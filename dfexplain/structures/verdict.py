"""The answer, and what the scores of one set of weights are worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dfexplain.structures.evaluation import Number

__all__ = [
    "Calibration",
    "Deciding",
    "Outcome",
    "Outside",
    "Reason",
    "ReliabilityTable",
    "Scaling",
    "Verdict",
    "WeightsInfo",
]


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
    """The answer. `score` is the video's raw logit; both numbers are None without evidence.

    `score_interval` and `p_interval` are the 95 % intervals of the two when the frames are drawn
    again (`aggregate.score_interval`). They cover the choice of frames and nothing else.
    """

    outcome: Outcome
    reason: Reason | None
    score: float | None
    p_fake: float | None
    score_interval: tuple[float, float] | None = None
    p_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Outside:
    """One reason why a lane lies outside what the calibration was measured on.

    `value` lies beyond `limit`: below it for `measure` "face_px" (pixels) and "confidence" (of the
    face finder, 0..1), above it for "drawn", "picture" and "features" (distances, see
    `reference.Departure`). `words` say so.
    """

    track_id: str
    measure: str
    value: float
    limit: float
    words: str


@dataclass(frozen=True)
class Deciding:
    """What a video's score is made of: the mean logit of the rows `first`..`last` of one face.

    All other frames and faces have no part in it. `without` is the video's score without this face,
    None where no other face can be judged.
    """

    track_id: str
    first: int
    last: int
    start_s: float
    end_s: float
    without: float | None


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
class Scaling:
    """The way from a score to a probability.

    "temperature" and "platt" give sigmoid(slope * score + intercept), the first with an intercept
    of 0 and a slope of 1 / T. "isotonic" joins its `knots` (K, 2), rows of (score, p) that rise, by
    straight lines and is flat beyond them. What a method does not use is None.
    """

    method: str
    slope: float | None
    intercept: float | None
    knots: NDArray[np.float64] | None


@dataclass(frozen=True)
class Calibration(Scaling):
    """What a score of one set of weights is worth, and on which videos that was measured.

    `log_loss` holds what each method reached on held-out people (empty where none was compared);
    `method` is the simplest within one standard error of the lowest. Thresholds are in logits of
    the video score: at or above `threshold` is fake, at or below `band_low` is real, between them
    the tool abstains. `false_positive_rate` is the share of real validation videos at or above
    `threshold`, `miss_rate` the share of fake ones at or below `band_low`; `*_interval` are 95 %
    intervals, of the two rates Wilson's. `scores` and `labels` are the validation videos
    themselves, for figures. Beyond `min_face_px`, `min_confidence` and `max_*` (None: no
    such limit; see `lanes.outside`) nothing was measured, and no probability is given.
    """

    log_loss: dict[str, float]
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
    max_picture_distance: float | None = None
    max_drawn: float | None = None
    min_confidence: float | None = None


@dataclass(frozen=True)
class WeightsInfo:
    """Which weights spoke. `revision` is a Hub commit sha, or "local". `alarms` is the share of
    genuine recordings, of those that show a probability, at or above the threshold, `found` that of
    deepfakes which others made; None where it was not measured (`train alarms`)."""

    name: str
    revision: str
    sha256: str
    calibrated: bool
    architecture: str
    crop_px: int
    crop_margin: float
    alarms: Number | None = None
    found: Number | None = None
