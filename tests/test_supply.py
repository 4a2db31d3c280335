"""What is installed is what was meant: a lock with hashes, and versions asked at the start."""

from __future__ import annotations

import re
from importlib import metadata

import gradio as gr
import pytest

from dfexplain import floors, ui
from dfexplain.__main__ import main
from dfexplain.errors import VersionRefused
from scripts import lock
from tests.pages import in_loop
from tests.sources import ROOT
from tests.test_requirements import normal, pins

LINES = lock.LOCK.read_text("utf-8").splitlines()
LINE = re.compile(r"([a-z0-9-]+)==([\w.+!]+) --hash=sha256:([0-9a-f]{64})")


def test_the_lock_has_a_hash_for_every_package() -> None:
    assert LINES[0].startswith("# Linux x86_64, Python 3.11;")
    rows = [line for line in LINES if not line.startswith("#")]
    found = [LINE.fullmatch(row) for row in rows]
    assert all(found), rows
    names = [match[1] for match in found if match]
    assert names == sorted(set(names))
    assert len(names) > 50
    assert not any("/" in line.replace("scripts/lock.py", "") for line in LINES), "names a host"


def test_the_lock_holds_the_pins() -> None:
    """Run scripts/lock.py after a change of requirements.txt."""
    locked = dict(line.split(" ")[0].split("==") for line in LINES if not line.startswith("#"))
    wanted = {name: version for name, (version, _) in pins("requirements.txt").items()}
    assert {name: locked.get(name) for name in wanted} == wanted


def test_a_report_of_pip_becomes_lines() -> None:
    def package(name: str, version: str, digit: str) -> dict[str, object]:
        hashes = {"archive_info": {"hashes": {"sha256": digit * 64}}, "url": "https://host/x.whl"}
        return {"metadata": {"name": name, "version": version}, "download_info": hashes}

    told = lock.lines([package("Zope.Interface", "2", "b"), package("alpha_beta", "1", "a")])
    assert told == [
        f"alpha-beta==1 --hash=sha256:{'a' * 64}",
        f"zope-interface==2 --hash=sha256:{'b' * 64}",
    ]


@pytest.mark.parametrize(
    ("package", "version"),
    [("torch", "2.9.1"), ("torch", "1.13.1+cpu"), ("gradio", "6.19.9"), ("gradio", "5.50.0"),
     ("gradio", "unknown"), ("torch", None)],
)  # fmt: skip
def test_the_app_does_not_start_with_a_version_that_has_holes(
    package: str,
    version: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    genuine = metadata.version

    def asked(name: str) -> str:
        if name != package:
            return genuine(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", asked)
    assert main(["app"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error[version]: ")
    assert package in line
    assert str(version or "none") in line


def test_a_page_is_not_served_with_them_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "FLOORS", {"torch": (999, 0)})

    def start() -> None:
        with gr.Blocks(analytics_enabled=False) as page:
            ui.launch(page)

    with pytest.raises(SystemExit, match=r"error\[version\]: torch must be"):
        in_loop(start)


@pytest.mark.parametrize("version", ["2.10.0", "2.11.0+cu126", "3.0.0a1", "10.2"])
def test_versions_from_the_floor_on_are_fine(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "FLOORS", {"torch": (2, 10)})
    monkeypatch.setattr(metadata, "version", lambda name: version)
    floors.check()


def test_the_pins_are_above_the_floors() -> None:
    for package, floor in floors.FLOORS.items():
        pinned = pins("requirements.txt")[normal(package)][0]
        assert tuple(map(int, pinned.split(".")[:2])) >= floor
    floors.check()
    assert issubclass(VersionRefused, Exception)


def test_the_security_page_names_the_commands() -> None:
    said = (ROOT / "SECURITY.md").read_text("utf-8")
    for command in (
        "--require-hashes -r requirements.lock",
        "scripts/lock.py",
        "pip-audit --strict",
    ):
        assert command in said
