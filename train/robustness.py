"""How far scores move when the pictures are worn: JPEG, blur, resizing, H.264, by degrees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.encode import h264_roundtrip
from dfexplain.engine import Engine
from dfexplain.hub import Weights
from train.evaluate import groups_of
from train.measures import Measure, measure
from train.records import CropRow
from train.scores import ScoredVideo, Wear, score_crops

__all__ = ["WEARS", "RobustnessRow", "blur", "h264", "jpeg", "resize", "robustness"]

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class RobustnessRow:
    """One wear: the AUC under it, and how it moved the scores of videos (in logits, on average).

    `flipped` is the share of videos whose answer at the threshold changed, None without one.
    """

    wear: str
    strength: str
    n: int
    auc: Measure
    real_change: float
    fake_change: float
    flipped: float | None

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON can hold it."""
        return dataclasses.asdict(self)


def jpeg(quality: int) -> Wear:
    """Each picture as a JPEG of that quality (0 to 100)."""

    def wear(frames: list[Image]) -> list[Image]:
        out = []
        for rgb in frames:
            bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if not done:
                raise RuntimeError("OpenCV could not encode a JPEG.")
            out.append(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
        return [np.asarray(rgb, np.uint8) for rgb in out]

    return wear


def blur(sigma_px: float) -> Wear:
    """Gaussian blur; `sigma_px` is for a crop of 224 px and scales with the crop."""

    def wear(frames: list[Image]) -> list[Image]:
        sigma = sigma_px * frames[0].shape[0] / 224.0
        return [np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8) for rgb in frames]

    return wear


def resize(share: float) -> Wear:
    """Shrink to that share of the side by areas, and back."""

    def wear(frames: list[Image]) -> list[Image]:
        side = frames[0].shape[0]
        small = max(1, round(side * share))
        return [
            np.asarray(
                cv2.resize(
                    cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA),
                    (side, side),
                    interpolation=cv2.INTER_LINEAR,
                ),
                np.uint8,
            )
            for rgb in frames
        ]

    return wear


def h264(crf: int) -> Wear:
    """A track's crops as one H.264 clip of that constant rate factor."""
    return lambda frames: h264_roundtrip(frames, crf, "veryfast")


def _steps() -> tuple[tuple[str, str, Wear], ...]:
    kinds: list[tuple[str, str, Callable[[Any], Wear], Sequence[float]]] = [
        ("JPEG", "quality", jpeg, (90, 70, 50, 30)),
        ("blur", "sigma px at 224 px", blur, (1.0, 2.0, 3.0)),
        ("resize", "share of the side", resize, (0.5, 0.25)),
        ("H.264", "CRF", h264, (23, 30, 36, 42)),
    ]
    return tuple((n, f"{unit} {x:g}", of(x)) for n, unit, of, values in kinds for x in values)


WEARS = _steps()


def robustness(
    weights: Weights | Engine,
    crops: Sequence[CropRow],
    image_root: Path,
    plain: Sequence[ScoredVideo],
    *,
    threshold: float | None = None,
    resamples: int = 1000,
    say: Callable[[str], None] = print,
) -> list[RobustnessRow]:
    """Score the crops under each of WEARS and compare with `plain`, their scores without wear.

    The first row is without wear. Videos without a plain score stay out.
    """
    kept = [s for s in plain if s.score is not None]
    keys = {s.record.key for s in kept}
    rows = [c for c in crops if c.video.key in keys]
    before = np.array([s.score for s in kept], np.float64)
    labels = np.array([s.record.label for s in kept], np.int64)
    groups = groups_of(kept)
    out = []
    for name, strength, wear in (("none", "", None), *WEARS):
        scores = before
        if wear is not None:
            say(f"robustness: {name}, {strength}")
            worn = {
                s.record.key: s.score for s in score_crops(weights, rows, image_root, wear=wear)
            }
            scores = np.array([worn[s.record.key] for s in kept], np.float64)
        level = measure(scores, labels, groups, threshold, None, resamples, ("auc",))
        change = scores - before
        flipped = None
        if threshold is not None:
            flipped = float(np.mean((scores >= threshold) != (before >= threshold)))
        out.append(
            RobustnessRow(
                name,
                strength,
                len(kept),
                level.measures["auc"],
                float(change[labels == 0].mean()),
                float(change[labels == 1].mean()),
                flipped,
            )
        )
    return out
