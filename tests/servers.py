"""PostgreSQL and Redis of Debian's packages: real servers on free ports in temporary folders."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import pytest
import redis

START_S = 60.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something; fails the test when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not come within {seconds:g} s"
        time.sleep(0.05)


class Server:
    """A server process in a folder of its own; `start` waits until it answers."""

    # PostgreSQL refuses to run as root.
    user: str | None = None

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dfx-"))
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What is run."""
        raise AssertionError

    def answers(self) -> bool:
        """Whether it is up."""
        raise AssertionError

    def start(self) -> None:
        """Start it."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, stdout=log, stderr=log, user=self.user
            )

        def up() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text("utf-8")
            return self.answers()

        until(up, START_S, type(self).__name__)

    def stop(self, number: int) -> None:
        """End it by a signal."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(START_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGQUIT if isinstance(self, Postgres) else signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def _tool(name: str, *folders: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


class Redis(Server):
    """redis-server, which keeps nothing over a restart."""

    def __init__(self) -> None:
        self._binary = _tool("redis-server")
        super().__init__()

    @property
    def url(self) -> str:
        """Its database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


class Postgres(Server):
    """postgres, with one database and one user, both `dfexplain`, who needs no password."""

    def __init__(self) -> None:
        self._made = False
        newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        folders = [str(folder) for folder in newest]
        self._binary = _tool("postgres", *folders)
        initdb = _tool("initdb", *folders)
        if os.geteuid() == 0:
            try:
                self.user = pwd.getpwnam("postgres").pw_name
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        super().__init__()
        made = subprocess.run(
            [initdb, "-D", "data", "-A", "trust", "-U", "dfexplain", "-E", "UTF8", "--locale=C",
             "--no-sync", "--no-instructions"],
            cwd=self.folder, capture_output=True, text=True, user=self.user, timeout=START_S,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr

    def start(self) -> None:
        """Start it, and make the database the first time."""
        super().start()
        if not self._made:
            self.new("dfexplain")
            self._made = True

    def url_of(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql+psycopg://dfexplain@127.0.0.1:{self.port}/{database}"

    @property
    def url(self) -> str:
        """The URL of the first."""
        return self.url_of("dfexplain")

    def new(self, database: str) -> str:
        """Make an empty database; its URL."""
        with self._connected() as connection:
            connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[arg-type]
        return self.url_of(database)

    def command(self) -> list[str]:
        # What a crash of the machine would lose is of no interest here.
        return [
            self._binary, "-D", "data", "-p", str(self.port), "-k", str(self.folder),
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            with self._connected():
                return True
        except psycopg.OperationalError:
            return False

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="dfexplain", dbname="template1",
            autocommit=True, connect_timeout=5,
        )  # fmt: skip
