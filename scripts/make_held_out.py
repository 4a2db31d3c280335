"""Make the crops in examples/crops: real and forged faces of people who are in no training split.

    DFEXPLAIN_DATA=../shared/data python scripts/make_held_out.py

Writes JPEGs of 192 px and crops.csv. Each person gives one real crop and its forgery, worn alike;
the six recipes take turns. `python -m train evaluate` measures on them where there are no
portraits.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dfexplain.models import ModelConfig
from train import portraits
from train.forgeries import RECIPES
from train.portraits import Portrait
from train.records import CropRow, VideoRecord, write_crops
from train.samples import PairDataset

SEED = 8_501
PEOPLE = 126
# The crop of weights/default; weights/edge is shown it smaller.
CROP = ModelConfig(crop_px=192, crop_margin=0.15)
QUALITY = 92
# Sets of portraits of which pictures are in this repository already (NOTICE).
SETS = ("congress", "london")


def chosen(people: list[Portrait]) -> list[Portrait]:
    """One portrait a person, PEOPLE of them evenly spread over the sets."""
    first = {p.identity: p for p in reversed(people) if p.file.split("/")[0] in SETS}
    spread = sorted(first.values(), key=lambda p: p.file)
    places = np.linspace(0, len(spread) - 1, min(PEOPLE, len(spread))).astype(int)
    return [spread[i] for i in np.unique(places)]


def make(root: Path, out: Path) -> None:
    """Make all crops and their table."""
    with tempfile.TemporaryDirectory() as cache:
        people = chosen(portraits.load(root, ("test",), Path(cache)))
    for name in ("real", "forged"):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir(parents=True)
    pairs = PairDataset(people, CROP, seed=SEED)
    rows = []
    for index, person in enumerate(people):
        pair = pairs.pair(index, RECIPES[index % len(RECIPES)])
        for label, rgb in enumerate((pair.real, pair.fake)):
            file = f"{('real', 'forged')[label]}/{person.identity}.jpg"
            bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            assert done
            (out / file).write_bytes(data.tobytes())
            record = VideoRecord(
                path=file,
                label=label,
                dataset="held-out crops",
                identities=(person.identity,),
                method=pair.recipe if label else "",
                split="test",
            )
            rows.append(CropRow(record, file))
    write_crops(out / "crops.csv", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    parser.add_argument("--out", type=Path, default=Path("examples/crops"))
    arguments = parser.parse_args()
    make(portraits.data_root(arguments.data), arguments.out)
