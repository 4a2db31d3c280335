"""A small data set of crops: random textures, with a bright square in those of fake videos."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from train.datasets import CropsData
from train.records import CropRow, VideoRecord

SIDE = 40


def video(number: int, label: int) -> VideoRecord:
    """A video of person `number`: a real one, or the fake that was made from it."""
    name = f"{'fake' if label else 'real'}/{number}.mp4"
    return VideoRecord(
        path=name,
        label=label,
        dataset="made",
        identities=(f"person{number}",),
        source_id=f"made:real/{number}.mp4",
        method="square" if label else "",
    )


def rows(people: range, labels: tuple[int, ...] = (0, 1), frames: int = 4) -> list[CropRow]:
    """Crops tables rows of people's real and fake videos."""
    return [
        CropRow(v, f"{v.path[:-4]}/frame_{i}.png", frame_index=i, time_s=i / 5, face_px=30.0)
        for number in people
        for v in (video(number, label) for label in labels)
        for i in range(frames)
    ]


def draw(root: Path, table: list[CropRow]) -> None:
    """Write the pictures of a table."""
    for row in table:
        rgb = np.random.default_rng(zlib.crc32(row.file.encode())).integers(
            0, 120, (SIDE, SIDE, 3), np.uint8
        )
        if row.video.label:
            rgb[12:28, 12:28] += 100
        path = root / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), rgb)


def crops_data(root: Path, train: int = 4, val: int = 3, frames: int = 4) -> CropsData:
    """Tables of people 0.. for training and 100.. for validation, with their pictures."""
    tables = [rows(range(train), frames=frames), rows(range(100, 100 + val), frames=frames)]
    for table in tables:
        draw(root, table)
    return CropsData(tables[0], tables[1], root)
