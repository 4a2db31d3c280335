"""The folder of a batch: what is written into it, and that one run at a time works in it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dfexplain.errors import SettingError
from dfexplain.report import FORMATS, check_formats, make_folder
from dfexplain.report.files import not_writable, write_whole
from dfexplain.report.index import to_index
from dfexplain.report.rows import FileRow, to_csv

__all__ = ["RunFolder"]

STORE, SETTINGS, LINES = "store.sqlite", "run.json", "results.jsonl"
TABLE, INDEX, REPORTS, LOCK = "results.csv", "index.html", "reports", ".lock"


class RunFolder:
    """The folder `path`, made if missing. SettingError where it holds a run that is not to be
    resumed, nothing that could be, or cannot be written to."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        make_folder(path)
        there = (path / STORE).exists()
        if there and not resume:
            raise SettingError(
                f"--out must be a folder without a run, but {str(path)!r:.200} holds one. Choose "
                "another, or go on with it by --resume."
            )
        self.path = path
        self.reports = path / REPORTS
        make_folder(self.reports)

    @property
    def url(self) -> str:
        """The store of the run."""
        return f"sqlite:///{(self.path / STORE).absolute()}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against another process. SettingError where one has it; the system lets
        go of it when the process ends, however it does."""
        with self._writing(), (self.path / LOCK).open("ab") as file:
            try:
                if sys.platform == "win32":
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SettingError(
                    f"--out must be a folder in which no run works, but one works in "
                    f"{str(self.path)!r:.200}. Wait for it, or choose another."
                ) from error
            yield

    def settle(self, settings: dict[str, Any]) -> None:
        """Keep what the run was asked for. SettingError where the folder was begun with other
        settings: rows of two kinds would stand in one table."""
        path = self.path / SETTINGS
        if path.exists():
            try:
                before = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise SettingError(
                    f"{SETTINGS} must be that of a run, but cannot be read: {error}. Choose "
                    "another folder."
                ) from error
            other = [name for name, value in settings.items() if before.get(name) != value]
            if other:
                told = ", ".join(
                    f"{name} {settings[name]!r:.80}, before {before.get(name)!r:.80}"
                    for name in other
                )
                raise SettingError(
                    f"--resume must go on with the settings of the run, but got {told}. Repeat "
                    "them, or choose another folder."
                )
            return
        with self._writing():
            write_whole(path, json.dumps(settings, indent=1, ensure_ascii=False) + "\n")

    def begin(self, rows: Sequence[FileRow]) -> None:
        """Write results.jsonl anew: a line a row, and no half line that a killed run has left."""
        with self._writing():
            write_whole(self.path / LINES, "".join(row.line() for row in rows))

    def append(self, row: FileRow) -> None:
        """Add the line of a row, and have it on the disk."""
        with self._writing(), (self.path / LINES).open("ab") as file:
            file.write(row.line().encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())

    def show(self, rows: Sequence[FileRow], total: int) -> None:
        """Write the index as far as the run is, with links to the pages that are there."""
        with self._writing():
            stems = {row.report for row in rows if row.report}
            there = {stem for stem in stems if (self.reports / f"{stem}.html").exists()}
            write_whole(self.path / INDEX, to_index(rows, total=total, linked=there))

    def end(self, rows: Sequence[FileRow], total: int) -> None:
        """Write everything in the order of the files."""
        self.begin(rows)
        with self._writing():
            write_whole(self.path / TABLE, to_csv(rows))
        self.show(rows, total)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise not_writable(self.path, error) from error


def formats_of(text: str) -> tuple[str, ...]:
    """The formats of a list with commas, each once. SettingError for an unknown one."""
    formats = text.split(",")
    check_formats(formats)
    return tuple(name for name in FORMATS if name in formats)
