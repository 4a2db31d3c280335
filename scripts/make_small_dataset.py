"""Make a small labelled video data set to try the training commands on.

    DFEXPLAIN_DATA=../shared/data python scripts/make_small_dataset.py --out outputs/small
    python scripts/make_small_dataset.py --out outputs/small --layout dfdc

Each person sways before a still camera: once as they are, once with a face forged on purpose
coarsely (a small network must see it after a minute of training). Where no portraits are given the
people of the shipped examples and of tests/data/portraits stand in, several clips each. It shows
that the commands work and measures nothing.

Layout `folder` is real/ and fake/<method>/ with videos.csv beside, which names people and sources.
Layout `dfdc` is dfdc_train_part_0 with metadata.json; people.csv beside says who is who.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
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
from dfexplain.faces import FaceDetector
from dfexplain.structures import Sampling
from train import portraits
from train.clips import MovingPortrait
from train.portraits import Portrait
from train.records import VideoRecord, write_videos
from train.samples import face_width
from train.sbi import forge

Image = NDArray[np.uint8]
ROOT = Path(__file__).resolve().parent.parent

FPS, FRAMES = 12.0, 18
SIZE = (220, 240)
FACE_PX = 120.0
CRF = 20
# The forged face is made at so many pixels across, as small generators do, and enlarged.
FAKE_FACE_PX = 34.0
CLEAR_LEVELS = 9.0
BURNT_PX = 40  # frame numbers stand in the top lines of an example
SEED = 42


@dataclass(frozen=True)
class Clip:
    """One clip to make: of whom, with which forgery, from whose face."""

    name: str
    person: Portrait
    number: int
    method: str = ""
    donor: Portrait | None = None


def people_of(root: Path, count: int) -> list[Portrait]:
    """One portrait each of `count` people; people whom the shipped weights never saw come first."""
    with (root / "portraits.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    first = {row["identity"]: row for row in reversed(rows)}
    order = ("test", "val", "train")
    named = sorted(first, key=lambda who: (order.index(portraits.split_of(who)), who))
    with tempfile.TemporaryDirectory() as folder:
        # A few more than asked for: not in every picture a face is found.
        chosen = [first[who] for who in named[: count + max(3, count // 10)]]
        with (Path(folder) / "portraits.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(chosen)
        (Path(folder) / "portraits").symlink_to((root / "portraits").resolve())
        return portraits.load(Path(folder), order, Path(folder))[:count]


def shipped_people() -> list[Portrait]:
    """The people of the examples' first frames, which are real, and of the tests' portraits."""
    pictures = {}
    for name in ("untouched", "forged", "two_people"):
        with video.sample(ROOT / "examples" / f"{name}.mp4", Sampling(frames=None, fps=1)) as clip:
            rgb = next(iter(clip)).rgb[BURNT_PX:]
        halves = np.split(rgb, max(1, rgb.shape[1] // 384), axis=1)
        pictures |= {f"{name}-{i}": half for i, half in enumerate(halves)}
    for path in sorted((ROOT / "tests/data/portraits").glob("*.jpg")):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        pictures[path.stem] = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    found = []
    for name, rgb in pictures.items():
        faces = FaceDetector().detect([np.ascontiguousarray(rgb)])[0]
        found.append(Portrait(name, name, "", "", rgb, faces.box_xyxy[0], faces.landmarks_xy[0]))
    return found


def plan(people: list[Portrait], count: int, swaps: bool) -> Iterator[Clip]:
    """A real clip and a fake of it for each of `count` turns through the people.

    Every other pair of people is swapped with each other, where `swaps`; pairs stay pairs, so that
    people can still be split.
    """
    for turn in range(count):
        place, again = turn % len(people), turn // len(people)
        person, name = people[place], f"p{place:03d}_{again}"
        partner = place ^ 1
        swap = swaps and place % 4 < 2 and partner < len(people)
        yield Clip(name, person, turn)
        method, donor = ("swap", people[partner]) if swap else ("self-blend", None)
        yield Clip(name, person, turn, method, donor)


def coarse(picture: Image, face_px: float) -> Image:
    """The picture as if its face had been made FAKE_FACE_PX wide."""
    share = min(1.0, FAKE_FACE_PX / face_px)
    size = (max(8, round(picture.shape[1] * share)), max(8, round(picture.shape[0] * share)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8
    )


def forged(clip: Clip) -> Image:
    """The first forgery from the clip's number on that is clear to see."""
    person, donor = clip.person, clip.donor
    for seed in range(100):
        made = forge(
            person.rgb,
            person.landmarks_xy,
            np.random.default_rng((SEED, clip.number, seed)),
            kind="hull",
            donor=None if donor is None else (donor.rgb, donor.landmarks_xy),
            keep_surroundings=True,
        )
        change = np.abs(made.rgb.astype(np.float32) - person.rgb)[made.mask > 0.5]
        if float(made.mask.max()) > 0.99 and float(change.mean()) >= CLEAR_LEVELS:
            soft = coarse(made.rgb, face_width(person.box_xyxy)).astype(np.float32)
            weight = made.mask[..., None]
            blended = soft * weight + made.rgb * (1.0 - weight)
            return np.asarray(np.clip(np.round(blended), 0, 255), np.uint8)
    raise RuntimeError(f"no clear forgery of {person.file}")


def frames(clip: Clip) -> Iterator[Image]:
    """The frames (H, W, 3): a fake moves otherwise than its original, in the same light.

    Light and mirroring are the clip's own, so that few people give many kinds of pictures.
    """
    scene = np.random.default_rng((SEED, clip.number))
    gains, mirrored = scene.uniform(0.8, 1.2, 3) * scene.uniform(0.85, 1.1), scene.random() < 0.5
    rng = np.random.default_rng((SEED, clip.number, int(bool(clip.method))))
    mover = MovingPortrait(clip.person, size=SIZE, face_px=FACE_PX, rng=rng)
    picture = mover.prepare(forged(clip) if clip.method else clip.person.rgb)
    for number in range(FRAMES):
        rgb = mover.frame(picture, number / FPS, cv2.BORDER_REFLECT_101).astype(np.float32)
        rgb = (rgb[:, ::-1] if mirrored else rgb) * gains + rng.normal(0.0, 1.5, rgb.shape)
        yield np.asarray(np.clip(np.round(rgb), 0, 255), np.uint8)


def make(out: Path, *, people: int = 60, layout: str = "folder", data: Path | None = None) -> int:
    """Write the data set into `out`; the number of clips."""
    named = data or (Path(os.environ["DFEXPLAIN_DATA"]) if "DFEXPLAIN_DATA" in os.environ else None)
    if named is not None:
        cast = people_of(portraits.data_root(named), people)
    else:
        cast = shipped_people()[:people]
    records = []
    part = "dfdc_train_part_0"
    for clip in plan(cast, people, swaps=named is not None):
        original = f"real/{clip.name}.mp4"
        path = f"fake/{clip.method}/{clip.name}.mp4" if clip.method else original
        if layout == "dfdc":
            original = f"{part}/{clip.name}r.mp4"
            path = f"{part}/{clip.name}f.mp4" if clip.method else original
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        video.write(out / path, frames(clip), FPS, crf=CRF, preset="veryfast")
        shown = [clip.person] + ([clip.donor] if clip.donor else [])
        dataset = "dfdc" if layout == "dfdc" else "small"
        records.append(
            VideoRecord(
                path=path,
                label=int(bool(clip.method)),
                dataset=dataset,
                identities=tuple(who.identity for who in shown),
                source_id=f"{dataset}:{original}",
                method=clip.method,
            )
        )
    write_videos(out / ("people.csv" if layout == "dfdc" else "videos.csv"), records)
    if layout == "dfdc":
        facts = {
            Path(r.path).name: {"label": "FAKE", "split": "train"}
            | {"original": r.source_id.rpartition("/")[2]}
            if r.label
            else {"label": "REAL", "split": "train"}
            for r in records
        }
        (out / part / "metadata.json").write_text(json.dumps(facts), encoding="utf-8")
    return len(records)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--people", type=int, default=60, help="pairs of clips [60]")
    parser.add_argument("--layout", choices=("folder", "dfdc"), default="folder")
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    arguments = parser.parse_args()
    made = make(
        arguments.out, people=arguments.people, layout=arguments.layout, data=arguments.data
    )
    print(f"{arguments.out}: {made} clips")
