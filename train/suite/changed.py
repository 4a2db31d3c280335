"""What becomes of the scores when somebody who knows the weights changes a picture on purpose.

Held-out crops of examples/crops are moved against their label by projected gradient descent (Madry
et al., ICLR 2018, eq. 1, in the maximum norm), and beside that worn as any upload is. What was
changed is rounded to whole grey levels and scored like any other crop: it is what a file can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.hub import Weights
from dfexplain.structures import Calibration, EvaluationTable, Number
from train import robustness
from train.pictures import read_crop
from train.records import CropRow, read_crops
from train.suite.numbers import UNMEASURED, Sample, share

__all__ = ["CHANGES", "CROPS", "EACH", "Change", "attacked", "crops", "table"]

Images = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CROPS = Path(__file__).resolve().parents[2] / "examples" / "crops"
# Crops of each label. Steps of REACH * eps / STEPS can reach the border and come back.
EACH, STEPS, REACH = 32, 8, 2.5
BATCH = 16
NOISE, SEED = 10.0, 8_501


@dataclass(frozen=True)
class Change:
    """One row of the table: `levels` grey levels by gradient descent, then what is done to each
    picture by itself."""

    name: str
    levels: int = 0
    wear: Callable[[list[Images]], list[Images]] | None = None


def _noise(pictures: list[Images]) -> list[Images]:
    random = np.random.default_rng(SEED)
    noisy = (rgb + random.normal(0.0, NOISE, rgb.shape) for rgb in pictures)
    return [np.clip(np.rint(rgb), 0, 255).astype(np.uint8) for rgb in noisy]


CHANGES = (
    Change("as they are"),
    Change("PGD, eps 1/255", levels=1),
    Change("PGD, eps 2/255", levels=2),
    Change("PGD, eps 2/255, then H.264 CRF 23", levels=2, wear=robustness.h264(23)),
    Change("H.264 CRF 36", wear=robustness.h264(36)),
    Change("JPEG quality 30", wear=robustness.jpeg(30)),
    Change("blur, sigma 2 px at 224 px", wear=robustness.blur(2.0)),
    Change("a quarter of the side and back", wear=robustness.resize(0.25)),
    Change("noise, 10 grey levels", wear=_noise),
)


def crops(side: int, each: int) -> tuple[list[CropRow], Images, Ints]:
    """`each` real crops and the forgeries of the same people: rows, pictures (N, S, S, 3), labels.

    The people are spread over the whole table, in its order.
    """
    rows = read_crops(CROPS / "crops.csv")
    real = [row for row in rows if row.video.label == 0]
    step = max(1, len(real) // each)
    people = {name for row in real[::step][:each] for name in row.video.identities}
    kept = [row for row in rows if people & set(row.video.identities)]
    read = [(row, read_crop(CROPS / row.file, side)) for row in kept]
    found = [(row, rgb) for row, rgb in read if rgb is not None]
    labels = np.array([row.video.label for row, _ in found], np.int64)
    return [row for row, _ in found], np.stack([rgb for _, rgb in found]), labels


def attacked(engine: Engine, pictures: Images, labels: Ints, levels: int) -> Images:
    """Pictures (N, S, S, 3) moved against their labels (N,) by at most `levels` grey levels a
    channel: forged ones towards a lower score, real ones towards a higher one."""
    frames, parts = engine.config.clip_frames, []
    for start in range(0, len(pictures), BATCH):
        plain = pictures[start : start + BATCH]
        towards = torch.from_numpy(1.0 - 2.0 * labels[start : start + BATCH])
        whole = torch.from_numpy(plain.astype(np.float32)).permute(0, 3, 1, 2)
        moved = whole.clone()
        for _ in range(STEPS):
            moved.requires_grad_()
            with torch.enable_grad():
                clips = engine.standardised(moved).unsqueeze(1).expand(-1, frames, -1, -1, -1)
                logit, _ = engine.model(clips)
                (slope,) = torch.autograd.grad((logit.double() * towards).sum(), moved)
            step = REACH * levels / STEPS * slope.sign()
            moved = torch.clamp(moved.detach() + step, whole - levels, whole + levels)
            moved = moved.clamp(0.0, 255.0)
        parts.append(moved.round().permute(0, 2, 3, 1).numpy().astype(np.uint8))
    return np.concatenate(parts)


def _scores(engine: Engine, pictures: Images) -> Floats:
    frames = engine.config.clip_frames
    if frames == 1:
        return np.asarray(engine.run(pictures).logit, np.float64)
    logits = engine.logits(pictures[:, None].repeat(frames, axis=1))
    return np.asarray(logits.mean(axis=1), np.float64)


def table(
    weights: Weights, resamples: int, each: int | None = None, changes: Sequence[Change] = CHANGES
) -> EvaluationTable:
    """One row a change: the AUC, the flags on forged crops that it undoes, and the real crops that
    it has flagged."""
    engine = Engine(weights.config, weights.state)
    rows, pictures, labels = crops(weights.config.crop_px, EACH if each is None else each)
    groups = np.array([row.video.identities[0] for row in rows])
    # Scored, not attacked anew, where two rows begin with the same attack.
    begun = {n: attacked(engine, pictures, labels, n) for n in {c.levels for c in changes} - {0}}
    plain = _scores(engine, pictures)
    told = []
    for change in changes:
        moved = begun.get(change.levels, pictures)
        if change.wear is not None:
            moved = np.stack([change.wear([rgb])[0] for rgb in moved])
        scores = _scores(engine, moved)
        told.append((change.name, *_cells(plain, scores, labels, groups, weights, resamples)))
    fakes = int(labels.sum())
    return EvaluationTable(
        "changed",
        "Changed on purpose",
        f"{len(labels) - fakes} real and {fakes} forged crops of {len(set(groups.tolist()))} test "
        "people from examples/crops. PGD moves each channel of each pixel by at most eps against "
        f"the label, {STEPS} steps, by one who has the weights; the others happen to any upload. "
        "Undone: of the forged crops at or above the threshold, those that fall below it. Raised: "
        "of the real crops below it, those that reach it. Chance is an AUC of 0.5.",
        ("change", "AUC", "flags undone", "real crops raised"),
        tuple(told),
    )


def _cells(
    plain: Floats,
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.str_],
    weights: Weights,
    resamples: int,
) -> tuple[Number, Number, Number]:
    fitted: Calibration | None = weights.calibration
    shown = np.zeros(len(labels), bool)
    auc = Sample(scores, labels, groups, shown, fitted, resamples).number("auc")
    if fitted is None:
        return auc, UNMEASURED, UNMEASURED
    before, after = plain >= fitted.threshold, scores >= fitted.threshold
    flagged, clear = before & (labels == 1), ~before & (labels == 0)
    return (
        auc,
        share(~after[flagged], groups[flagged], resamples),
        share(after[clear], groups[clear], resamples),
    )
