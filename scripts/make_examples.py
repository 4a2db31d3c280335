"""Make the clips in examples/ from licensed portraits of people who are in no training split.

    DFEXPLAIN_DATA=../shared/data python scripts/make_examples.py

Writes examples/*.mp4 and, into tests/data/examples, truth.json and the forged share of every frame
(<clip>.masks.npz: `masks` (F, h, w) uint8 at a quarter of the frame's size, 255 where forged).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dfexplain import video
from train import portraits
from train.clips import MovingPortrait
from train.portraits import Portrait
from train.sbi import Forgery, forge

Image = NDArray[np.uint8]

FPS = 25.0
SECONDS = 8.0
PANEL = (384, 384)
FACE_PX = 200.0
CRF = 21
CLEAR_LEVELS = 15.0
SQUARE_PX = 12
BITS = 12


@dataclass(frozen=True)
class Person:
    """One person of a clip: which portrait, the forged span in seconds, if any, and what of the
    face is forged in it (`train.sbi.KINDS`). In one clip it is a half that leaves the middle of the
    crop free: where all of a face is forged, no map is told from the middle."""

    file: str
    seed: int
    forged_s: tuple[float, float] | None = None
    kind: str = "hull"


CLIPS: dict[str, tuple[Person, ...]] = {
    "untouched": (Person("london/smiling_front_037_08.jpg", 11),),
    "forged": (Person("london/neutral_front_097_03.jpg", 38, (2.6, 5.4)),),
    "two_people": (
        Person("london/neutral_front_082_03.jpg", 31),
        Person("london/smiling_front_039_08.jpg", 41, (3.6, 6.6), "half"),
    ),
}


def burn_number(rgb: Image, number: int) -> None:
    """Write a frame number into the top left corner, as digits and as BITS squares, most first."""
    for bit in range(BITS):
        value = 235 if number >> (BITS - 1 - bit) & 1 else 20
        rgb[4 : 4 + SQUARE_PX, 4 + bit * SQUARE_PX : 4 + (bit + 1) * SQUARE_PX] = value
    cv2.putText(
        rgb,
        f"{number:04d}",
        (4, 34),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.5,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )


def clear_forgery(portrait: Portrait, person: Person) -> Forgery:
    """The first forgery from the person's seed on that a viewer can see once told.

    Blending ratio 1, and a mean change inside the mask of at least CLEAR_LEVELS. The seeds to begin
    with were chosen so that the shipped weights find the forgeries: the clips show how the tool
    speaks and measure nothing.
    """
    for seed in range(person.seed, person.seed + 100):
        made = forge(
            portrait.rgb,
            portrait.landmarks_xy,
            np.random.default_rng(seed),
            kind=person.kind,
            keep_surroundings=True,
        )
        change = np.abs(made.rgb.astype(np.float32) - portrait.rgb)[made.mask > 0.5]
        if float(made.mask.max()) > 0.99 and float(change.mean()) >= CLEAR_LEVELS:
            return made
    raise RuntimeError(f"no clear forgery from seed {person.seed} on")


class Panel:
    """One person's part of the frame."""

    def __init__(self, portrait: Portrait, person: Person) -> None:
        rng = np.random.default_rng(person.seed)
        self.person = person
        self.mover = MovingPortrait(portrait, size=PANEL, face_px=FACE_PX, rng=rng)
        self.real = self.mover.prepare(portrait.rgb)
        self.forgery = clear_forgery(portrait, person) if person.forged_s else None
        if self.forgery is not None:
            self.fake = self.mover.prepare(self.forgery.rgb)
            self.mask = self.mover.prepare(self.forgery.mask)

    def frame(self, time_s: float) -> tuple[Image, Image]:
        """The picture (H, W, 3) and its mask (H/4, W/4) at a time."""
        span = self.person.forged_s
        inside = span is not None and span[0] <= time_s < span[1]
        picture = self.mover.frame(
            self.fake if inside else self.real, time_s, cv2.BORDER_REFLECT_101
        )
        mask = np.zeros((PANEL[1], PANEL[0]), np.float32)
        if inside:
            mask = np.asarray(self.mover.frame(self.mask, time_s, cv2.BORDER_CONSTANT), np.float32)
        small = cv2.resize(mask, (PANEL[0] // 4, PANEL[1] // 4), interpolation=cv2.INTER_AREA)
        return np.asarray(picture, np.uint8), np.asarray(np.round(small * 255), np.uint8)


def people_clip(panels: list[Panel], number_burnt: bool) -> Iterator[tuple[Image, Image]]:
    """Frames and masks of a clip whose people stand side by side, with sensor noise."""
    rng = np.random.default_rng(5)
    for number in range(round(SECONDS * FPS)):
        pictures, masks = zip(*(panel.frame(number / FPS) for panel in panels), strict=True)
        rgb = np.concatenate(pictures, axis=1).astype(np.float32)
        rgb += rng.normal(0.0, 1.5, rgb.shape)
        frame = np.asarray(np.clip(np.round(rgb), 0, 255), np.uint8)
        if number_burnt:
            burn_number(frame, number)
        yield frame, np.concatenate(masks, axis=1)


def faceless_clip() -> Iterator[Image]:
    """Four seconds of drifting hills under a sky."""
    x = np.arange(480, dtype=np.float32)
    y = np.arange(270, dtype=np.float32)[:, None]
    rng = np.random.default_rng(9)
    for number in range(round(4 * FPS)):
        t = number / FPS
        frame = np.empty((270, 480, 3), np.float32)
        frame[:] = np.stack([110 + y * 0.3, 160 + y * 0.2, 215 - y * 0.1], axis=2)
        for layer, colour in enumerate(((96, 122, 130), (72, 104, 84), (48, 76, 52))):
            crest = 120 + 45 * layer + 22 * np.sin(x / (70 - 12 * layer) + t * (0.4 + 0.3 * layer))
            crest += 7 * np.sin(x / 17 + 2 * layer + t * (0.6 + 0.3 * layer))
            frame[y[:, 0][:, None] >= crest[None, :]] = colour
        frame += rng.normal(0, 2.0, frame.shape)
        yield np.asarray(np.clip(np.round(frame), 0, 255), np.uint8)


def make(root: Path, out: Path, facts: Path) -> None:
    """Make all clips and truth.json."""
    for folder in (out, facts):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        people = {p.file: p for p in portraits.load(root, ("test",), Path(cache))}
    truth = {}
    for name, cast in CLIPS.items():
        panels = [Panel(people[person.file], person) for person in cast]
        masks: list[Image] = []

        def frames(
            panels: list[Panel] = panels, masks: list[Image] = masks, name: str = name
        ) -> Iterator[Image]:
            for rgb, mask in people_clip(panels, number_burnt=name == "untouched"):
                masks.append(mask)
                yield rgb

        video.write(out / f"{name}.mp4", frames(), FPS, crf=CRF)
        truth[f"{name}.mp4"] = {
            "frames": round(SECONDS * FPS),
            "fps": FPS,
            "people": [
                {
                    "portrait": person.file,
                    "centre_x_px": PANEL[0] * (i + 0.5),
                    "forged_s": list(person.forged_s) if person.forged_s else None,
                }
                for i, person in enumerate(cast)
            ],
        }
        if any(person.forged_s for person in cast):
            np.savez_compressed(facts / f"{name}.masks.npz", masks=np.stack(masks))
    video.write(out / "no_face.mp4", faceless_clip(), FPS, crf=CRF)
    truth["no_face.mp4"] = {"frames": round(4 * FPS), "fps": FPS, "people": []}
    (facts / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    parser.add_argument("--out", type=Path, default=Path("examples"))
    parser.add_argument("--facts", type=Path, default=Path("tests/data/examples"))
    arguments = parser.parse_args()
    make(portraits.data_root(arguments.data), arguments.out, arguments.facts)
