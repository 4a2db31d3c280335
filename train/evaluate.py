"""What scores are worth: every number with its interval and n, beside what chance would reach.

Intervals are 95 % bootstrap intervals that draw whole groups of shared people and sources. Videos
that could not be scored are counted with their reasons and never take part as 0.5.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfexplain import comparison
from dfexplain.errors import DataError, GateMissed, OneClassFold, SettingError
from dfexplain.structures import Calibration
from train import splits
from train.measures import Level, chance, measure
from train.scores import ScoredVideo

__all__ = ["EvalResult", "Gate", "Slice", "compare", "evaluate", "groups_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 1000
# Lower edges of the face sizes, in pixels of the video.
FACE_PX = (0, 64, 128, 256)
IN_SLICES = ("auc", "eer", "accuracy@threshold", "tpr@threshold", "fpr@threshold", "log_loss",
             "brier", "ece15")  # fmt: skip


@dataclass(frozen=True)
class Slice:
    """Some of the videos: `kind` says how they were chosen, `name` which they are.

    The slice of a method holds its fakes and every real video.
    """

    kind: str
    name: str
    level: Level


@dataclass(frozen=True)
class EvalResult:
    """What one set of scores is worth on one set of videos.

    `chance` is what answering without looking would reach, by metric. `reasons` counts the videos
    without a score, `unread` the crops whose pictures could not be read, `undecided` the videos in
    the band in which calibrated weights abstain (None without calibration).
    """

    name: str
    video: Level
    frame: Level
    slices: tuple[Slice, ...]
    chance: dict[str, float]
    threshold: float | None
    method: str | None
    total: int
    reasons: dict[str, int]
    unread: int
    undecided: int | None

    @property
    def coverage(self) -> float:
        """The share of videos that have a score."""
        return self.video.n / self.total

    def to_dict(self) -> dict[str, Any]:
        """The whole result as JSON can hold it."""
        return dataclasses.asdict(self) | {"coverage": self.coverage}


def groups_of(scored: Sequence[ScoredVideo]) -> NDArray[np.str_]:
    """The group (N,) of each video: those that share a person or a source are resampled as one."""
    first = {v.key: g[0].key for g in splits.groups([s.record for s in scored]) for v in g}
    return np.array([first[s.record.key] for s in scored])


def _face_size(face_px: float | None) -> str:
    if face_px is None:
        return ""
    place = int(np.searchsorted(FACE_PX, face_px, side="right")) - 1
    edges = [*(str(px) for px in FACE_PX), ""]
    return f"{edges[place]} to {edges[place + 1]} px" if edges[place + 1] else f"{edges[place]}+ px"


_KINDS: dict[str, Callable[[ScoredVideo], str]] = {
    "method": lambda s: s.record.method,
    "compression": lambda s: s.record.compression,
    "face size": lambda s: _face_size(s.face_px),
    "dataset": lambda s: s.record.dataset,
}


def _parts(
    kept: Sequence[ScoredVideo], labels: NDArray[np.int64]
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Kind, name and members (N,) of each slice, where a kind tells videos apart at all."""
    for kind, of in _KINDS.items():
        names = np.array([of(s) for s in kept])
        # The reals belong to every method.
        told = names[labels == 1] if kind == "method" else names
        found = sorted(set(told.tolist()), key=lambda n: (_first_number(n, kind), n))
        for name in found if len(found) > 1 else ():
            inside = names == name
            yield kind, name, inside | (labels == 0) if kind == "method" else inside


def _first_number(name: str, kind: str) -> int:
    """Face sizes are sorted by size and not as words."""
    return int(name.split()[0].rstrip("+")) if kind == "face size" and name else 0


def evaluate(
    scored: Sequence[ScoredVideo],
    *,
    threshold: float | None = None,
    calibration: Calibration | None = None,
    name: str = "test",
    resamples: int = RESAMPLES,
) -> EvalResult:
    """Measure scored videos that have labels.

    `threshold` is the validation threshold in logits, `calibration.threshold` where it is not
    given. What needs a probability is measured with a calibration only. Frames carry their video's
    label and the video's calibrated scale. Raises DataError for a video without a label, and
    OneClassFold where the scored videos are of one class.
    """
    unlabelled = [s.record.key for s in scored if s.record.label is None]
    if unlabelled:
        raise DataError(
            f"videos to evaluate on must have a label, but {unlabelled[0]} has none. Use "
            "`python -m train predict` for them."
        )
    if threshold is None and calibration is not None:
        threshold = calibration.threshold
    kept = [s for s in scored if s.score is not None]
    labels = np.array([s.record.label for s in kept], np.int64)
    fakes = int(labels.sum())
    if not 0 < fakes < len(labels):
        raise OneClassFold(
            f"scored videos of '{name}' must be real and fake ones, but got {len(labels) - fakes} "
            f"real and {fakes} fake of {len(scored)} videos. Take another table."
        )
    scores, groups = np.array([s.score for s in kept], np.float64), groups_of(kept)

    def level(chosen: NDArray[np.intp], only: Sequence[str] = ()) -> Level:
        return measure(
            scores[chosen], labels[chosen], groups[chosen], threshold, calibration, resamples, only
        )

    slices = tuple(
        Slice(kind, name or "unknown", level(np.flatnonzero(inside), IN_SLICES))
        for kind, name, inside in _parts(kept, labels)
    )
    rows = np.repeat(np.arange(len(kept)), [len(s.frame_logits) for s in kept])
    frames = np.concatenate([s.frame_logits for s in kept])
    undecided = None
    if calibration is not None:
        inside_band = (scores > calibration.band_low) & (scores < calibration.threshold)
        undecided = int(inside_band.sum())
    video = level(np.arange(len(kept)))
    return EvalResult(
        name=name,
        video=video,
        frame=measure(frames, labels[rows], groups[rows], threshold, calibration, resamples),
        slices=slices,
        chance={n: c for n in video.measures if (c := chance(n, video.prevalence)) is not None},
        threshold=threshold,
        method=None if calibration is None else calibration.method,
        total=len(scored),
        reasons=dict(sorted(Counter(str(s.reason) for s in scored if s.score is None).items())),
        unread=sum(s.unread for s in scored),
        undecided=undecided,
    )


def compare(a: Sequence[ScoredVideo], b: Sequence[ScoredVideo]) -> comparison.Comparison:
    """The AUC of A minus that of B on the videos that both could score, paired by video."""
    other = {s.record.key: s.score for s in b if s.score is not None}
    both = [s for s in a if s.score is not None and s.record.key in other]
    labels = np.array([s.record.label for s in both], np.int64)
    if not 0 < labels.sum() < len(labels):
        raise OneClassFold(
            f"videos that both weights scored must be real and fake ones, but got {len(labels)} "
            "of one class. Take another table."
        )
    scores = [
        np.array(x, np.float64)
        for x in zip(*((s.score, other[s.record.key]) for s in both), strict=True)
    ]
    return comparison.paired(scores[0], scores[1], labels, groups_of(both))


@dataclass(frozen=True)
class Gate:
    """A target such as `auc>0.85`, for the number of the videos."""

    metric: str
    sign: str
    bound: float

    @staticmethod
    def parse(text: str) -> Gate:
        """Read `metric>number` (or >=, <, <=). Raises SettingError."""
        found = re.fullmatch(r"\s*([^<>=\s]+)\s*(>=|<=|>|<)\s*(\d*\.?\d+)\s*", text)
        if not found:
            raise SettingError(
                f"--gate must be a metric, a sign and a number such as 'auc>0.85', but "
                f"got '{text}'."
            )
        return Gate(found[1], found[2], float(found[3]))

    def check(self, result: EvalResult) -> str:
        """One line that says the gate is passed. Raises GateMissed, or SettingError for a metric
        that was not measured."""
        if self.metric not in result.video.measures:
            raise SettingError(
                f"--gate must name one of {', '.join(result.video.measures)}, but got "
                f"'{self.metric}'."
            )
        measure = result.video.measures[self.metric]
        signs = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
        if measure.value is None or not signs[self.sign](measure.value, self.bound):
            raise GateMissed(
                f"{self.metric} must be {self.sign} {self.bound:g} on '{result.name}', but got "
                f"{measure}. The weights do not reach their target."
            )
        return f"gate passed on '{result.name}': {self.metric} {measure} {self.sign} {self.bound:g}"
