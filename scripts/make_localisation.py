"""Make examples/localisation: forged faces of which it is known where they are forged.

    DFEXPLAIN_DATA=../shared/data python scripts/make_localisation.py

Writes JPEGs, their masks and crops.csv. `dfexplain explain-benchmark` measures heatmaps on them.
The parts (one eye, mouth, half of the face, all of it) and the six recipes take turns. Crops are
worn mildly, as a good video would be: the codec's own edges must not hide the forgery, nor show it.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dfexplain.encode import h264_roundtrip
from dfexplain.explain import truth
from dfexplain.explain.truth import FORGED_FROM, OFF_CENTRE, STORED_MARGIN, STORED_PX
from dfexplain.faces import face_square
from dfexplain.tracks import crop_face
from train import portraits
from train.forgeries import RECIPES, Forger
from train.portraits import Portrait

Image = NDArray[np.uint8]
SEED = 9_501
PARTS = (*OFF_CENTRE, "hull")
EACH = 72
# Half of the crops go through H.264 first; what is stored is a JPEG.
CRF, QUALITY = (18, 25), (86, 94)
MASK_PX = STORED_PX // 2
# A forgery is drawn again until it changes its part by so much and by so many times what it changes
# elsewhere (root mean square in grey levels, after the wear), and leaves the middle of the crop
# free where it should: so far from it, in shares of the crop's side, and of so much of its area.
# A recipe that cannot be seen in TRIES draws (a smooth face smoothed) gives way to the next.
VISIBLE, TIMES, CLEAR, SMALLEST, TRIES = 4.0, 4.0, 0.02, 0.02, 24
# Sets of portraits of which pictures are in this repository already (NOTICE).
SETS = ("congress", "london")


def chosen(people: list[Portrait]) -> list[Portrait]:
    """One portrait a person."""
    first = {p.identity: p for p in reversed(people) if p.file.split("/")[0] in SETS}
    return sorted(first.values(), key=lambda p: p.file)


def cut(picture: Image, person: Portrait) -> Image:
    """The stored crop of a portrait."""
    return crop_face(picture, person.box_xyxy, STORED_MARGIN, STORED_PX)


def jpeg(rgb: Image, quality: int) -> bytes:
    """The crop as it is stored."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), settings)
    assert done
    return data.tobytes()


def decoded(data: bytes) -> NDArray[np.float32]:
    """What a reader sees of a stored crop."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.float32)


def fits(mask: Image, part: str) -> bool:
    """Whether the part, as a mask (S, S) of 0 to 255, has a fair size and leaves the middle free
    where it should."""
    forged = mask >= 255 * FORGED_FROM
    reach = round(STORED_PX * CLEAR)
    middle = slice(STORED_PX // 2 - reach, STORED_PX // 2 + reach)
    return forged.mean() > SMALLEST and bool(forged[middle, middle].any()) == (part == "hull")


def make(root: Path, cache: Path, out: Path) -> None:
    """Make all crops, masks and their table."""
    people = chosen(portraits.load(root, ("test",), cache))
    forger = Forger([(p.rgb, p.landmarks_xy) for p in people])
    for name in ("crops", "masks"):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir(parents=True)
    rows = []
    for number in range(EACH * len(PARTS)):
        person, part = people[number % len(people)], PARTS[number % len(PARTS)]
        turn = number // len(PARTS)
        for attempt in range(TRIES * len(RECIPES)):
            recipe = RECIPES[(turn + attempt // TRIES) % len(RECIPES)]
            rng = np.random.default_rng((SEED, number, attempt))
            donor = people[int(rng.integers(len(people)))]
            forgery = forger.draw(
                (person.rgb, person.landmarks_xy),
                (donor.rgb, donor.landmarks_xy),
                rng,
                recipe=recipe,
                kind=part,
                keep_surroundings=True,
            )
            share = np.round(255 * forgery.mask / max(float(forgery.mask.max()), 1e-6))
            mask = cut(np.repeat(np.uint8(share)[..., None], 3, axis=2), person)[..., 0]
            if not fits(mask, part):
                continue
            crops = [cut(person.rgb, person), cut(forgery.rgb, person)]
            if rng.random() < 0.5:
                crf = int(rng.integers(*CRF))
                crops = [h264_roundtrip([crop], crf, "veryfast")[0] for crop in crops]
            quality = int(rng.integers(*QUALITY))
            real, forged = (jpeg(crop, quality) for crop in crops)
            change = (decoded(forged) - decoded(real)) ** 2
            inside = float(np.sqrt(change[mask >= 255 * FORGED_FROM].mean()))
            outside = float(np.sqrt(change[mask == 0].mean()))
            if inside >= max(VISIBLE, TIMES * outside):
                break
        else:
            raise SystemExit(f"no forgery of the {part} of {person.identity} can be seen")
        name = f"{person.identity}-{part}"
        (out / "crops" / f"{name}.jpg").write_bytes(forged)
        small = cv2.resize(mask, (MASK_PX, MASK_PX), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(out / "masks" / f"{name}.png"), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        left, top, side = face_square(person.box_xyxy, STORED_MARGIN)
        points = (person.landmarks_xy - (left, top)) * (STORED_PX / side)
        rows.append(
            (
                f"crops/{name}.jpg", f"masks/{name}.png", person.identity, part, forgery.recipe,
                *(f"{v:.1f}" for v in points.ravel()), f"{inside:.1f}", f"{outside:.1f}",
            )
        )  # fmt: skip
    with (out / truth.TABLE).open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerows([truth.COLUMNS, *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    parser.add_argument(
        "--cache", type=Path, default=Path(".cache/localisation"), help="of faces in portraits"
    )
    parser.add_argument("--out", type=Path, default=Path("examples/localisation"))
    arguments = parser.parse_args()
    make(portraits.data_root(arguments.data), arguments.cache, arguments.out)
