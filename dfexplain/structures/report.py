"""The one record that everything shown or written comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from dfexplain.structures.explanations import Explanation, RegionSpan
from dfexplain.structures.heatmaps import EVIDENCE
from dfexplain.structures.scores import Coverage, Lane, Segment
from dfexplain.structures.verdict import Calibration, Outside, Verdict, WeightsInfo
from dfexplain.structures.video import Preview, Sampling, VideoInfo

__all__ = ["VideoReport"]


@dataclass(frozen=True)
class VideoReport:
    """All that is known of one analysed video; what is shown or written comes from here.

    `heat_method` is EVIDENCE or MASK, which of the two maps that come with a score is
    drawn, and `heat_scale` what it draws in full colour. `explanations` and `region_spans` are
    empty where nobody asked. `outside` says which lanes lie outside what was measured, and why.
    """

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
    heat_method: str = EVIDENCE
    explanations: tuple[Explanation, ...] = ()
    region_spans: tuple[RegionSpan, ...] = ()
    outside: tuple[Outside, ...] = ()
