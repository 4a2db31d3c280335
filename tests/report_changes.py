"""What tests change in a drawn report: its file, and the explanations of its frames."""

from __future__ import annotations

import dataclasses

import numpy as np

from dfexplain import explain
from dfexplain.explain.regions import REGIONS
from dfexplain.report import shown_frames
from dfexplain.structures import (
    Coverage,
    Explanation,
    FaceTrack,
    Faithfulness,
    Lane,
    Neighbour,
    Outcome,
    Reason,
    RegionEvidence,
    RegionSpan,
    Sampling,
    Verdict,
    VideoReport,
)

__all__ = ["as_picture", "by_others", "renamed", "with_explanations"]


def renamed(made: VideoReport, file: str, sha256: str | None = None) -> VideoReport:
    """The report as if its file had another name, or other bytes."""
    info = dataclasses.replace(made.info, file=file, sha256=sha256 or made.info.sha256)
    return dataclasses.replace(made, info=info)


def as_picture(made: VideoReport) -> VideoReport:
    """The first frame of a report without calibration as the report of a picture."""
    lanes = []
    for lane in made.lanes:
        track = {name: rows[:1] for name, rows in vars(lane.track).items()}
        track["time_s"] = np.zeros(1)
        scores = dataclasses.replace(
            lane.scores,
            logit=lane.scores.logit[:1],
            evidence=lane.scores.evidence[:1],
            features=lane.scores.features[:1],
            crops_jpeg=lane.scores.crops_jpeg[:1],
        )
        score = float(scores.logit[0])
        lanes.append(Lane(lane.track_id, FaceTrack(**track), scores, score, None))
    info = dataclasses.replace(
        made.info, file="photo.jpg", kind="image", fps=None, duration_s=None, frame_count=1
    )
    score = max(lane.score for lane in lanes)
    return dataclasses.replace(
        made,
        info=info,
        sampling=Sampling(frames=1),
        verdict=Verdict(Outcome.UNCERTAIN, Reason.UNCALIBRATED, score, None),
        coverage=Coverage(1, 1, 1),
        segments=(),
        lanes=tuple(lanes),
        cuts_s=(),
        previews=(dataclasses.replace(made.previews[0], time_s=0.0),),
        not_checked=made.not_checked[2:],
    )


def by_others(made: VideoReport, outcome: Outcome = Outcome.REAL) -> VideoReport:
    """What other weights say of the video of two faces: the faces under each other's names, one
    span fewer, half the logits, another margin."""
    swap = {"A": "B", "B": "A"}
    lanes = tuple(
        dataclasses.replace(
            one,
            track_id=swap[one.track_id],
            score=one.score / 2,
            scores=dataclasses.replace(one.scores, logit=one.scores.logit / 2),
        )
        for one in reversed(made.lanes)
    )
    return dataclasses.replace(
        made,
        weights=dataclasses.replace(made.weights, name="other", sha256="0" * 64, crop_margin=0.5),
        lanes=lanes,
        segments=tuple(dataclasses.replace(one, track_id="A") for one in made.segments[:1]),
        verdict=Verdict(outcome, None, 0.5, 0.25),
    )


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
