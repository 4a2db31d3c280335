"""R11, R12: memory for a long file, and the app under load."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import long_file, soak
from benchmarks.trust.rows import Figure, Row

__all__ = ["ROWS"]


def _long(full: bool) -> Figure:
    if not full:
        return Figure("makes 4 GB of files: with --full only", None)
    with tempfile.TemporaryDirectory() as folder:
        ratio = long_file.run(Path(folder))
    return Figure(f"{ratio:.3f} times", ratio <= long_file.LIMIT)


def _load(full: bool) -> Figure:
    if not Path("/proc/self/status").exists():
        return Figure("memory is read from /proc, which is not here", None)
    with tempfile.TemporaryDirectory() as folder, soak.served(Path(folder), not full) as app:
        found = (
            soak.busy(app),
            soak.leaving(app, soak.LEAVERS if full else soak.LEAVERS_SHORT),
            soak.growth(app, soak.JOBS if full else soak.JOBS_SHORT, soak.WARM_UP),
        )
    return Figure("; ".join(one.text for one in found), all(one.held for one in found))


ROWS = (
    Row("R11", "a two-hour file takes the memory of a five-minute one",
        f"{long_file.LIMIT} times", _long),
    Row("R12", "a crowd is told to wait, who leaves frees the worker, memory stays",
        f"{soak.TAKEN} of {soak.UPLOADS} taken and the others told that it is busy; "
        f"{soak.FREE_S:g} s; {soak.MB_A_JOB} MB a job", _load),
)  # fmt: skip
