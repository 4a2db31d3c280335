"""Rows whose measurement is tests that the suite has already: they are run, and counted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.trust.rows import Figure

__all__ = ["ROOT", "passed"]

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 1500


def passed(*tests: str) -> Figure:
    """Run tests by their names, in a process of their own; held if none of them fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    told = re.findall(r"(\d+) (passed|failed|skipped|error)", last)
    counts = {word: int(number) for number, word in told}
    good = counts.get("passed", 0)
    rest = "".join(f", {n} {word}" for word, n in counts.items() if word != "passed")
    held = done.returncode == 0 and good > 0
    return Figure(f"{good} tests passed{rest}", held if good or done.returncode else None)
