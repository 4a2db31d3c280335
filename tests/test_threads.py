"""Threads that wait for work sleep, unless the user wants them to spin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _openmp(module: str, **chosen: str) -> str:
    """What the OpenMP of torch says of its settings when a module of ours loads it."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env=environment | {"OMP_DISPLAY_ENV": "TRUE"} | chosen,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stderr.splitlines() if "OMP_WAIT_POLICY" in line]
    if not lines:
        pytest.skip("this torch's OpenMP does not print its settings")
    return lines[0]


@pytest.mark.parametrize("module", ["dfexplain.engine", "train.__main__, torch"])
def test_threads_that_wait_sleep(module: str) -> None:
    assert "PASSIVE" in _openmp(module)


def test_what_the_user_asks_for_counts() -> None:
    assert "ACTIVE" in _openmp("dfexplain.engine", OMP_WAIT_POLICY="ACTIVE")
