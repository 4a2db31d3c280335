"""Small trees laid out like the real data sets. Their videos are empty files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def dfdc(root: Path, *, splits: dict[str, str] | None = None) -> Path:
    """Two parts: three originals and four fakes; one entry has no file, one file no entry."""
    parts = {
        "dfdc_train_part_0": {
            "aaaa.mp4": ("REAL", None),
            "bbbb.mp4": ("FAKE", "aaaa.mp4"),
            "cccc.mp4": ("FAKE", "aaaa.mp4"),
            "gone.mp4": ("FAKE", "aaaa.mp4"),
        },
        "dfdc_train_part_1": {
            "dddd.mp4": ("REAL", None),
            "eeee.mp4": ("FAKE", "dddd.mp4"),
            "ffff.mp4": ("FAKE", "aaaa.mp4"),
            "gggg.mp4": ("REAL", None),
        },
    }
    for part, videos in parts.items():
        facts = {
            name: {"label": label, "split": (splits or {}).get(name, "train")}
            | ({"original": original} if original else {})
            for name, (label, original) in videos.items()
        }
        touch(root, *(f"{part}/{name}" for name in videos if name != "gone.mp4"))
        (root / part / "metadata.json").write_text(json.dumps(facts))
    touch(root, "dfdc_train_part_0/unnamed.mp4")
    return root


def kaggle(root: Path) -> Path:
    """Part 34 as Kaggle has it: a sheet, and 0.jpg, 30.jpg ... or frame_#.jpg of each video."""
    rng = np.random.default_rng(0)
    rows = ["filename,label,split,original"]
    for k in range(6):
        real, fake = f"real{k}.mp4", f"fake{k}.mp4"
        rows += [f"{real},REAL,train,", f"{fake},FAKE,train,{real}"]
        for name in (real, fake):
            folder = root / "archive" / "images" / name.removesuffix(".mp4")
            folder.mkdir(parents=True)
            for i, frame in enumerate((0, 30, 270)):
                picture = cv2.resize(rng.integers(0, 255, (12, 12, 3), np.uint8), (48, 48))
                shown = f"frame_{frame}.jpg" if k % 2 else f"{frame}.jpg"
                assert cv2.imwrite(str(folder / shown), picture), i
    (root / "metadata34.csv").write_text("\n".join([*rows, "lost.mp4,FAKE,train,real0.mp4\n"]))
    return root


CELEB = (
    ["id0_0000", "id0_0001", "id1_0000", "id1_0001", "id2_0000", "id3_0000"],
    ["id0_id1_0000", "id1_id0_0000", "id1_id0_0001", "id2_id3_0000", "id3_id2_0000"],
    ["00000", "00001", "00002"],
)


def celeb_df(root: Path, *, listed: str | None = None, inner: str = "") -> Path:
    """Celeb-real, Celeb-synthesis, YouTube-real; `listed` is the text of the test list."""
    for folder, stems in zip(("Celeb-real", "Celeb-synthesis", "YouTube-real"), CELEB, strict=True):
        touch(root, *(f"{folder}/{inner}{stem}.mp4" for stem in stems))
    if listed is not None:
        (root / "List_of_testing_videos.txt").write_text(listed)
    return root


def faceforensics(root: Path, pairs: dict[str, list[list[str]]] | None = None) -> Path:
    """Six sequences, two methods, two compressions, two actors; `pairs` is the official split."""
    numbers = ("000", "003", "001", "870", "002", "006")
    for word in ("raw", "c23"):
        touch(
            root,
            *(f"original_sequences/youtube/{word}/videos/{n}.mp4" for n in numbers),
            *(
                f"manipulated_sequences/{method}/{word}/videos/{a}_{b}.mp4"
                for method in ("Deepfakes", "NeuralTextures")
                for a, b in zip(numbers[::2], numbers[1::2], strict=True)
            ),
        )
    touch(
        root,
        "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
        "manipulated_sequences/Deepfakes/c23/masks/000_003.mp4",
    )
    for split, listed in (pairs or {}).items():
        (root / f"{split}.json").write_text(json.dumps(listed))
    return root


FF_PAIRS = {"train": [["000", "003"]], "val": [["001", "870"]], "test": [["002", "006"]]}


def folder(root: Path) -> Path:
    touch(root, *(f"Real/{k}.mp4" for k in range(4)), *(f"fake/swap/{k}.avi" for k in range(4)))
    touch(root, "fake/notes.txt", "Real/.hidden.mp4")
    return root
