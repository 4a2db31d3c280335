"""What the files of a data set are: their containers, their folders, a frame to look at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from dfexplain import video
from dfexplain.errors import InputError
from dfexplain.structures import Sampling
from train.importers.files import locate, read_rows, videos_below
from train.records import VideoRecord

__all__ = [
    "FolderRow",
    "VideoFacts",
    "probe_facts",
    "read_facts",
    "read_skipped",
    "sample_frame",
    "structure",
]


@dataclass(frozen=True)
class VideoFacts:
    """What a container says of a video; `error` where it could not be read."""

    container: str = ""
    codec: str = ""
    width_px: int = 0
    height_px: int = 0
    fps: float = math.nan
    duration_s: float = math.nan
    error: str = ""


@dataclass(frozen=True)
class FolderRow:
    """One folder of a data set: how deep it lies, its name, the videos directly in it."""

    depth: int
    name: str
    videos: int


def probe_facts(
    records: Sequence[VideoRecord],
    root: Path,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, VideoFacts]:
    """Video key -> facts, by opening each file below `root`."""
    out = {}
    for place, record in enumerate(records, start=1):
        try:
            info = video.probe(locate(root, record.path))
        except InputError as error:
            out[record.key] = VideoFacts(error=str(error))
        else:
            out[record.key] = VideoFacts(
                container=info.container.split(",")[0],
                codec=info.codec,
                width_px=info.width_px,
                height_px=info.height_px,
                fps=math.nan if info.fps is None else info.fps,
                duration_s=math.nan if info.duration_s is None else info.duration_s,
            )
        if progress is not None:
            progress(place, len(records))
    return out


def read_facts(extracted: Path) -> dict[str, VideoFacts]:
    """Video key -> facts, from info.csv and skipped.csv of an extracted folder."""
    out = {}
    for row in read_rows(extracted / "info.csv"):
        out[f"{row['dataset']}:{row['path']}"] = VideoFacts(
            container=row["container"].split(",")[0],
            codec=row["codec"],
            width_px=int(row["width_px"]),
            height_px=int(row["height_px"]),
            fps=float(row["fps"] or math.nan),
            duration_s=float(row["duration_s"] or math.nan),
        )
    for row in read_rows(extracted / "skipped.csv"):
        out.setdefault(f"{row['dataset']}:{row['path']}", VideoFacts(error=row["reason"]))
    return out


def read_skipped(extracted: Path) -> list[VideoRecord]:
    """The videos that `extract` skipped, with their labels."""
    return [
        VideoRecord(row["path"], int(row["label"]) if row["label"] else None, row["dataset"])
        for row in read_rows(extracted / "skipped.csv")
    ]


def structure(root: Path) -> list[FolderRow]:
    """The folders below `root` that hold videos, directly or further down, as a tree in order."""
    direct = Counter(path.parent for path in videos_below(root))
    shown = {root}
    for folder in direct:
        shown |= {folder, *(p for p in folder.parents if p == root or root in p.parents)}
    return [
        FolderRow(len(f.relative_to(root).parts), f.name or str(f), direct[f])
        for f in sorted(shown, key=lambda f: f.relative_to(root).parts)
    ]


def sample_frame(
    records: Sequence[VideoRecord], root: Path
) -> tuple[dict[str, object], bytes] | None:
    """The first frame of the first video that can be read: what it is, and its PNG."""
    for record in records:
        try:
            first = Sampling(frames=None, every=1 << 40)
            with video.sample(locate(root, record.path), first) as stream:
                rgb = next(iter(stream)).rgb
        except (InputError, StopIteration):
            continue
        done, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        if done:
            return {"video": record.path, "shape": list(rgb.shape)}, data.tobytes()
    return None
