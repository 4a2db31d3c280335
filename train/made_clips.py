"""Clips made of validation portraits, to calibrate on: one untouched and one forged of each."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfexplain import video
from dfexplain.detector import Detector
from train.clips import ClipRecipe, draw_recipe, render
from train.portraits import Portrait
from train.records import VideoRecord
from train.scores import ScoredVideo, score_video

__all__ = ["CLIP_SEED", "SWAP_SHARE", "ClipTask", "tasks"]

CLIP_SEED = 8_001
SWAP_SHARE = 0.25
CRF_BANDS = ((18, 23), (24, 29), (30, 36))


@dataclass(frozen=True)
class ClipTask:
    """A clip to make and to score; `rng` is where drawing has come to after the recipe."""

    record: VideoRecord
    portrait: Portrait
    donor: Portrait | None
    recipe: ClipRecipe
    rng: np.random.Generator

    def __call__(self, detector: Detector) -> ScoredVideo:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            frames = render(self.portrait, self.recipe, self.rng, self.donor)
            recipe = self.recipe
            video.write(path, frames, recipe.fps, crf=recipe.crf, preset="veryfast")
            return score_video(detector, self.record, path)


def _record(portrait: Portrait, recipe: ClipRecipe, donor: Portrait | None) -> VideoRecord:
    forged = recipe.forged_s is not None
    low, high = next(band for band in CRF_BANDS if band[0] <= recipe.crf <= band[1])
    return VideoRecord(
        path=f"{'forged' if forged else 'untouched'}/{portrait.file}.mp4",
        label=int(forged),
        dataset="made clips",
        identities=(portrait.identity,),
        method=("swapped" if donor else "self-blended") if forged else "",
        compression=f"H.264 CRF {low} to {high}",
    )


def tasks(people: Sequence[Portrait]) -> list[ClipTask]:
    """Two clips a portrait; each follows from its place in `people` and from nothing else."""
    out = []
    for i, portrait in enumerate(people):
        for label in (0, 1):
            rng = np.random.default_rng((CLIP_SEED, i, label))
            recipe = draw_recipe(portrait, bool(label), rng)
            donor = None
            if label and rng.random() < SWAP_SHARE:
                donor = people[int(rng.integers(len(people)))]
            out.append(ClipTask(_record(portrait, recipe, donor), portrait, donor, recipe, rng))
    return out
