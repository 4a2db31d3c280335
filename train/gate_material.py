"""Clips that must get no probability: cartoons, tiny faces, upside-down faces, noise.

They are made from portraits of people whom nobody trained or measured on, and move and wear like
the made clips that count as good. `ScoredVideo.withdrawn` tells what became of each; a clip in
which no face is found has no probability either.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.detector import Detector
from train import cartoons
from train.clips import ClipRecipe, draw_recipe, render
from train.portraits import Portrait
from train.records import VideoRecord
from train.samples import face_width
from train.scores import ScoredVideo, score_video

__all__ = ["GATE_SEED", "KINDS", "GateTask", "tasks"]

Image = NDArray[np.uint8]

GATE_SEED = 8_101
# Frames of a clip: more than a verdict needs.
FRAMES = 12
SMALL_PX, SMALL_FRAME = 20.0, (320, 240)
# Each kind with its ways, which take turns.
KINDS = {
    "cartoon": ("comic", "poster", "line", "comic", "poster", "drawn"),
    "small": ("20 px",),
    "inverted": ("180 degrees",),
    "noise": ("static", "static", "salt", "white", "coloured"),
}


@dataclass(frozen=True)
class GateTask:
    """A clip of one of `KINDS`, to make and to score."""

    record: VideoRecord
    portrait: Portrait
    kind: str
    way: str
    recipe: ClipRecipe
    seed: tuple[int, ...]

    def __call__(self, detector: Detector) -> ScoredVideo:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            video.write(
                path, self.frames(), self.recipe.fps, crf=self.recipe.crf, preset="veryfast"
            )
            return score_video(detector, self.record, path)

    def frames(self) -> Iterator[Image]:
        """The frames (H, W, 3) before the codec."""
        rng = np.random.default_rng(self.seed)
        if self.kind == "noise":
            yield from _noisy(self.way, self.portrait, self.recipe, rng)
            return
        portrait = self.portrait
        if self.kind == "cartoon":
            width = face_width(portrait.box_xyxy)
            portrait = replace(portrait, rgb=cartoons.draw_over(portrait.rgb, self.way, width, rng))
        if self.kind == "inverted":
            portrait = _turned(portrait)
        for frame in render(portrait, self.recipe, rng):
            yield _framed(frame, portrait) if self.kind == "small" else frame


def _turned(portrait: Portrait) -> Portrait:
    """The portrait turned by 180 degrees."""
    size = np.array(portrait.rgb.shape[1::-1], np.float32)
    box = portrait.box_xyxy
    return replace(
        portrait,
        rgb=np.ascontiguousarray(portrait.rgb[::-1, ::-1]),
        box_xyxy=np.concatenate([size - box[2:], size - box[:2]]),
        landmarks_xy=size - portrait.landmarks_xy,
    )


def _framed(frame: Image, portrait: Portrait) -> Image:
    """A small picture in the middle of a frame shaded from the colours of its borders."""
    rows = np.linspace(portrait.rgb[:4].mean((0, 1)), portrait.rgb[-4:].mean((0, 1)), num=3)
    shade = cv2.resize(rows[:, None].astype(np.float32), SMALL_FRAME)
    out = np.asarray(np.round(shade), np.uint8)
    height, width = frame.shape[:2]
    top, left = (out.shape[0] - height) // 2, (out.shape[1] - width) // 2
    out[top : top + height, left : left + width] = frame
    return out


def _noisy(
    way: str, portrait: Portrait, recipe: ClipRecipe, rng: np.random.Generator
) -> Iterator[Image]:
    """Noise over the face ("static" of some strength, "salt" and pepper) or noise alone."""
    strength = float(rng.uniform(45, 110))
    share = float(rng.uniform(0.15, 0.4))
    slope = float(rng.uniform(0.5, 1.2))
    alone: dict[str, Callable[[], NDArray[np.float32]]] = {
        "white": lambda: rng.standard_normal((*recipe.size[::-1], 3), np.float32),
        "coloured": lambda: _coloured(recipe.size, slope, rng),
    }
    if way in alone:
        for _ in range(recipe.frames):
            yield np.asarray(np.clip(128.0 + 64.0 * alone[way](), 0, 255), np.uint8)
        return
    for frame in render(portrait, recipe, rng):
        if way == "salt":
            hit = rng.random(frame.shape[:2]) < share
            out = frame.copy()
            out[hit] = rng.choice(np.array([0, 255], np.uint8), size=(int(hit.sum()), 1))
            yield out
        else:
            grain = rng.standard_normal(frame.shape, np.float32)
            yield np.asarray(np.clip(frame + np.float32(strength) * grain, 0, 255), np.uint8)


def _coloured(size: tuple[int, int], slope: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise (H, W, 3) whose amplitude falls as frequency to the power of `slope`, of variance 1."""
    width, height = size
    spectrum = np.fft.rfft2(rng.standard_normal((height, width, 3)), axes=(0, 1))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    spectrum *= np.maximum(radius, 1.0 / max(size))[..., None] ** -slope
    out = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    return np.asarray((out - out.mean()) / out.std(), np.float32)


def tasks(
    people: Sequence[Portrait], *, seed: int = GATE_SEED, kinds: Sequence[str] = tuple(KINDS)
) -> list[GateTask]:
    """One clip of each kind a portrait, kind by kind; each follows from `seed`, its kind and its
    place in `people` alone."""
    out = []
    for kind in kinds:
        ways = KINDS[kind]
        for i, portrait in enumerate(people):
            way = ways[i % len(ways)]
            own = (seed, list(KINDS).index(kind), i)
            drawn = draw_recipe(portrait, False, np.random.default_rng((*own, 0)))
            recipe = replace(drawn, frames=FRAMES)
            if kind == "small":
                recipe = replace(recipe, face_px=SMALL_PX, size=(48, 56))
            record = VideoRecord(
                path=f"{kind}/{way}/{portrait.file}.mp4",
                label=None,
                dataset="gate",
                identities=(portrait.identity,),
                method=f"{kind}: {way}",
                compression=f"H.264 CRF {recipe.crf}",
            )
            out.append(GateTask(record, portrait, kind, way, recipe, (*own, 1)))
    return out
