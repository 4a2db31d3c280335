"""What the environment says of the queue, and what is said where it cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain.batch.settings import Settings
from dfexplain.errors import SettingError


def test_the_settings_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    read = Settings.read({})
    assert read.database == f"sqlite:///{tmp_path / 'dfexplain' / 'jobs.sqlite'}"
    assert (read.broker, read.lease_s, read.poll_s, read.sweep_s) == (None, 60.0, 1.0, 5.0)
    read = Settings.read(
        {
            "DFEXPLAIN_DATABASE": "postgresql://me:secret@host/jobs",
            "DFEXPLAIN_BROKER": "redis://:secret@host:6379/0",
            "DFEXPLAIN_LEASE_S": "90",
        }
    )
    assert read.lease_s == 90.0
    assert "secret" not in repr(read)


@pytest.mark.parametrize(
    "environment",
    [
        {"DFEXPLAIN_LEASE_S": "0"},
        {"DFEXPLAIN_POLL_S": "often"},
        {"DFEXPLAIN_SWEEP_S": "nan"},
        {"DFEXPLAIN_BROKER": "amqp://me:secret@host"},
    ],
    ids=str,
)
def test_a_bad_setting_is_one_line_that_names_it(environment: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=next(iter(environment))) as caught:
        Settings.read(environment)
    assert "secret" not in str(caught.value)


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dfexplain.batch.store", None)
    monkeypatch.setenv("DFEXPLAIN_DATABASE", "sqlite:///none.sqlite")
    assert cli.main(["worker", "--poll"]) == 2
    assert "Install dfexplain[batch]" in capsys.readouterr().err


def test_without_a_broker_only_polling_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DFEXPLAIN_DATABASE", f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    monkeypatch.delenv("DFEXPLAIN_BROKER", raising=False)
    for arguments in (["worker"], ["worker", "--sweep"]):
        assert cli.main(arguments) == 2
        assert "DFEXPLAIN_BROKER must name a Redis" in capsys.readouterr().err
