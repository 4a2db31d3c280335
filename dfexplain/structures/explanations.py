"""Why a frame got its score, and how far that answer can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain.structures.scores import Heatmap

__all__ = ["Explanation", "Faithfulness", "Neighbour", "RegionEvidence", "RegionSpan"]


@dataclass(frozen=True)
class Faithfulness:
    """How much more a frame's score hangs on where a map is hot than on places taken by chance.

    Each number is in logits toward the prediction: what the hottest places of a map are worth more
    than its coldest, when they alone are shown and when they are covered. A map that knows nothing
    has 0 on average. `of_random` is that of random maps or their opposite, whichever does better,
    `of_centre` that of a Gaussian in the middle of the crop; `how` names the test. It does
    not `tell` of weights by which even places known to be forged do no better than chance.
    """

    of_map: float
    of_random: float
    of_centre: float
    how: str
    tells: bool = True

    @property
    def beats_chance(self) -> bool:
        """Whether the map does better than both."""
        return self.of_map > max(self.of_random, self.of_centre)


@dataclass(frozen=True)
class RegionEvidence:
    """One region of the face: its share of the heat and of the crop, and the score without it.

    `heat_share` is None where a map has no heat; `covered_logit` is the frame's logit with the
    region covered.
    """

    name: str
    area_share: float
    heat_share: float | None
    covered_logit: float


@dataclass(frozen=True)
class RegionSpan:
    """A stretch of a flagged span in which one region of the face leads, with its mean share of the
    heat."""

    track_id: str
    name: str
    start_s: float
    end_s: float
    heat_share: float


@dataclass(frozen=True)
class Neighbour:
    """A training crop near to a frame in feature space: label 1 is forged, `likeness` a cosine."""

    label: int
    likeness: float
    thumbnail_rgb: NDArray[np.uint8]


@dataclass(frozen=True)
class Explanation:
    """What can be said of one frame of one face.

    `logit` is that of the stored crop: it may differ a little from the report's, which was scored
    before the crop was stored as JPEG. `heatmap` is by `heatmap.method`; `face_share` is the share
    of its heat that lies on the face, None where it has none. What was not asked for is None or
    empty.
    """

    track_id: str
    row: int
    time_s: float
    logit: float
    heatmap: Heatmap
    face_share: float | None
    faithfulness: Faithfulness | None
    regions: tuple[RegionEvidence, ...]
    neighbours: tuple[Neighbour, ...]

    @property
    def loses_to_chance(self) -> bool:
        """Whether a test that can tell says that the map does no better than chance: it is drawn in
        grey."""
        tested = self.faithfulness
        return tested is not None and tested.tells and not tested.beats_chance
