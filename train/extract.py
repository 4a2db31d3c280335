"""Face crops of a data set's videos, cut once: the app's own path, written as pictures and tables.

    out/extract.json       the settings; a resumed run must have the same (B4)
    out/crops.csv          one row a crop, `file` below `out`
    out/videos.csv         the videos that gave crops
    out/skipped.csv        those that gave none, each with its reason
    out/info.csv           what the containers said
    out/crops/<video>/A_000012.png
    out/.done/             one small file a finished video, from which the tables are written

A video counts as finished when its file in `.done` is there, which is written last: whatever a
killed run left half is removed and done again. The tables are the same for any number of workers.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from dfexplain.errors import DataError, SettingError
from dfexplain.faces import FaceDetector
from dfexplain.structures import Sampling
from train.faces_of_video import INFO_COLUMNS, Cut, cut_video
from train.importers.files import locate
from train.records import CropRow, VideoRecord, write_crops, write_videos

__all__ = ["SKIPPED_COLUMNS", "ExtractSettings", "Extracted", "extract", "read_settings"]

SKIPPED_COLUMNS = ("dataset", "path", "label", "code", "reason")
SETTINGS_FILE = "extract.json"


@dataclass(frozen=True)
class ExtractSettings:
    """What decides the crops. Exactly one of `frames`, `fps`, `every` is set.

    `margin` is the share of the face box's longer side added on every side, as in ModelConfig;
    `align` turns and scales each face by its five landmarks instead.
    """

    fps: float | None = 5.0
    frames: int | None = None
    every: int | None = None
    crop_px: int = 224
    margin: float = 0.3
    align: bool = False
    format: str = "png"

    def __post_init__(self) -> None:
        chosen = [v for v in (self.fps, self.frames, self.every) if v is not None]
        rules = (
            (len(chosen) == 1, "frames, fps, every", "be given once", chosen),
            (all(0 < v < math.inf for v in chosen), "frames, fps, every", "be above 0", chosen),
            (32 <= self.crop_px <= 512, "crop_px", "lie in 32..512", self.crop_px),
            (0.0 <= self.margin <= 1.0, "margin", "lie in 0..1", self.margin),
            (self.format in ("png", "jpg"), "format", "be png or jpg", self.format),
        )
        for holds, name, rule, value in rules:
            if not holds:
                raise SettingError(f"{name} must {rule}, but got {value!r}. Correct the option.")

    def cut(self) -> Cut:
        """The same for one video."""
        return Cut(
            sampling=Sampling(frames=self.frames, fps=self.fps, every=self.every),
            crop_px=self.crop_px,
            margin=self.margin,
            align=self.align,
            suffix=self.format,
        )


@dataclass(frozen=True)
class Extracted:
    """What a run gave: crops, the videos they are of, and the others with their reasons."""

    crops: list[CropRow]
    videos: list[VideoRecord]
    skipped: list[dict[str, str]]


def read_settings(out: Path) -> ExtractSettings:
    """The settings of an extracted folder. Raises DataError where it is none."""
    path = out / SETTINGS_FILE
    try:
        said = json.loads(path.read_text("utf-8"))
        return ExtractSettings(**said["settings"])
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"'{out}' must hold the {SETTINGS_FILE} that `python -m train extract` writes, but "
            f"got: {error}."
        ) from error


def _claim(out: Path, settings: ExtractSettings) -> None:
    """Record the settings, or refuse to mix crops of two kinds."""
    if (out / SETTINGS_FILE).exists():
        before = dataclasses.asdict(read_settings(out))
        for name, value in dataclasses.asdict(settings).items():
            if before[name] != value:
                raise SettingError(
                    f"{name} must be {before[name]} as in {SETTINGS_FILE} of '{out}', but got "
                    f"{value}. Take another --output-dir."
                )
        return
    out.mkdir(parents=True, exist_ok=True)
    said = {"format": 1, "settings": dataclasses.asdict(settings)}
    (out / SETTINGS_FILE).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _done_file(out: Path, record: VideoRecord) -> Path:
    return out / ".done" / f"{hashlib.sha256(record.key.encode()).hexdigest()[:24]}.json"


def _finished(out: Path, record: VideoRecord, source: Path) -> dict[str, Any] | None:
    """What an earlier run said of this very file, if it finished it."""
    try:
        said: dict[str, Any] = json.loads(_done_file(out, record).read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    size = source.stat().st_size if source.is_file() else -1
    return said if said.get("size_bytes") == size else None


def _one(
    task: tuple[VideoRecord, Path, Path, ExtractSettings], detector: FaceDetector
) -> dict[str, Any]:
    """Cut one video's faces into its folder, then say so in `.done`."""
    record, source, out, settings = task
    folder = out / "crops" / record.path
    part = out / ".part" / _done_file(out, record).stem
    for stale in (folder, part):
        shutil.rmtree(stale, ignore_errors=True)
    size = source.stat().st_size if source.is_file() else -1
    said = cut_video(source, part, settings.cut(), detector) | {"size_bytes": size}
    if said["rows"]:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.replace(folder)
    shutil.rmtree(part, ignore_errors=True)
    done = _done_file(out, record)
    half = done.with_suffix(".half")
    half.write_text(json.dumps(said), encoding="utf-8")
    half.replace(done)
    return said


_DETECTOR: list[FaceDetector] = []  # of this worker, loaded once


def _start_worker(device: str) -> None:
    torch.set_num_threads(1)
    _DETECTOR[:] = [FaceDetector(device=device)]


def _in_worker(task: tuple[VideoRecord, Path, Path, ExtractSettings]) -> dict[str, Any]:
    return _one(task, _DETECTOR[0])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Numbers of the face detector are the same for the same number of threads only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run(
    tasks: list[tuple[VideoRecord, Path, Path, ExtractSettings]], workers: int, device: str
) -> Iterator[dict[str, Any]]:
    if not tasks:
        return
    if workers <= 1 or len(tasks) <= 1:
        with _one_thread():
            detector = FaceDetector(device=device)
            for task in tasks:
                yield _one(task, detector)
        return
    with ProcessPoolExecutor(
        min(workers, len(tasks)), get_context("spawn"), _start_worker, (device,)
    ) as pool:
        yield from pool.map(_in_worker, tasks)


def extract(
    records: Sequence[VideoRecord],
    root: Path,
    out: Path,
    settings: ExtractSettings | None = None,
    *,
    workers: int = 1,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> Extracted:
    """Cut the faces of `records`, whose paths are below `root`, into `out`, and write the tables.

    Videos that an earlier run finished are not read again. `progress` hears (done, all). Raises
    SettingError where `out` was made with other settings, DataError for a path that leaves `root`.
    A video that cannot be read, or shows no face, is a row of skipped.csv and not an error.
    """
    settings = settings or ExtractSettings()
    for record in records:
        if record.path.startswith("/") or ".." in Path(record.path).parts:
            raise DataError(f"path must stay below the data set's root, but got {record.path!r}.")
    _claim(out, settings)
    (out / ".done").mkdir(exist_ok=True)
    shutil.rmtree(out / ".part", ignore_errors=True)
    sources = {r.key: locate(root, r.path) for r in records}
    said = {r.key: _finished(out, r, sources[r.key]) for r in records}
    todo = [r for r in records if said[r.key] is None]
    if progress is not None:
        progress(len(records) - len(todo), len(records))
    tasks = [(r, sources[r.key], out, settings) for r in todo]
    for place, (record, result) in enumerate(zip(todo, _run(tasks, workers, device), strict=True)):
        said[record.key] = result
        if progress is not None:
            progress(len(records) - len(todo) + place + 1, len(records))
    shutil.rmtree(out / ".part", ignore_errors=True)
    return _tables(out, [(r, said[r.key] or {}) for r in sorted(records, key=lambda r: r.key)])


def _tables(out: Path, said: Iterable[tuple[VideoRecord, dict[str, Any]]]) -> Extracted:
    result = Extracted([], [], [])
    info: list[list[object]] = []
    for record, facts in said:
        about = facts["info"]
        info += [[record.dataset, record.path, *(about[c] for c in INFO_COLUMNS)]] if about else []
        if not facts["rows"]:
            label = "" if record.label is None else str(record.label)
            cells = (record.dataset, record.path, label, *facts["reason"])
            result.skipped.append(dict(zip(SKIPPED_COLUMNS, cells, strict=True)))
            continue
        result.videos.append(record)
        result.crops.extend(
            CropRow(record, f"crops/{record.path}/{name}", track, index, time_s, face_px)
            for name, track, index, time_s, face_px in facts["rows"]
        )
    write_crops(out / "crops.csv", result.crops)
    write_videos(out / "videos.csv", result.videos)
    _write(out / "info.csv", ("dataset", "path", *INFO_COLUMNS), info)
    _write(out / "skipped.csv", SKIPPED_COLUMNS, [list(s.values()) for s in result.skipped])
    return result


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
