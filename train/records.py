"""What is known of a video and of a crop before any model saw it, and the CSV files that say so.

Label 1 is fake; None is unlabelled. A video is named by its data set and its whole path below the
data set's root, never by its folder or file name alone: those repeat. A crops table has one row a
crop, a videos table one row a video; both carry the columns of `VideoRecord`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from dfexplain.errors import DataError

__all__ = [
    "SPLITS",
    "CropRow",
    "VideoRecord",
    "read_crops",
    "read_videos",
    "write_crops",
    "write_table",
    "write_videos",
]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class VideoRecord:
    """One video of a data set.

    `path` is below the data set's root, with `/`. `identities` are the people whose face or body it
    shows, as opaque names, `source_id` the `key` of the recording it was made from (its own key for
    an original). `method` names the forgery, `compression` the data set's own word (`c23`). `split`
    is the official one ("train", "val", "test") or empty.
    """

    path: str
    label: int | None
    dataset: str
    identities: tuple[str, ...] = ()
    source_id: str = ""
    method: str = ""
    compression: str = ""
    split: str = ""

    def __post_init__(self) -> None:
        if self.label not in (0, 1, None):
            raise DataError(f"label of {self.path} must be 0, 1 or empty, but got {self.label!r}.")
        if self.split not in ("", *SPLITS):
            raise DataError(
                f"split of {self.path} must be one of {', '.join(SPLITS)} or empty, but got "
                f"{self.split!r}."
            )

    @property
    def key(self) -> str:
        """The video's name among all data sets."""
        return f"{self.dataset}:{self.path}"


@dataclass(frozen=True)
class CropRow:
    """One cropped face: `file` is below the image root, with `/`.

    `track` names the face within its video (A, B ...). `frame_index` is -1 and `time_s` nan where
    they are not known, `face_px` is the longer side of the face's box in the video (nan likewise).
    """

    video: VideoRecord
    file: str
    track: str = "A"
    frame_index: int = -1
    time_s: float = float("nan")
    face_px: float = float("nan")


VIDEO_COLUMNS = tuple(f.name for f in fields(VideoRecord))
CROP_COLUMNS = tuple(f.name for f in fields(CropRow) if f.name != "video")
# Between identities; no data set uses it in a name.
JOINT = "|"


def _video_cells(video: VideoRecord) -> list[str]:
    label = "" if video.label is None else str(video.label)
    cells = {**{n: getattr(video, n) for n in VIDEO_COLUMNS}, "label": label}
    return [JOINT.join(v) if isinstance(v, tuple) else str(v) for v in cells.values()]


def _video(row: dict[str, str], where: str) -> VideoRecord:
    label = row["label"].strip()
    if label not in ("", "0", "1"):
        raise DataError(f"{where}: label must be 0, 1 or empty, but got {label!r:.40}.")
    return VideoRecord(
        path=row["path"],
        label=int(label) if label else None,
        dataset=row["dataset"],
        identities=tuple(i for i in row["identities"].split(JOINT) if i),
        source_id=row["source_id"],
        method=row["method"],
        compression=row["compression"],
        split=row["split"],
    )


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"the table must be a file, but got '{path}'. Check the path.")
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise DataError(
                f"{path.name} must have the columns {', '.join(columns)}, but lacks "
                f"{', '.join(missing)}. Write it with `python -m train extract` or `split`."
            )
        return list(reader)


def write_videos(path: Path, videos: Iterable[VideoRecord]) -> None:
    """Write a videos table."""
    write_table(path, VIDEO_COLUMNS, (_video_cells(v) for v in videos))


def read_videos(path: Path) -> list[VideoRecord]:
    """Read a videos table. Raises DataError naming what is missing or out of range."""
    return [_video(row, path.name) for row in _read(path, VIDEO_COLUMNS)]


def write_crops(path: Path, crops: Iterable[CropRow]) -> None:
    """Write a crops table."""
    rows = (
        [*(str(getattr(c, name)) for name in CROP_COLUMNS), *_video_cells(c.video)] for c in crops
    )
    write_table(path, (*CROP_COLUMNS, *VIDEO_COLUMNS), rows)


def read_crops(path: Path) -> list[CropRow]:
    """Read a crops table, in file order. Raises DataError naming what is missing or wrong.

    Rows of one video share one VideoRecord.
    """
    videos: dict[VideoRecord, VideoRecord] = {}
    out = []
    for number, row in enumerate(_read(path, (*CROP_COLUMNS, *VIDEO_COLUMNS)), start=2):
        video = _video(row, path.name)
        try:
            crop = CropRow(
                video=videos.setdefault(video, video),
                file=row["file"],
                track=row["track"],
                frame_index=int(row["frame_index"]),
                time_s=float(row["time_s"]),
                face_px=float(row["face_px"]),
            )
        except ValueError as error:
            raise DataError(
                f"{path.name}, line {number}: frame_index, time_s and face_px must be numbers, "
                f"but got {row['frame_index']!r}, {row['time_s']!r}, {row['face_px']!r}."
            ) from error
        out.append(crop)
    return out
