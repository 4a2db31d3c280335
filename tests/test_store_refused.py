"""What the store does not take: jobs that are none, and databases that it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfexplain.batch.jobs import NewJob, canonical
from dfexplain.batch.store import Store
from dfexplain.errors import SettingError, StoreUnavailable

WEIGHTS = "b" * 64


def test_what_is_no_job_is_refused() -> None:
    with pytest.raises(ValueError, match="64 digits"):
        NewJob("/a.mp4", "A" * 64, WEIGHTS)
    with pytest.raises(ValueError, match="canonical"):
        NewJob("/a.mp4", "a" * 64, WEIGHTS, '{"b": 1, "a": 2}')
    with pytest.raises(ValueError, match="canonical"):
        NewJob("/a.mp4", "a" * 64, WEIGHTS, "[]")
    with pytest.raises(ValueError, match="at most 2000"):
        NewJob("/a.mp4", "a" * 64, WEIGHTS, canonical({"a": "x" * 2000}))
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"\\u00fc","b":1}'


@pytest.mark.parametrize(
    "url", ["", "jobs.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://me:secret@host/jobs"]
)
def test_another_database_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SettingError, match="must be sqlite:///FILE or postgresql") as caught:
        Store(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    store = Store("postgresql://me:secret@127.0.0.1:1/jobs")
    with pytest.raises(StoreUnavailable, match="must be a database that answers") as caught:
        store.counts()
    assert "secret" not in str(caught.value)
    assert store.shown == "postgresql+psycopg://me:***@127.0.0.1:1/jobs"
    with pytest.raises(StoreUnavailable):
        store.migrate()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(f"sqlite:///{tmp_path / 'file' / 'jobs.sqlite'}")
    with pytest.raises(StoreUnavailable, match="DFEXPLAIN_DATABASE"):
        store.migrate()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "100 % mine.sqlite"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    assert path.stat().st_mode & 0o077 == 0
    store.close()
