"""Licensed portraits as training material: who may be used, who is in which split, where the face
is.

People are split by a hash of their identity, so the split needs no file, never changes when the
folder grows, and puts every picture of a person on one side: 70 % train, 10 % validation, 20 %
test.
"""

from __future__ import annotations

import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain.errors import SettingError
from dfexplain.faces import FaceDetector

__all__ = ["Portrait", "data_root", "load", "split_of"]

SPLITS = ("train", "val", "test")
# A larger picture gains nothing: no crop is wider than this, and memory is dear.
MAX_SIDE_PX = 640


@dataclass(frozen=True)
class Portrait:
    """One picture: `rgb` (H, W, 3), the face's box (4,) and five landmarks (5, 2) in pixels."""

    file: str
    identity: str
    licence: str
    split: str
    rgb: NDArray[np.uint8]
    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]


def split_of(identity: str) -> str:
    """The split of a person: first 32 bits of sha256(identity) modulo 10; 8 val, 7 and 9 test."""
    rest = int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16) % 10
    return {7: "test", 8: "val", 9: "test"}.get(rest, "train")


def data_root(given: Path | None) -> Path:
    """The folder with portraits.csv: the one given, or the one DFEXPLAIN_DATA names."""
    root = given or Path(os.environ.get("DFEXPLAIN_DATA", ""))
    if not (root / "portraits.csv").is_file():
        raise SettingError(
            f"the data folder must hold portraits.csv, but got '{root}'. "
            "Set DFEXPLAIN_DATA or pass --data (docs/data.md says how to build it)."
        )
    return root


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise SettingError(f"portraits must be readable pictures, but got '{path.name}'.")
    scale = MAX_SIDE_PX / max(bgr.shape[:2])
    if scale < 1.0:
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def load(root: Path, splits: tuple[str, ...], cache_dir: Path) -> list[Portrait]:
    """Read the portraits of `splits`, each with its largest face; boxes are cached in `cache_dir`.

    Pictures in which no face is found are left out and named in `portraits_skipped.csv` there.
    """
    # OpenCV's threads do not survive the fork of the loaders' workers, which would wait for ever.
    cv2.setNumThreads(0)
    with (root / "portraits.csv").open(newline="", encoding="utf-8") as handle:
        rows = [r for r in csv.DictReader(handle) if split_of(r["identity"]) in splits]
    cache_dir.mkdir(parents=True, exist_ok=True)
    cache = cache_dir / f"faces-{'-'.join(splits)}.npz"
    known: dict[str, NDArray[np.float32]] = {}
    if cache.is_file():
        with np.load(cache) as stored:
            known = {name: stored[name] for name in stored.files}
    detector = FaceDetector()
    portraits, skipped = [], []
    for row in rows:
        rgb = _read_rgb(root / "portraits" / row["file"])
        if row["file"] not in known:
            faces = detector.detect([rgb])[0]
            found = np.zeros((0, 2), np.float32)
            if len(faces):
                extent = faces.box_xyxy[:, 2:] - faces.box_xyxy[:, :2]
                best = int(np.argmax(extent.prod(axis=1)))
                found = np.vstack([faces.box_xyxy[best].reshape(2, 2), faces.landmarks_xy[best]])
            known[row["file"]] = found
        geometry = known[row["file"]]
        if not len(geometry):
            skipped.append(row["file"])
            continue
        portraits.append(
            Portrait(
                file=row["file"],
                identity=row["identity"],
                licence=row["licence"],
                split=split_of(row["identity"]),
                rgb=rgb,
                box_xyxy=geometry[:2].reshape(4),
                landmarks_xy=geometry[2:],
            )
        )
    np.savez(cache, **known)  # type: ignore[arg-type]
    with (cache_dir / "portraits_skipped.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["file", "reason"], *([f, "no face"] for f in skipped)])
    return portraits
