"""Which part of the face a map is hot on, in a frame and over time.

The parts are drawn on the mean face and laid over a face by its five landmarks (`face_shape`); left
and right are those of the picture. Each pixel of a crop lies in exactly one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.face_shape import OUTLINE, face_outline
from dfexplain.faces import face_square
from dfexplain.structures import FaceTrack, Lane, RegionEvidence, RegionSpan, Segment

__all__ = [
    "OFF_FACE",
    "REGIONS",
    "evidence",
    "face_share",
    "heat_shares",
    "landmarks_on_crop",
    "masks",
    "spans",
]

Array = NDArray[np.float32]

# The forehead includes the brows; background is all that is neither face nor hair, as the neck.
REGIONS = (
    "background",
    "hair",
    "forehead",
    "left cheek",
    "right cheek",
    "jaw line",
    "left eye",
    "right eye",
    "nose",
    "mouth",
)
OFF_FACE = ("background", "hair")


def _ellipse(centre: tuple[float, float], radii: tuple[float, float]) -> Array:
    angle = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(ring * np.array(radii) + np.array(centre), np.float32)


def _symmetrical(*right: tuple[float, float]) -> Array:
    return np.array([*right, *[(-x, y) for x, y in right[::-1]]], np.float32)


_RIGHT_CHEEK = np.array(
    [(0.0, -0.3), (1.06, -0.3), (1.05, 0.5), (0.8, 0.95), (0.62, 1.15), (0.0, 1.15)], np.float32
)
# In units of the distance between the eyes, their middle at the origin. Each is drawn over those
# before it: of the outline the others leave jaw and chin, of the cheeks what is named nothing else.
_DRAWN: tuple[tuple[str, Array], ...] = (
    ("hair", _symmetrical((0.0, -1.85), (0.8, -1.7), (1.3, -1.2), (1.5, -0.4), (1.35, 0.5))),
    ("jaw line", OUTLINE),
    ("left cheek", _RIGHT_CHEEK * np.array((-1.0, 1.0), np.float32)),
    ("right cheek", _RIGHT_CHEEK),
    ("forehead", _symmetrical((0.0, -1.1), (0.6, -1.0), (0.95, -0.65), (1.04, -0.24))),
    ("left eye", _ellipse((-0.5, 0.0), (0.4, 0.26))),
    ("right eye", _ellipse((0.5, 0.0), (0.4, 0.26))),
    ("nose", _symmetrical((0.0, 0.0), (0.1, 0.0), (0.32, 0.6), (0.24, 0.8))),
    ("mouth", _ellipse((0.0, 1.07), (0.64, 0.3))),
)


def landmarks_on_crop(track: FaceTrack, row: int, margin: float, size_px: int) -> Array:
    """The five landmarks (5, 2) of a row in pixels of its crop, cut with `margin` (`crop_face`)."""
    left, top, side = face_square(track.box_xyxy[row], margin)
    points = (track.landmarks_xy[row] - np.array((left, top))) * (size_px / side)
    return np.asarray(points, np.float32)


def masks(landmarks_xy: Array, size_px: int) -> NDArray[np.bool_]:
    """The regions of a crop (S, S) with landmarks (5, 2) in its pixels: (R, S, S), in the order of
    REGIONS. Every pixel is in one of them and in no other."""
    labels = np.zeros((size_px, size_px), np.uint8)
    for name, polygon in _DRAWN:
        # Landmarks far outside of the crop would leave the numbers that can be drawn.
        placed = np.clip(face_outline(landmarks_xy, polygon), -1e4, 1e4)
        corners = np.int32(np.round(placed * 16))
        cv2.fillPoly(labels, [corners], REGIONS.index(name), shift=4)
    return np.stack([labels == k for k in range(len(REGIONS))])


# What float32 leaves of two sides that cancel out is not heat.
ROUNDING = 1e-5


def heat_shares(
    values: Array, parts: NDArray[np.bool_], *, toward_real: bool, signed: bool = True
) -> NDArray[np.float64] | None:
    """The share of a map's heat in each of `parts` (R, S, S): (R,), 1 in all for a whole crop.

    Heat is what speaks for the prediction: the positive part of the map `values` (h, w), or, where
    a `signed` map's frame is taken `toward_real`, the negative one. None where there is none.
    """
    size = parts.shape[1:]
    toward = -values if toward_real and signed else values
    large = cv2.resize(np.asarray(toward, np.float32), size, interpolation=cv2.INTER_LINEAR)
    heat = np.maximum(large.astype(np.float64), 0.0)
    total = float(heat.sum())
    return (parts * heat).sum(axis=(1, 2)) / total if heat.max() > ROUNDING else None


def face_share(shares: NDArray[np.float64] | None) -> float | None:
    """The share of the heat that lies on the face, of `heat_shares` by REGIONS; None without."""
    if shares is None:
        return None
    return float(sum(s for n, s in zip(REGIONS, shares, strict=True) if n not in OFF_FACE))


def evidence(
    parts: NDArray[np.bool_], shares: NDArray[np.float64] | None, covered: NDArray[np.float64]
) -> tuple[RegionEvidence, ...]:
    """What was found for each of REGIONS: `parts` of `masks`, their `heat_shares` and the frame's
    logits (R,) with each of them covered."""
    areas = parts.mean(axis=(1, 2))
    return tuple(
        RegionEvidence(
            name, float(areas[k]), None if shares is None else float(shares[k]), float(covered[k])
        )
        for k, name in enumerate(REGIONS)
    )


def _leading(lane: Lane, row: int, margin: float, size_px: int) -> tuple[str, float] | None:
    """The region with most heat toward fake beyond its share of the crop, and that heat's share."""
    parts = masks(landmarks_on_crop(lane.track, row, margin, size_px), size_px)
    shares = heat_shares(lane.scores.evidence[row], parts, toward_real=False)
    if shares is None:
        return None
    best = int(np.argmax(shares - parts.mean(axis=(1, 2))))
    return REGIONS[best], float(shares[best])


def _spans(lane: Lane, segment: Segment, margin: float, size_px: int) -> Iterator[RegionSpan]:
    times = lane.track.time_s
    rows = np.flatnonzero((times >= segment.start_s) & (times <= segment.end_s))
    found = [(int(row), _leading(lane, int(row), margin, size_px)) for row in rows]
    for name, group in groupby(found, key=lambda pair: pair[1] and pair[1][0]):
        run = list(group)
        if name is None:
            continue
        first, last = run[0][0], run[-1][0]
        # Neighbours meet halfway between their frames; the first and last end with the segment.
        start = segment.start_s if first == rows[0] else (times[first - 1] + times[first]) / 2
        end = segment.end_s if last == rows[-1] else (times[last] + times[last + 1]) / 2
        share = float(np.mean([lead[1] for _, lead in run if lead is not None]))
        yield RegionSpan(lane.track_id, name, float(start), float(end), share)


def spans(
    lane: Lane, segments: Sequence[Segment], margin: float, size_px: int
) -> tuple[RegionSpan, ...]:
    """Which region carries the evidence of a lane's flagged `segments`, in order of time.

    It is the one that has most heat beyond its share of the crop: large regions do not win by being
    large. Neighbouring frames with the same one are one span; a frame without heat is in none.
    """
    ordered = sorted(segments, key=lambda s: s.start_s)
    mine = [s for s in ordered if s.track_id == lane.track_id]
    return tuple(span for s in mine for span in _spans(lane, s, margin, size_px))
