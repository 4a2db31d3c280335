"""How many jobs a second go through the store, for docs/scaling.md.

    python -m benchmarks.store [--database URL] [--jobs N] [--workers W] [--rows R]

Jobs are submitted one by one, then W processes claim each, renew its lease once and finish it with
a report of 20 kB, as workers do, but for the work. With --rows the database holds that many jobs
that are done before it begins. Without a URL a SQLite file in a temporary folder is used; a
database that is given must be an empty one, and its tables are dropped in the end.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dfexplain.batch.jobs import NewJob, Result, State
from dfexplain.batch.settings import opened
from dfexplain.batch.store import Store
from dfexplain.batch.tables import JOBS

__all__ = ["Rates", "main", "measure"]

WEIGHTS = "b" * 64
REPORT = Result("real", None, -1.0, 0.1, '{"report":"' + "x" * 20_000 + '"}')
CHUNK = 10_000


@dataclass(frozen=True)
class Rates:
    """Jobs a second: submitted by one process; claimed, renewed and finished by all workers, and
    the CPU milliseconds that one job costs a worker."""

    submitted: float
    done: float
    cpu_ms: float


def _fill(url: str, rows: int) -> None:
    """Jobs that were done long ago."""
    engine = sa.create_engine(url)
    row = {
        "path": "/videos/old.mp4", "weights_sha256": WEIGHTS, "parameters": "{}",
        "state": State.DONE, "tries": 1, "created_at": 0.0, "offered_at": 0.0, "finished_at": 1.0,
    }  # fmt: skip
    with engine.begin() as connection:
        for start in range(0, rows, CHUNK):
            ids = [uuid.uuid4().hex for _ in range(start, min(rows, start + CHUNK))]
            new = [{**row, "id": one, "input_sha256": one + one} for one in ids]
            connection.execute(sa.insert(JOBS), new)
    engine.dispose()


def _work(url: str, name: str) -> tuple[int, float]:
    """Work until nothing waits; how many jobs were done, and the CPU seconds that took."""
    done = 0
    with closing(Store(url)) as store:
        store.counts()
        before = time.process_time()
        while (job := store.claim(name, 60)) is not None:
            store.heartbeat(job.id, name, 60)
            done += store.finish(job.id, name, REPORT)
        return done, time.process_time() - before


def measure(url: str, *, jobs: int, workers: int, rows: int) -> Rates:
    """The rates on an empty database, which is empty again in the end."""
    with closing(opened(url)) as store:
        _fill(url, rows)
        new = [NewJob(f"/videos/{n}.mp4", f"{n:064x}", WEIGHTS) for n in range(jobs)]
        began = time.monotonic()
        for job in new:
            store.submit(job)
        submitted = jobs / (time.monotonic() - began)
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            # Their interpreters have started once each has answered.
            pool.map(time.sleep, [0.2] * workers, chunksize=1)
            began = time.monotonic()
            names = [(url, f"worker {number}") for number in range(workers)]
            parts = pool.starmap(_work, names, chunksize=1)
            took = time.monotonic() - began
        assert sum(done for done, _ in parts) == jobs
        assert store.counts()[State.DONE] == jobs + rows
        store.migrate("base")
    return Rates(submitted, jobs / took, 1000 * sum(cpu for _, cpu in parts) / jobs)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rates."""
    parser = argparse.ArgumentParser("benchmarks.store", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--jobs", type=int, default=2000, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="W")
    parser.add_argument("--rows", type=int, default=0, metavar="R")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        url = asked.database or f"sqlite:///{Path(folder) / 'jobs.sqlite'}"
        found = measure(url, jobs=asked.jobs, workers=asked.workers, rows=asked.rows)
    kind = sa.make_url(url).get_backend_name()
    print(
        f"{kind}, {asked.rows} rows before, {asked.jobs} jobs, {asked.workers} workers, "
        f"{os.cpu_count()} cores: {found.submitted:.0f} submitted a second, {found.done:.0f} done "
        f"a second, {found.cpu_ms:.1f} ms of CPU time a job in the workers"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
