"""The SQLite file of the history: its tables, whose it is, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dfexplain.errors import HistoryUnavailable

__all__ = ["SCHEMA_VERSION", "HistoryFile", "default_path"]

SCHEMA_VERSION = 1
# "dfex" in ASCII, where SQLite wants to know whose file this is.
_APPLICATION = 0x64666578
_BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE analysis (
  id INTEGER PRIMARY KEY AUTOINCREMENT, when_utc TEXT NOT NULL, file TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, weights TEXT NOT NULL,
  weights_sha256 TEXT NOT NULL, sampling TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT,
  score REAL, p_fake REAL, band_low REAL, band_high REAL, spans TEXT NOT NULL,
  because TEXT NOT NULL, coverage TEXT NOT NULL, document TEXT NOT NULL, bundle BLOB);
CREATE INDEX analysis_of ON analysis (sha256);
CREATE TABLE note (
  id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, when_utc TEXT NOT NULL, time_s REAL,
  text TEXT NOT NULL);
CREATE TABLE reading (
  id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, when_utc TEXT NOT NULL, reader TEXT NOT NULL,
  answer TEXT NOT NULL, confidence INTEGER NOT NULL, note TEXT NOT NULL, blind INTEGER NOT NULL);
CREATE TRIGGER reading_stays BEFORE UPDATE ON reading
  BEGIN SELECT RAISE(ABORT, 'a reading is never changed'); END;
"""


def default_path(name: str = "history.sqlite") -> Path:
    """Where the history, or another file, lies if nobody says otherwise: the user's data folder of
    this system."""
    data = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):  # as the XDG Base Directory Specification has it
        if sys.platform == "win32":
            data = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
        else:
            data = "~/Library/Application Support" if sys.platform == "darwin" else "~/.local/share"
    return Path(data).expanduser() / "dfexplain" / name


class HistoryFile:
    """The file `path`, opened for each call, made where it is missing.

    HistoryUnavailable, which ends in `advice`, where it cannot be used.
    """

    def __init__(self, path: Path, advice: str) -> None:
        self._path, self._advice = path, advice

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for SELECT. A ValueError about what was read counts as damage."""
        try:
            _make_private(self._path)
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            with closing(connection) as db:
                _prepare(db)
                yield db
        except (sqlite3.Error, OSError, ValueError) as error:
            raise HistoryUnavailable(
                f"history must be a file of dfexplain that can be used, but {self._path} says: "
                f"{error}. {self._advice}"
            ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in one transaction: all of it or nothing."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            with db:
                yield db


def _make_private(path: Path) -> None:
    """The file, and what SQLite lays beside it with the same permissions, is its owner's alone."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _prepare(db: sqlite3.Connection) -> None:
    """Check whose file it is, and make the tables in an empty one."""
    # What is deleted is overwritten.
    db.execute("PRAGMA secure_delete = ON")
    if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        _create(db)
    whose, version = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if whose != _APPLICATION:
        raise ValueError("it is a database of another program")
    if version != SCHEMA_VERSION:
        raise ValueError(f"its schema is {version}, but this program knows {SCHEMA_VERSION}")


def _create(db: sqlite3.Connection) -> None:
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # For the lock that this change needs SQLite itself does not wait.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
    db.execute("BEGIN IMMEDIATE")
    with db:
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _SCHEMA.strip().split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
