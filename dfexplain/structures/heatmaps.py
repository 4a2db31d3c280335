"""What the heatmaps of a set of weights are worth, as `dfexplain explain-benchmark` records it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dfexplain.structures.evaluation import EvaluationTable

__all__ = ["EVIDENCE", "MASK", "HeatmapRecord"]

EVIDENCE, MASK = "grad_cam", "mask_head"
"""The maps that come with a score: they are drawn in every report."""


@dataclass(frozen=True)
class HeatmapRecord:
    """What was measured of the heatmaps of the weights `weights_sha256` (empty until they are
    written beside their weights), and on what, in one sentence.

    `method` is the one to show unless another is asked for. `scales` has, for each method that
    applies, the magnitude that is drawn in full colour; maps in the unit of the evidence may be
    left out and have its scale. `gain` is by how much more of the masks
    the default hits than the better of a random map and the middle of the crop, in shares of the
    crops in -1..1, with its 95 % interval. `cover` is what places are covered with when maps are
    tested: that by which the places known to be forged do best; None where even they do no better
    than chance, so that the test tells nothing.
    """

    weights_sha256: str
    measured_on: str
    method: str
    scales: Mapping[str, float]
    gain: float
    gain_interval: tuple[float, float]
    cover: str | None
    tables: tuple[EvaluationTable, ...]

    def __post_init__(self) -> None:
        if not self.measured_on.strip() or not self.measured_on.isprintable():
            raise ValueError(
                "HeatmapRecord.measured_on must be one line of printable text, but got "
                f"{self.measured_on!r:.60}."
            )
        if not all(math.isfinite(scale) and scale > 0 for scale in self.scales.values()):
            raise ValueError(
                f"HeatmapRecord.scales must be above 0, but got {dict(self.scales)!r:.120}."
            )
        if self.method not in self.scales:
            raise ValueError(
                f"HeatmapRecord.method must be one of {sorted(self.scales)!r:.120}, but got "
                f"{self.method!r:.40}."
            )
        low, high = self.gain_interval
        if not -1.0 <= self.gain <= 1.0 or not -1.0 <= low <= high <= 1.0:
            raise ValueError(
                "HeatmapRecord.gain and its interval must lie in -1..1, but got "
                f"{self.gain} and {self.gain_interval}."
            )
        if self.cover is not None and not (self.cover.isidentifier() and len(self.cover) <= 20):
            raise ValueError(
                f"HeatmapRecord.cover must be a name or nothing, but got {self.cover!r:.40}."
            )
        keys = [table.key for table in self.tables]
        if len(set(keys)) < len(keys):
            raise ValueError(f"HeatmapRecord must have a key a table, but got {keys}.")
