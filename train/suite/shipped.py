"""What can be measured on a clean clone: the example clips and the held-out crops in examples/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfexplain import hub
from dfexplain.detector import Detector
from dfexplain.engine import Engine
from dfexplain.structures import EvaluationTable
from train.pictures import read_crop
from train.records import VideoRecord, read_crops
from train.scores import ScoredVideo, score_crops, score_video
from train.suite import labelled
from train.suite.numbers import Sample

__all__ = ["CROPS", "EXAMPLES", "tables"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
CROPS = EXAMPLES / "crops"
# The label of each clip; docs/examples.md says what is in it.
CLIPS = {"untouched.mp4": 0, "forged.mp4": 1, "two_people.mp4": 1, "no_face.mp4": None}


def tables(weights: hub.Weights, resamples: int) -> tuple[list[EvaluationTable], list[ScoredVideo]]:
    """The tables of what ships, and the scored crops."""
    scored = _crops(weights)
    detector = Detector(weights)
    clips = [
        score_video(detector, VideoRecord(name, label, "examples"), EXAMPLES / name)
        for name, label in CLIPS.items()
    ]
    return [
        _overall(scored, weights, resamples),
        _by_recipe(scored, weights, resamples),
        labelled.each("examples", "The clips in examples/", clips, weights.calibration),
    ], scored


def _crops(weights: hub.Weights) -> list[ScoredVideo]:
    """The score of each crop by itself."""
    rows = read_crops(CROPS / "crops.csv")
    if weights.config.clip_frames > 1:
        return score_crops(weights, rows, CROPS)
    engine = Engine(weights.config, weights.state)
    pictures = [read_crop(CROPS / row.file, weights.config.crop_px) for row in rows]
    kept = [(row, p) for row, p in zip(rows, pictures, strict=True) if p is not None]
    logits = engine.run(np.stack([p for _, p in kept])).logit
    return [ScoredVideo(r.video, float(x)) for (r, _), x in zip(kept, logits, strict=True)]


def _overall(
    scored: Sequence[ScoredVideo], weights: hub.Weights, resamples: int
) -> EvaluationTable:
    sample = Sample.of(scored, weights.calibration, resamples)
    reals = int((sample.labels == 0).sum())
    return EvaluationTable(
        "crops",
        "Held-out crops in examples/crops",
        f"{reals} real and {len(sample.labels) - reals} forged crops of "
        f"{len(set(sample.groups.tolist()))} test people, worn as frames of video. Chance is an AUC"
        " of 0.5. The threshold is that of whole clips; a single crop is harder.",
        ("measure", "value"),
        (
            ("AUC", sample.number("auc")),
            ("equal error rate", sample.number("eer")),
            ("average precision", sample.number("ap")),
            ("real crops at or above the threshold", sample.called_fake(0)),
            ("forged crops at or above the threshold", sample.called_fake(1)),
            ("forged crops at or below the band", sample.misses()),
        ),
    )


def _by_recipe(
    scored: Sequence[ScoredVideo], weights: hub.Weights, resamples: int
) -> EvaluationTable:
    sample = Sample.of(scored, weights.calibration, resamples)
    methods = np.array([s.record.method for s in scored if s.score is not None])
    rows = []
    for name in sorted(set(methods.tolist()) - {""}):
        part = sample.only((methods == name) | (sample.labels == 0))
        rows.append((name, part.number("auc"), part.called_fake(1)))
    return EvaluationTable(
        "crops_recipes",
        "Held-out crops by recipe",
        "The forged crops of each recipe against all real ones. Chance is an AUC of 0.5.",
        ("recipe", "AUC", "at or above the threshold"),
        tuple(rows),
    )
