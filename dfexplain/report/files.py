"""Where a report is written: names, collisions, and files that are whole or not there."""

from __future__ import annotations

import csv
import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from dfexplain.errors import SettingError
from dfexplain.report.document import file_name, run_json, to_json
from dfexplain.report.markers import to_edl, to_srt, to_vtt
from dfexplain.report.page import to_html
from dfexplain.report.pdf import to_pdf
from dfexplain.report.table import frames_csv, updated, video_row
from dfexplain.structures import VideoReport

__all__ = [
    "FORMATS",
    "USUAL",
    "check_formats",
    "make_folder",
    "not_writable",
    "safe_stem",
    "write",
    "write_as",
    "write_whole",
]

VIDEOS_CSV = "videos.csv"
# Each format with what its file ends in and what makes it. Marker files say what they mark, so that
# no player takes them for the subtitles of the video, nor they the place of those.
_MAKERS: dict[str, tuple[str, Callable[[VideoReport], str | bytes]]] = {
    "json": (".json", to_json),
    "csv": (".frames.csv", frames_csv),
    "html": (".html", to_html),
    "pdf": (".pdf", to_pdf),
    "vtt": (".flagged.vtt", to_vtt),
    "srt": (".flagged.srt", to_srt),
    "edl": (".flagged.edl", to_edl),
}
FORMATS = tuple(_MAKERS)
# What is written where nobody chooses.
USUAL = ("json", "csv", "html")
# Most file systems end at 255 bytes a name; the digits of a hash and a suffix are to fit as well.
_NAME_BYTES = 200
# Not allowed in names on Windows, or read as a path or a device there.
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)


def safe_stem(file: str) -> str:
    """The stem of a video's name as a file name that every system takes; Unicode letters stay.

    Path separators, control and formatting characters and what Windows forbids become "_".
    """
    stem = PurePath(os.path.basename(file)).stem
    kept = "".join(
        "_" if char in _FORBIDDEN or unicodedata.category(char) in ("Cc", "Cf", "Cs") else char
        for char in stem
    )
    kept = kept.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore").strip(" .") or "video"
    return f"_{kept}" if kept.split(".")[0].lower() in _DEVICES else kept


def check_formats(formats: Sequence[str]) -> None:
    """Raise SettingError unless `formats` are one or more of FORMATS."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise SettingError(
            f"format must be one or more of {', '.join(FORMATS)}, but got "
            f"{', '.join(map(repr, unknown)) or 'none'}. Separate several by commas."
        )


def make_folder(folder: Path) -> None:
    """Make the folder for reports; SettingError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error) from error


def not_writable(folder: Path, error: OSError) -> SettingError:
    """The error to raise where a folder or file cannot be written."""
    why = error.strerror or type(error).__name__
    return SettingError(
        f"out must be a folder that can be written to, but {folder} says: {why}. "
        "Choose another folder or make room."
    )


def _owned_by(run_file: Path, report: VideoReport) -> bool:
    """Whether `run_file` was written for the very video of `report`."""
    try:
        run = json.loads(run_file.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    wanted = (file_name(report), report.info.sha256)
    return isinstance(run, dict) and (run.get("file"), run.get("sha256")) == wanted


def _name_for(report: VideoReport, folder: Path) -> str:
    """The stem of the video, with eight digits of its hash where another video has taken it.

    What stands in the folder under that name is replaced only if it is a report of this video.
    """
    stem = safe_stem(report.info.file)
    suffixes = (*(suffix for suffix, _ in _MAKERS.values()), ".run.json")
    taken = any((folder / f"{stem}{suffix}").exists() for suffix in suffixes)
    # clip.run.mp4 would write its report where the run times of clip.mp4 belong.
    if stem.lower().endswith(".run") or (
        taken and not _owned_by(folder / f"{stem}.run.json", report)
    ):
        return f"{stem}-{report.info.sha256[:8]}"
    return stem


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside `path` and rename, so that a reader or a crash never sees half a file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write(report: VideoReport, out_dir: str | Path, formats: Sequence[str] = USUAL) -> list[Path]:
    """Write `report` into `out_dir`, made if missing, and return the paths written.

    `json` gives <stem>.json, `csv` <stem>.frames.csv and a row of videos.csv, `html` and `pdf` the
    same to read, `vtt`, `srt` and `edl` the flagged spans as <stem>.flagged.*; <stem>.run.json
    always comes with them. A report of another video is never replaced: where the
    stem is taken, the first eight digits of the video's sha256 are appended to it.

    Raises SettingError for an unknown format and for a folder that cannot be written to.
    """
    check_formats(formats)
    folder = Path(out_dir)
    make_folder(folder)
    name = _name_for(report, folder)
    paths = write_as(report, folder, name, formats)
    try:
        if "csv" in formats:
            table = folder / VIDEOS_CSV
            existing = table.read_bytes().decode("utf-8") if table.exists() else None
            write_whole(table, updated(existing, video_row(report, name)))
            paths.insert(-1, table)
    except OSError as error:
        raise not_writable(folder, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingError(
            f"{VIDEOS_CSV} must be a table of dfexplain, but it cannot be read ({error}). "
            "Choose another folder."
        ) from error
    return paths


def write_as(report: VideoReport, folder: Path, name: str, formats: Sequence[str]) -> list[Path]:
    """Write `report` into a folder that is there as <name>.json and so on, without a row of
    videos.csv, whatever stands there; <name>.run.json comes with them. Returns the paths written.

    Raises SettingError for a folder that cannot be written to.
    """
    try:
        # First, because it is what says that the name is this video's.
        run_path = folder / f"{name}.run.json"
        write_whole(run_path, run_json(report))
        paths = []
        for chosen, (suffix, make) in _MAKERS.items():
            if chosen in formats:
                path = folder / f"{name}{suffix}"
                write_whole(path, make(report))
                paths.append(path)
    except OSError as error:
        raise not_writable(folder, error) from error
    return [*paths, run_path]
