"""Clips made of portraits of one split: untouched ones, and as many forged by all recipes in turn.

The clips of validation people calibrate, those of test people measure a release. Studio portraits
are no video: as many clips are filmed, by cameras that are drawn (`train.camera`), and half of
their people pull a face (`train.reshape`). Seeds are fixed:
a clip follows from its seed, the person's place in the list and its number, and from nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.detector import Detector
from dfexplain.encode import h264_roundtrip
from train.camera import draw_camera
from train.clips import ClipRecipe, MovingPortrait, draw_recipe, render
from train.forgeries import RECIPES, Forger
from train.portraits import Portrait
from train.records import VideoRecord
from train.reshape import reshape
from train.samples import TRIES, VISIBLE
from train.sbi import Forgery
from train.scores import ScoredVideo, score_video

__all__ = [
    "CALIBRATION",
    "FILMED",
    "FILMED_CALIBRATION",
    "FILMED_RELEASE",
    "PLAIN",
    "RELEASE",
    "ClipSet",
    "ClipTask",
    "forged_visibly",
    "tasks",
]

Image = NDArray[np.uint8]

CRF_BANDS = ((18, 21), (22, 25), (26, 30))


@dataclass(frozen=True)
class ClipSet:
    """Which clips are made: `each` untouched and as many forged ones a portrait, from `seed`;
    `filmed` ones as video cameras take people who speak."""

    seed: int
    each: int
    filmed: bool = False


# Probabilities and threshold stand on both, half and half, the limits of the gate on plain clips.
CALIBRATION = ClipSet(seed=8_001, each=4)
FILMED_CALIBRATION = ClipSet(seed=8_401, each=4, filmed=True)
RELEASE = ClipSet(seed=8_201, each=4)
FILMED_RELEASE = ClipSet(seed=8_501, each=2, filmed=True)
# What the records of both call their data set.
PLAIN, FILMED = "made clips", "filmed clips"
# Share of the filmed people who pull a face.
EXPRESSIONS = 0.5


@dataclass(frozen=True)
class ClipTask:
    """A clip to make and to score; `seed` is that of its movement and of its forgery. With
    `grimace` it shows a person who pulls a face."""

    record: VideoRecord
    portrait: Portrait
    donor: Portrait
    forger: Forger
    recipe: ClipRecipe
    seed: tuple[int, ...]
    grimace: bool = False

    def shown(self) -> Portrait:
        """The portrait with the expression that the clip shows."""
        if not self.grimace:
            return self.portrait
        return reshape(self.portrait, np.random.default_rng((*self.seed, 3)), expression=True)

    def frames(self) -> list[Image]:
        """The frames (H, W, 3) before the codec."""
        # Bent once, for the picture and for its forgery.
        bent = replace(self, portrait=self.shown(), grimace=False)
        forgery = None
        if self.recipe.forged_s is not None:
            forgery = forged_visibly(bent)
        return list(render(bent.portrait, self.recipe, np.random.default_rng(self.seed), forgery))

    def __call__(self, detector: Detector) -> ScoredVideo:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            recipe = self.recipe
            video.write(path, self.frames(), recipe.fps, crf=recipe.crf, preset="veryfast")
            return score_video(detector, self.record, path)


def forged_visibly(task: ClipTask) -> Forgery:
    """The clip's forgery, drawn again (at most TRIES times in all) until it can be seen.

    It can be seen if one worn and encoded frame changes by VISIBLE or more where it is forged (root
    mean square, grey levels), as `samples.make_pair` asks of training crops.
    """
    portrait, recipe, donor = task.shown(), task.recipe, task.donor
    rng = np.random.default_rng((*task.seed, 1))
    mover = MovingPortrait(
        portrait, size=recipe.size, face_px=recipe.face_px, rng=np.random.default_rng(task.seed)
    )
    assert recipe.forged_s is not None
    time_s = sum(recipe.forged_s) / 2.0

    def at(picture: NDArray[np.generic], border: int) -> NDArray[np.generic]:
        return mover.frame(mover.prepare(picture), time_s, border)

    for _ in range(TRIES):
        forgery = task.forger.draw(
            (portrait.rgb, portrait.landmarks_xy),
            (donor.rgb, donor.landmarks_xy),
            rng,
            recipe=task.record.method,
            keep_surroundings=True,
        )
        both = [
            np.asarray(at(p, cv2.BORDER_REFLECT_101), np.uint8) for p in (portrait.rgb, forgery.rgb)
        ]
        real, fake = (
            h264_roundtrip([worn], recipe.crf, "veryfast")[0].astype(np.float32)
            for worn in recipe.wear.apply(both, recipe.face_px)
        )
        shown = np.asarray(at(forgery.mask, cv2.BORDER_CONSTANT), np.float32)
        where = shown > 0.5 * float(forgery.mask.max())
        change = (real - fake)[where]
        if change.size and float(np.sqrt((change**2).mean())) >= VISIBLE:
            break
    return forgery


def _record(
    portrait: Portrait, recipe: ClipRecipe, method: str, number: int, dataset: str
) -> VideoRecord:
    low, high = next(band for band in CRF_BANDS if recipe.crf <= band[1])
    return VideoRecord(
        path=f"{method or 'untouched'}/{portrait.file}-{number}.mp4",
        label=int(bool(method)),
        dataset=dataset,
        identities=(portrait.identity,),
        method=method,
        compression=f"H.264 CRF {low} to {high}",
    )


def tasks(people: Sequence[Portrait], chosen: ClipSet = CALIBRATION) -> list[ClipTask]:
    """The clips of all people, untouched and forged in turn; `people` must be of one split, for the
    forgeries learn from their faces. The recipes of forgeries take turns, so each has its share."""
    forger = Forger([(p.rgb, p.landmarks_xy) for p in people])
    out = []
    for i, portrait in enumerate(people):
        others = [p for p in people if p.identity != portrait.identity] or [portrait]
        for number in range(chosen.each):
            for label in (0, 1):
                seed = (chosen.seed, i, number, label)
                rng = np.random.default_rng(seed)
                recipe = draw_recipe(portrait, bool(label), rng)
                grimace = False
                if chosen.filmed:
                    drawn = np.random.default_rng((*seed, 2))
                    recipe = replace(recipe, wear=replace(recipe.wear, camera=draw_camera(drawn)))
                    grimace = bool(drawn.random() < EXPRESSIONS)
                method = RECIPES[(i * chosen.each + number) % len(RECIPES)] if label else ""
                out.append(
                    ClipTask(
                        record=_record(
                            portrait, recipe, method, number, FILMED if chosen.filmed else PLAIN
                        ),
                        portrait=portrait,
                        donor=others[int(rng.integers(len(others)))],
                        forger=forger,
                        recipe=recipe,
                        seed=(*seed, 0),
                        grimace=grimace,
                    )
                )
    return out
