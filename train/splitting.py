"""From tables, crops or folders to metadata_train.csv, metadata_val.csv and metadata_test.csv."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dfexplain.errors import DataError, SettingError
from train import importers, leaks, splits
from train.importers import dfdc
from train.importers.files import read_rows
from train.records import (
    SPLITS,
    CropRow,
    VideoRecord,
    read_crops,
    read_videos,
    write_crops,
    write_videos,
)

__all__ = [
    "UNLABELLED",
    "SplitRequest",
    "keys_of",
    "read_label_file",
    "read_split",
    "split_tables",
    "table_name",
]

UNLABELLED = "metadata_unlabelled.csv"
DROPPED = "metadata_dropped.csv"
AUDIT = "leaks.json"


@dataclass(frozen=True)
class SplitRequest:
    """What `python -m train split` was asked for; see its help."""

    label_file: Path | None = None
    image_root: Path | None = None
    input_dir: Path | None = None
    layout: str = "auto"
    out: Path = Path()
    into: tuple[str, ...] = SPLITS
    split_ratio: float = 0.8
    seed: int = splits.SEED
    max_videos_per_class: int | None = None
    official: bool = True
    allow_official_leaks: bool = False
    drop_bridges: bool = False
    check_frames: bool = False
    most_bits: int = leaks.MOST_BITS


def table_name(split: str) -> str:
    """metadata_train.csv and its like."""
    return f"metadata_{split}.csv"


def _read(
    request: SplitRequest, say: Callable[[str], object]
) -> tuple[list[VideoRecord], list[CropRow]]:
    """The videos, and their crops where there are any."""
    sheet, images = request.label_file, request.image_root
    if request.input_dir is not None:
        if sheet is not None or images is not None:
            raise SettingError(
                "--input-dir must be given alone, but came with --label-file or --image-root."
            )
        videos = importers.read(request.input_dir, request.layout, say=say)
        found = dfdc.find_sheet(request.input_dir) if videos[0].dataset == dfdc.NAME else None
        return videos, dfdc.sheet_crops(videos, found[1]) if found else []
    if images is not None and (images / "crops.csv").is_file():
        crops = read_crops(images / "crops.csv")
        videos = read_videos(sheet) if sheet is not None else [c.video for c in crops]
        known = {v.key: v for v in videos}
        return list(known.values()), [c for c in crops if c.video.key in known]
    if sheet is None:
        raise SettingError(
            "split must be given --image-root with a crops.csv, --label-file or --input-dir, but "
            "has none of them."
        )
    videos = read_label_file(sheet)
    return videos, dfdc.sheet_crops(videos, images) if images is not None else []


def read_label_file(path: Path) -> list[VideoRecord]:
    """The videos of a table: a Kaggle sheet (filename, label ...) or one of train.importers.table.

    Raises DataError for any other file.
    """
    first = read_rows(path)[:1] if path.suffix.lower() == ".csv" else []
    if first and "filename" in first[0]:
        return dfdc.read_sheet(path)
    return importers.read(path, "table")


def split_tables(request: SplitRequest, *, say: Callable[[str], object] = print) -> splits.Split:
    """Split, refuse leaks, write the tables into `request.out`; say what was reached.

    Tables of splits that were not asked for are removed: they would be of an earlier split. Raises
    DataError (IdentityLeak, SourceLeak, OneClassFold among them) before any table is written; the
    whole audit is in leaks.json either way.
    """
    videos, crops = _read(request, say)
    if crops:
        with_crops = {c.video.key for c in crops}
        lost = len(videos)
        videos = [v for v in videos if v.key in with_crops]
        lost -= len(videos)
        if lost:
            say(f"{lost} videos without a crop are left out")
    if request.max_videos_per_class is not None:
        videos = splits.balanced(videos, request.max_videos_per_class, seed=request.seed)
    dropped: list[VideoRecord] = []
    options = {"into": request.into, "split_ratio": request.split_ratio, "seed": request.seed}
    if request.drop_bridges:
        videos, dropped = splits.without_bridges(videos, **options)  # type: ignore[arg-type]
        say(f"{len(dropped)} fakes that join people of two splits are left out ({DROPPED})")
    result = splits.make(videos, official=request.official, **options)  # type: ignore[arg-type]
    findings = leaks.audit(
        result.videos, _hashes(request, result, crops), most_bits=request.most_bits
    )
    request.out.mkdir(parents=True, exist_ok=True)
    told = json.dumps(leaks.report(findings), indent=2) + "\n"
    (request.out / AUDIT).write_text(told, encoding="utf-8")
    for finding in findings[:5]:
        say(f"{finding.code}{' (published so)' if finding.official else ''}: {finding.message}")
    leaks.raise_first(findings, allow_official=request.allow_official_leaks)
    _write(request, result, dropped, crops)
    _tell(result, say)
    return result


def _hashes(
    request: SplitRequest, result: splits.Split, crops: list[CropRow]
) -> dict[str, leaks.Bits] | None:
    """Hashes of the crops, or of first frames where that was asked for; None for no search."""
    if request.image_root is not None:
        return leaks.crop_hashes(crops, request.image_root)
    if request.check_frames and request.input_dir is not None:
        return leaks.video_hashes(
            (v for vs in result.videos.values() for v in vs), request.input_dir
        )
    return None


def _write(
    request: SplitRequest, result: splits.Split, dropped: list[VideoRecord], crops: list[CropRow]
) -> None:
    of_video: dict[str, list[CropRow]] = defaultdict(list)
    for crop in crops:
        of_video[crop.video.key].append(crop)
    files = {table_name(name): videos for name, videos in result.videos.items()}
    files |= {UNLABELLED: result.unlabelled} if result.unlabelled else {}
    files |= {DROPPED: dropped} if dropped else {}
    for name in (*map(table_name, SPLITS), UNLABELLED, DROPPED):
        (request.out / name).unlink(missing_ok=True)
    for name, videos in files.items():
        if crops:
            write_crops(request.out / name, [c for v in videos for c in of_video[v.key]])
        else:
            write_videos(request.out / name, videos)


def _tell(result: splits.Split, say: Callable[[str], object]) -> None:
    total = sum(map(len, result.videos.values()))
    say(
        f"{total} videos in {result.groups} groups of people and sources, the largest of "
        f"{result.largest}; {result.official} at their published place; "
        f"{len(result.unlabelled)} unlabelled"
    )
    for row in result.table():
        say(
            f"{row['split']}: {row['videos']} videos ({row['share']:.1%}), {row['real']} real, "
            f"{row['fake']} fake; always answering fake is right {row['always_fake_accuracy']:.2%}"
        )


def read_split(path: Path) -> list[VideoRecord] | list[CropRow]:
    """A table that `split` wrote, of whichever kind it is."""
    if not path.is_file():
        raise DataError(f"the table must be a file, but got '{path}'. Run `train split` first.")
    with path.open(encoding="utf-8") as handle:
        crops = handle.readline().startswith("file,")
    return read_crops(path) if crops else read_videos(path)


def keys_of(rows: list[VideoRecord] | list[CropRow]) -> list[str]:
    """The keys of the videos of a table, each once, in its order."""
    return list(dict.fromkeys((r.video if isinstance(r, CropRow) else r).key for r in rows))
