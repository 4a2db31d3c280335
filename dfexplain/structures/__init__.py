"""The records that the rooms hand to each other: numpy arrays, checked at birth, and nothing else.

Label 1 is fake. `logit` is the raw output of a model (positive: toward fake), `p_fake` a calibrated
probability in [0, 1]. Times are presentation timestamps in seconds, counted from the first frame of
the file. Boxes are (x0, y0, x1, y1) in pixels of the displayed (rotated) frame. Pictures are RGB
uint8 of shape (H, W, 3). Letters: N rows of a track, S side of a crop, h and w of an evidence map.
"""

from __future__ import annotations

from dfexplain.structures.evaluation import Cell, Evaluation, EvaluationTable, Number
from dfexplain.structures.explanations import (
    Explanation,
    Faithfulness,
    Neighbour,
    RegionEvidence,
    RegionSpan,
)
from dfexplain.structures.heatmaps import EVIDENCE, MASK, HeatmapRecord
from dfexplain.structures.neighbours import NeighbourIndex
from dfexplain.structures.provenance import Provenance, ProvenanceState
from dfexplain.structures.report import VideoReport
from dfexplain.structures.reviews import Answer, Note, PastAnalysis, Reading
from dfexplain.structures.scores import Coverage, Heatmap, Lane, Progress, Segment, TrackScores
from dfexplain.structures.verdict import (
    Calibration,
    Deciding,
    Outcome,
    Outside,
    Reason,
    ReliabilityTable,
    Scaling,
    Verdict,
    WeightsInfo,
)
from dfexplain.structures.video import FaceTrack, Frame, Picture, Preview, Sampling, VideoInfo

__all__ = [
    "EVIDENCE",
    "MASK",
    "Answer",
    "Calibration",
    "Cell",
    "Coverage",
    "Deciding",
    "Evaluation",
    "EvaluationTable",
    "Explanation",
    "FaceTrack",
    "Faithfulness",
    "Frame",
    "Heatmap",
    "HeatmapRecord",
    "Lane",
    "Neighbour",
    "NeighbourIndex",
    "Note",
    "Number",
    "Outcome",
    "Outside",
    "PastAnalysis",
    "Picture",
    "Preview",
    "Progress",
    "Provenance",
    "ProvenanceState",
    "Reading",
    "Reason",
    "RegionEvidence",
    "RegionSpan",
    "ReliabilityTable",
    "Sampling",
    "Scaling",
    "Segment",
    "TrackScores",
    "Verdict",
    "VideoInfo",
    "VideoReport",
    "WeightsInfo",
]
