"""The same clips worn by degrees: codec, size, blur, noise; and what of the AUC is lost.

The clips are without other wear, each face at its portrait's own size, forged throughout or not at
all. Faces are cut where they were found in the plain clip, so that what changes is the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import comparison
from dfexplain.detector import Detector
from dfexplain.encode import h264_roundtrip
from dfexplain.engine import Engine
from dfexplain.faces import FaceDetector
from dfexplain.structures import Calibration, EvaluationTable, Number
from dfexplain.tracks import crop_face
from train import made_clips
from train.augment import Wear
from train.clips import FACE_PX
from train.made_clips import ClipSet, ClipTask
from train.portraits import Portrait
from train.samples import face_width
from train.suite.numbers import UNMEASURED, Sample

__all__ = ["ROBUSTNESS", "WEARS", "WornTask", "table", "tasks"]

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

ROBUSTNESS = ClipSet(seed=8_301, each=1)
# Frames of a clip, whose mean logit is its score; clips that one task makes.
FRAMES, CLIPS_A_TASK = 4, 10
PLAIN_CRF = 18
# Blur is sigma in px of a face 150 px wide, noise a standard deviation in grey levels.
BLUR_PX, NOISE = 2.0, 10.0
# In the column of losses, of the row that they are measured against: a card has no empty cell.
REFERENCE = "compared with"
NO_WEAR = Wear(
    gains=(1.0, 1.0, 1.0), gamma=1.0, offset=0.0, saturation=1.0, light=0.0, light_deg=0.0,
    smooth=0.0, sharpen=0.0, blur_px=0.0, motion_px=0, motion_deg=0.0, scale=1.0,
    upscale=cv2.INTER_LINEAR, noise=0.0, jpeg=None, crfs=(), pans=((0.0, 0.0),),
    preset="veryfast", noise_seed=0,
)  # fmt: skip


@dataclass(frozen=True)
class Wearing:
    """One row of the table: what is done to the frames, their size and the codec after that."""

    name: str
    crf: int = PLAIN_CRF
    scale: float = 1.0
    blur_px: float = 0.0
    noise: float = 0.0

    def __call__(self, frames: list[Image], face_px: float) -> list[Image]:
        """The frames after the wear and the codec; smaller where `scale` is below 1."""
        wear = replace(NO_WEAR, blur_px=self.blur_px, noise=self.noise)
        out = []
        for number, rgb in enumerate(frames):
            small = rgb
            if self.scale < 1.0:
                size = (round(rgb.shape[1] * self.scale), round(rgb.shape[0] * self.scale))
                small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
            if self.blur_px or self.noise:
                (small,) = replace(wear, noise_seed=number).apply([small], face_px)
            out.append(small)
        return h264_roundtrip(out, self.crf, "veryfast")


WEARS = (
    Wearing("plain, CRF 18"),
    Wearing("CRF 23", crf=23),
    Wearing("CRF 33", crf=33),
    Wearing("CRF 43", crf=43),
    Wearing("half size", scale=0.5),
    Wearing("quarter size", scale=0.25),
    Wearing("blur, 2 px of a 150 px face", blur_px=BLUR_PX),
    Wearing("noise, 10 grey levels", noise=NOISE),
)


@dataclass(frozen=True)
class WornTask:
    """Some clips under all of WEARS: a row (W,) of scores each, all nan without a face."""

    clips: tuple[ClipTask, ...]

    def __call__(self, detector: Detector) -> Floats:
        weights = detector.weights
        engine, finder = Engine(weights.config, weights.state), FaceDetector()
        return np.stack([_scores(clip, engine, finder) for clip in self.clips])


def _scores(clip: ClipTask, engine: Engine, finder: FaceDetector) -> Floats:
    frames = clip.frames()
    face_px, config = clip.recipe.face_px, engine.config
    side = config.crop_px
    plain = WEARS[0](frames, face_px)
    boxes = {
        i: faces.box_xyxy[int(np.argmax(faces.confidence))]
        for i, faces in enumerate(finder.detect(plain))
        if len(faces)
    }
    if not boxes:
        return np.full(len(WEARS), np.nan)
    crops = []
    for wearing in WEARS:
        worn = wearing(frames, face_px)
        crops.append(
            [
                crop_face(worn[i], b * np.float32(wearing.scale), config.crop_margin, side)
                for i, b in boxes.items()
            ]
        )
    rows = np.array(crops)
    if config.clip_frames > 1:
        return np.array([engine.run(track).logit.mean() for track in rows])
    # All wears in one run, for short batches are padded.
    logits = engine.run(rows.reshape(-1, side, side, 3)).logit.reshape(rows.shape[:2])
    return np.asarray(logits.mean(axis=1), np.float64)


def tasks(people: Sequence[Portrait]) -> list[WornTask]:
    """Tasks for one untouched and one forged clip of each portrait."""
    clips = []
    for clip in made_clips.tasks(people, ROBUSTNESS):
        face_px = min(FACE_PX[1], max(FACE_PX[0], face_width(clip.portrait.box_xyxy)))
        recipe = replace(
            clip.recipe,
            size=(2 * round(face_px * 1.1), 2 * round(face_px * 1.2)),
            frames=FRAMES,
            face_px=face_px,
            forged_s=None if clip.recipe.forged_s is None else (0.0, FRAMES / clip.recipe.fps),
            wear=NO_WEAR,
            crf=PLAIN_CRF,
        )
        clips.append(replace(clip, recipe=recipe))
    return [
        WornTask(tuple(clips[i : i + CLIPS_A_TASK])) for i in range(0, len(clips), CLIPS_A_TASK)
    ]


def table(
    done: Sequence[WornTask], scored: Sequence[Floats], fitted: Calibration | None, resamples: int
) -> EvaluationTable:
    """One row a wear: the AUC, what of it is lost against the plain clips (paired), and the
    untouched clips at or above the threshold."""
    clips = [clip for task in done for clip in task.clips]
    scores = np.concatenate(list(scored))
    known = ~np.isnan(scores).any(axis=1)
    scores = scores[known]
    labels = np.array([clip.record.label for clip in clips], np.int64)[known]
    groups = np.array([clip.portrait.identity for clip in clips])[known]

    def loss(column: int) -> Number:
        if not 0 < labels.sum() < len(labels):
            return UNMEASURED
        found = comparison.paired(
            scores[:, 0], scores[:, column], labels, groups, resamples=resamples
        )
        return Number(found.difference, *found.interval, len(labels), 0.0)

    rows = []
    for column, wearing in enumerate(WEARS):
        shown = np.zeros(len(labels), bool)
        sample = Sample(scores[:, column], labels, groups, shown, fitted, resamples)
        rows.append(
            (
                wearing.name,
                sample.number("auc"),
                REFERENCE if column == 0 else loss(column),
                sample.called_fake(0),
            )
        )
    return EvaluationTable(
        "robustness",
        "Robustness",
        f"{int((labels == 0).sum())} untouched and {int(labels.sum())} forged clips of "
        f"{len(np.unique(groups))} test people, {FRAMES} frames each, forged throughout, worn in "
        "one way at a time. Chance is an AUC of 0.5; a loss is that against the plain clips.",
        ("wear", "AUC", "loss of AUC", "untouched at or above the threshold"),
        tuple(rows),
    )
