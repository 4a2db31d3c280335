"""The style is what ruff and mypy say, with the settings of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sources import ROOT


@pytest.mark.parametrize(
    "tool",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_the_tools_have_nothing_to_say(tool: list[str]) -> None:
    run = [sys.executable, "-m", *tool]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
