"""A crops table of drawn faces for tests: forged ones have another mouth, and the scores say so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.drawing import draw_face
from train.records import CropRow, VideoRecord
from train.scores import ScoredVideo

SIDE = 64


def table(folder: Path, videos: int = 12, frames: int = 9) -> list[CropRow]:
    """Write crops of `videos` videos, every second one forged, and give their rows.

    A forged video shares its source and its person with the one before it.
    """
    rng = np.random.default_rng(3)
    rows = []
    for number in range(videos):
        fake, person = number % 2, number // 2
        video = VideoRecord(
            path=f"{'fake' if fake else 'real'}/{number:03d}.mp4",
            label=fake,
            dataset="drawn",
            identities=(f"p{person}",),
            source_id=f"drawn:real/{number - fake:03d}.mp4",
            method=("swap", "reenact")[person % 2] if fake else "",
            compression=("c23", "c40")[person % 2],
        )
        skin = tuple(int(c) for c in rng.integers(90, 220, 3))
        for frame in range(frames):
            rgb = np.full((SIDE, SIDE, 3), 70 + 8 * person, np.uint8)
            draw_face(rgb, (8, 4, 56, 60), skin, bool(fake), frame / 10)
            file = f"{video.path}/A_{frame:06d}.png"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / file), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            rows.append(CropRow(video, file, "A", 3 * frame, frame / 10, 50.0 + 40 * person))
    return rows


def made_scores(videos: int = 80, shift: float = 2.0, seed: int = 0) -> list[ScoredVideo]:
    """Scored videos of drawn scores: normal ones, `shift` apart, four frames each."""
    rng = np.random.default_rng(seed)
    out = []
    for number in range(videos):
        fake, person = number % 2, number // 4
        score = float(rng.normal(shift * fake - shift / 2, 1))
        record = VideoRecord(
            path=f"{number:04d}.mp4",
            label=fake,
            dataset=("one", "two")[person % 2],
            identities=(f"p{person}",),
            method=("swap", "reenact")[person % 2] if fake else "",
            compression="c23",
        )
        picture = np.full((24, 24, 3), 60 + number, np.uint8)
        out.append(
            ScoredVideo(
                record,
                score,
                frame_logits=score + rng.normal(0, 0.5, 4),
                frame_time_s=np.arange(4.0),
                frame_index=np.arange(4) * 30,
                frame_track=("A",) * 4,
                face_px=float(rng.uniform(40, 300)),
                crop_jpeg=cv2.imencode(".jpg", picture)[1].tobytes(),
            )
        )
    return out
