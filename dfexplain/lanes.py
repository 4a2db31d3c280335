"""Lanes: the tracks of one person joined over cuts, and whether a lane lies within what was
measured.

Joining uses the position in the picture and the classifier's own features, kept in memory for this
video only. Where that is unsure the tracks stay apart: two lanes for one person mislead less than
one lane for two.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

from dfexplain.hub import OutOfDistribution, Weights
from dfexplain.structures import FaceTrack, Lane, TrackScores

__all__ = ["distances", "join", "names", "outside"]

Pair = tuple[FaceTrack, TrackScores]
Floats = NDArray[np.float64]

# Two tracks may be one person if the later one begins where the earlier one ended: centres within
# half a face, sizes within this ratio, and features pointing the same way from the training mean.
MAX_SHIFT_FACES = 0.5
MAX_SIZE_RATIO = 1.35
MIN_COSINE = 0.7


def names() -> Iterator[str]:
    """A, B, ..., Z, AA, AB, ...: names of lanes that say nothing about who it is."""
    for number in count(1):
        name = ""
        while number:
            number, digit = divmod(number - 1, 26)
            name = chr(65 + digit) + name
        yield name


def distances(features: NDArray[np.float32], reference: OutOfDistribution) -> Floats:
    """Distance (N,) of features (N, D) from the reference crops, in standard deviations a
    dimension.

    Mahalanobis distance in the reference's principal subspace, divided by the root of its dimension
    (Lee et al., NeurIPS 2018, eq. 2, with one class), so that 1 is typical.
    """
    projected = (features - reference.mean) @ reference.components.T
    squared = (projected.astype(np.float64) ** 2 / reference.variances).mean(axis=1)
    return np.asarray(np.sqrt(squared), np.float64)


def face_px(track: FaceTrack) -> float:
    """The median over the track of the face box's longer side, in pixels."""
    sides = track.box_xyxy[:, 2:] - track.box_xyxy[:, :2]
    return float(np.median(sides.max(axis=1)))


def outside(lane: Lane, weights: Weights) -> str | None:
    """Why a lane lies outside what the calibration was measured on; None where it lies within."""
    measured = weights.calibration
    if measured is None:
        return None
    width = face_px(lane.track)
    if width < measured.min_face_px:
        return f"{width:.0f} px wide, smaller than the {measured.min_face_px:.0f} px measured"
    reference = weights.out_of_distribution
    if reference is None or measured.max_distance is None:
        return None
    distance = float(np.median(distances(lane.scores.features, reference)))
    if distance > measured.max_distance:
        return (
            f"unlike the faces that were measured (distance {distance:.2f}, "
            f"limit {measured.max_distance:.2f})"
        )
    return None


def _alike(a: Pair, b: Pair, centre: NDArray[np.float32] | None) -> float | None:
    """How alike the end of `a` and the start of `b` are (cosine), None where they cannot be one."""
    if a[0].time_s[-1] >= b[0].time_s[0]:
        return None
    end, start = a[0].box_xyxy[-1], b[0].box_xyxy[0]
    size_a, size_b = float((end[2:] - end[:2]).max()), float((start[2:] - start[:2]).max())
    shift = float(np.linalg.norm((end[:2] + end[2:] - start[:2] - start[2:]) / 2.0))
    if shift > MAX_SHIFT_FACES * max(size_a, size_b):
        return None
    if max(size_a, size_b) > MAX_SIZE_RATIO * min(size_a, size_b):
        return None
    mean_a, mean_b = a[1].features.mean(axis=0), b[1].features.mean(axis=0)
    if centre is not None:
        mean_a, mean_b = mean_a - centre, mean_b - centre
    norm = float(np.linalg.norm(mean_a) * np.linalg.norm(mean_b))
    cosine = float(mean_a @ mean_b) / max(norm, 1e-12)
    return cosine if cosine >= MIN_COSINE else None


def _joined(a: Pair, b: Pair) -> Pair:
    track = {k: np.concatenate([getattr(a[0], k), getattr(b[0], k)]) for k in vars(a[0])}
    return FaceTrack(**track), TrackScores(
        logit=np.concatenate([a[1].logit, b[1].logit]),
        evidence=np.concatenate([a[1].evidence, b[1].evidence]),
        features=np.concatenate([a[1].features, b[1].features]),
        crops_jpeg=a[1].crops_jpeg + b[1].crops_jpeg,
    )


def join(pairs: list[Pair], weights: Weights) -> list[Pair]:
    """Join the tracks of one video into lanes, in the order of their first appearance.

    Greedy in time: each track is added to the open lane that it resembles most, if to any. Tracks
    that stand side by side in time never join.
    """
    reference = weights.out_of_distribution
    centre = None if reference is None else reference.mean
    lanes: list[Pair] = []
    ordered = sorted(
        pairs, key=lambda p: (float(p[0].time_s[0]), float(p[0].box_xyxy[0, 0]), len(p[0]))
    )
    for pair in ordered:
        likeness = [_alike(lane, pair, centre) for lane in lanes]
        found = [(value, -i) for i, value in enumerate(likeness) if value is not None]
        if found:
            best = -max(found)[1]
            lanes[best] = _joined(lanes[best], pair)
        else:
            lanes.append(pair)
    return lanes
