"""Lanes: the tracks of one person joined over cuts, and whether a lane lies within what was
measured.

Joining uses the position in the picture and the classifier's own features, kept in memory for this
video only. Where that is unsure the tracks stay apart: two lanes for one person mislead less than
one lane for two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from dfexplain.faces import face_square
from dfexplain.hub import OutOfDistribution, Weights
from dfexplain.reference import comparable, departure
from dfexplain.structures import Calibration, FaceTrack, Lane, Outside, TrackScores, VideoInfo

__all__ = ["confidence", "face_px", "join", "measured", "names", "outside", "over_the_edge"]

Pair = tuple[FaceTrack, TrackScores]

# Two tracks may be one person if the later one begins where the earlier one ended: centres within
# half a face, sizes within this ratio, and features pointing the same way from the training mean.
MAX_SHIFT_FACES = 0.5
MAX_SIZE_RATIO = 1.35
MIN_COSINE = 0.7
# Of a crop's side: from here on a picture's report says that the crop reaches over the edge.
MOST_OVER = 0.05


def names() -> Iterator[str]:
    """A, B, ..., Z, AA, AB, ...: names of lanes that say nothing about who it is."""
    for number in count(1):
        name = ""
        while number:
            number, digit = divmod(number - 1, 26)
            name = chr(65 + digit) + name
        yield name


def face_px(track: FaceTrack) -> float:
    """The median over the track of the face box's longer side, in pixels."""
    sides = track.box_xyxy[:, 2:] - track.box_xyxy[:, :2]
    return float(np.median(sides.max(axis=1)))


def confidence(track: FaceTrack) -> float:
    """The mean confidence of the face finder over the track, in 0..1: a face that is upside down,
    drawn or under noise is found with less."""
    return float(np.mean(track.confidence))


def measured(weights: Weights, kind: str) -> Calibration | None:
    """The calibration that was measured on files of this `VideoInfo.kind`.

    What the scores of videos are worth says nothing of photographs: those are sharper, and one crop
    decides where in a video the highest run of many does. No weights have been measured on them.
    """
    return weights.calibration if kind == "video" else None


def over_the_edge(found: Sequence[Lane], info: VideoInfo, margin: float) -> list[str]:
    """A note for each face of a picture whose crop reaches over its edge, as that of a face crop
    does."""
    notes = []
    for lane in found:
        left, top, side = face_square(lane.track.box_xyxy[0], margin)
        over = max(-left, -top, left + side - info.width_px, top + side - info.height_px) / side
        if over > MOST_OVER:
            notes.append(
                f"face {lane.track_id}: the picture ends close by, so up to {100 * over:.0f} % of "
                "the crop's side repeat its edge"
            )
    return notes


def outside(lane: Lane, weights: Weights) -> tuple[Outside, ...]:
    """Every reason why a lane lies outside what the calibration was measured on; none where it lies
    within."""
    measured = weights.calibration
    if measured is None:
        return ()
    found: list[tuple[str, float, float, str]] = []
    width = face_px(lane.track)
    if width < measured.min_face_px:
        words = f"{width:.0f} px wide, smaller than the {measured.min_face_px:.0f} px measured"
        found.append(("face_px", width, measured.min_face_px, words))
    sure, least = confidence(lane.track), measured.min_confidence
    if least is not None and sure < least:
        limits = f"(confidence {100 * sure:.1f} %, limit {100 * least:.1f} %)"
        found.append(("confidence", sure, least, f"hardly found as an upright face {limits}"))
    if weights.out_of_distribution is not None:
        far = departure(lane.scores.features, lane.scores.crops_jpeg, weights.out_of_distribution)
        unlike = f"a picture unlike those that were measured, most of all: {far.oddest}"
        for name, distance, limit, words in (
            ("drawn", far.drawn, measured.max_drawn, "looks drawn, not photographed"),
            ("picture", far.picture, measured.max_picture_distance, unlike),
            (
                "features",
                far.features,
                measured.max_distance,
                "unlike the faces that were measured",
            ),
        ):
            if distance is not None and limit is not None and distance > limit:
                words = f"{words} (distance {distance:.2f}, limit {limit:.2f})"
                found.append((name, float(distance), limit, words))
    return tuple(Outside(lane.track_id, *reason) for reason in found)


def _alike(a: Pair, b: Pair, reference: OutOfDistribution | None) -> float | None:
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
    mean_a, mean_b = (comparable(p[1].features, reference).mean(axis=0) for p in (a, b))
    if reference is not None:
        mean_a, mean_b = mean_a - reference.mean, mean_b - reference.mean
    norm = float(np.linalg.norm(mean_a) * np.linalg.norm(mean_b))
    cosine = float(mean_a @ mean_b) / max(norm, 1e-12)
    return cosine if cosine >= MIN_COSINE else None


def _joined(a: Pair, b: Pair) -> Pair:
    track = {k: np.concatenate([getattr(a[0], k), getattr(b[0], k)]) for k in vars(a[0])}
    masks = [scores.mask for scores in (a[1], b[1]) if scores.mask is not None]
    return FaceTrack(**track), TrackScores(
        logit=np.concatenate([a[1].logit, b[1].logit]),
        evidence=np.concatenate([a[1].evidence, b[1].evidence]),
        features=np.concatenate([a[1].features, b[1].features]),
        crops_jpeg=a[1].crops_jpeg + b[1].crops_jpeg,
        mask=np.concatenate(masks) if masks else None,
    )


def join(pairs: list[Pair], weights: Weights) -> list[Pair]:
    """Join the tracks of one video into lanes, in the order of their first appearance.

    Greedy in time: each track is added to the open lane that it resembles most, if to any. Tracks
    that stand side by side in time never join.
    """
    reference = weights.out_of_distribution
    lanes: list[Pair] = []
    ordered = sorted(
        pairs, key=lambda p: (float(p[0].time_s[0]), float(p[0].box_xyxy[0, 0]), len(p[0]))
    )
    for pair in ordered:
        likeness = [_alike(lane, pair, reference) for lane in lanes]
        found = [(value, -i) for i, value in enumerate(likeness) if value is not None]
        if found:
            best = -max(found)[1]
            lanes[best] = _joined(lanes[best], pair)
        else:
            lanes.append(pair)
    return lanes
