"""What tests change in a drawn report: its file, and the explanations of its frames."""

from __future__ import annotations

import dataclasses

import numpy as np

from dfexplain import explain
from dfexplain.explain.regions import REGIONS
from dfexplain.report import shown_frames
from dfexplain.structures import (
    Explanation,
    Faithfulness,
    Neighbour,
    RegionEvidence,
    RegionSpan,
    VideoReport,
)

__all__ = ["renamed", "with_explanations"]


def renamed(made: VideoReport, file: str, sha256: str | None = None) -> VideoReport:
    """The report as if its file had another name, or other bytes."""
    info = dataclasses.replace(made.info, file=file, sha256=sha256 or made.info.sha256)
    return dataclasses.replace(made, info=info)


def with_explanations(made: VideoReport) -> VideoReport:
    """The report with an explanation of each frame that its page shows: the maps of even rows beat
    chance and the others do not."""
    found = []
    for shown in shown_frames(made):
        parts = tuple(
            RegionEvidence(name, 0.1, 0.25 if name == "mouth" else 0.075 + 0.01 * (k % 2), 2.0 - k)
            for k, name in enumerate(REGIONS)
        )
        found.append(
            Explanation(
                track_id=shown.lane.track_id,
                row=shown.row,
                time_s=float(shown.lane.track.time_s[shown.row]),
                logit=float(shown.lane.scores.logit[shown.row]) + 0.01,
                heatmap=explain.lane_heatmap(made, shown.lane, shown.row),
                face_share=0.81,
                faithfulness=Faithfulness(0.2 if shown.row % 2 else 1.5, 0.4, 0.6, "deletion"),
                regions=parts,
                neighbours=(Neighbour(1, 0.93, np.full((48, 48, 3), 90, np.uint8)),),
            )
        )
    spans = (RegionSpan("B", "mouth", 3.2, 4.9, 0.41),)
    return dataclasses.replace(made, explanations=tuple(found), region_spans=spans)
