"""The way into the database: SQLite or PostgreSQL, one transaction at a time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from dfexplain.errors import SettingError, StoreUnavailable

__all__ = ["Database"]

# How long a SQLite writer waits for another: many processes share one file.
_BUSY_S = 60.0
# A server that does not answer is given up within this time, and asked again by whoever can wait.
_CONNECT_S = 5
_STATEMENT_S = 60
# Any number of our own: processes that start at once migrate one after another.
_MIGRATING = 0x64666578
_READING = {"dfexplain_reading": True}


class Database:
    """The database at `url`, `sqlite:///FILE` or `postgresql+psycopg://...`.

    SettingError for another URL. Everything that the database complains of is StoreUnavailable.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in one transaction that may write: all of it or nothing."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection in one transaction that only reads: on SQLite it waits for no writer."""
        with self._translated(), self._engine.connect() as connection:
            yield connection.execution_options(**_READING)

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to a revision ("base": none) in one transaction, by Alembic."""
        config = _config()
        if self.is_sqlite and self.url.database:
            _make_private(Path(self.url.database))
        try:
            with self.writing() as connection:
                if not self.is_sqlite:
                    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
                config.attributes["connection"] = connection
                head = ScriptDirectory.from_config(config).get_current_head()
                down = revision == "base"
                (command.downgrade if down else command.upgrade)(config, revision)
        except CommandError as error:
            raise StoreUnavailable(
                f"the store must be at revision {head} or an earlier one, but {self.shown} says: "
                f"{error}. Install the newer dfexplain that wrote it."
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
            raise StoreUnavailable(
                f"the store must be a database that answers, but {self.shown} says: {said:.300}. "
                "Check that it runs and that `Store.migrate` has made its tables."
            ) from error


def _config() -> Config:
    config = Config()
    config.set_main_option(
        # Alembic expands % in its options.
        "script_location",
        str(files("dfexplain.batch") / "migrations").replace("%", "%%"),
    )
    return config


def _checked(url: str) -> sa.URL:
    try:
        read = sa.make_url(url)
    except ArgumentError:
        read = None
    if read is not None and read.drivername == "postgresql":
        read = read.set(drivername="postgresql+psycopg")
    if read is None or not (
        read.drivername == "postgresql+psycopg"
        or (read.drivername == "sqlite" and read.database not in (None, "", ":memory:"))
    ):
        # The URL may hold a password, so a bad one is not shown.
        kind = url.partition("://")[0] if "://" in url else "no URL"
        raise SettingError(
            "the database must be sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME, but got "
            f"{kind:.40}. Correct DFEXPLAIN_DATABASE."
        )
    return read


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_S})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        # Transactions are begun below, not by the driver when it pleases.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        # After a power cut the last transactions may be lost, and are done again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later fails at once where another has written
        # in between: who may write takes the lock at the start and waits for it.
        reading = connection.get_execution_options().get("dfexplain_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url,
        # A connection that a restart of the server has cut is replaced before it is used.
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        connect_args={
            "connect_timeout": _CONNECT_S,
            "application_name": "dfexplain",
            # No statement of ours takes long: one that does waits for what will not come.
            "options": f"-c statement_timeout={_STATEMENT_S * 1000}",
        },
    )


def _make_private(path: Path) -> None:
    """The file, and what SQLite lays beside it with the same permissions, is its owner's alone."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"the store must be a file that can be written, but got {str(path)!r:.200}: "
            f"{error.strerror}. Choose another place by DFEXPLAIN_DATABASE."
        ) from error
