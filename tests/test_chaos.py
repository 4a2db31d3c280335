"""Workers killed at random, a Redis that forgets, a PostgreSQL that crashes: no job is lost or
done twice. The slow form does 200 jobs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from dfexplain.batch import queueing
from dfexplain.batch.jobs import TRIES, NewJob, State
from dfexplain.batch.settings import Settings, opened
from dfexplain.batch.store import LOST, Store
from tests.servers import Postgres, Redis
from tests.sources import ROOT

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="children are found by Linux's /proc"
)
# A lease that lapsed is followed by another try within this time.
RERUN_S = 30.0


@dataclass(frozen=True)
class Plan:
    """How many jobs of how long, on how many workers, and how many of these are killed."""

    jobs: int
    job_s: float
    workers: int
    kills: int
    lease_s: float
    deadline_s: float


SMALL = Plan(jobs=12, job_s=0.5, workers=2, kills=2, lease_s=3.0, deadline_s=150.0)
FULL = Plan(jobs=200, job_s=0.6, workers=4, kills=40, lease_s=4.0, deadline_s=900.0)


class Crew:
    """Workers that are started again when they have died, as a supervisor would."""

    def __init__(self, plan: Plan, environment: dict[str, str], log: Path, said: Path) -> None:
        self._count, self._environment = plan.workers, environment
        self._command = [
            sys.executable, "-m", "tests.queue_worker", "celery", str(log), str(plan.job_s),
        ]  # fmt: skip
        self._said = said.open("ab")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._sessions: list[int] = []
        # When each process was killed.
        self.killed: dict[int, float] = {}
        self.kinds: Counter[str] = Counter()

    def keep_up(self) -> None:
        """Start as many as are missing."""
        self._processes = [one for one in self._processes if one.poll() is None]
        while len(self._processes) < self._count:
            process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=self._said,
                stderr=self._said, start_new_session=True,
            )  # fmt: skip
            self._processes.append(process)
            self._sessions.append(process.pid)

    def kill(self, dice: random.Random, busy: set[int]) -> bool:
        """`kill -9` one of `busy`, the processes that score: itself, the one that listens for it,
        or both at once. False where none of them is there."""
        victims = [
            (parent.pid, child)
            for parent in self._processes
            if parent.poll() is None
            for child in children(parent.pid)
            if child in busy
        ]
        if not victims:
            return False
        parent, child = dice.choice(victims)
        kind = dice.choice(["child", "parent", "both"])
        self.kinds[kind] += 1
        for pid in {"child": [child], "parent": [parent], "both": [parent, child]}[kind]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed[pid] = time.time()
        return True

    def close(self) -> None:
        """End all, and whatever they started."""
        for session in self._sessions:
            with suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)
        for process in self._processes:
            process.wait(30)
        self._said.close()


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def begun(log: Path) -> dict[str, list[tuple[float, int, int]]]:
    """When each job was begun, at which try, by which process."""
    found = defaultdict(list)
    for line in log.read_text().splitlines() if log.exists() else []:
        job_id, when, tries, pid = line.split()
        found[job_id].append((float(when), int(tries), int(pid)))
    return found


def running(store: Store, log: Path) -> set[int]:
    """The processes that have a job in hand."""
    starts = begun(log)
    return {starts[job.id][-1][2] for job in store.jobs(State.RUNNING) if starts[job.id]}


def ended(store: Store) -> int:
    counts = store.counts()
    return counts[State.DONE] + counts[State.FAILED]


def endure(plan: Plan, folder: Path, seed: int) -> tuple[Store, Crew, list[str], ExitStack]:
    """Do all jobs under `plan.kills` kills; at a third Redis forgets, at two PostgreSQL crashes."""
    dice = random.Random(seed)
    stack = ExitStack()
    with ExitStack() as building:
        postgres, redis = building.enter_context(Postgres()), building.enter_context(Redis())
        environment = {
            **os.environ,
            "DFEXPLAIN_DATABASE": postgres.url,
            "DFEXPLAIN_BROKER": redis.url,
            "DFEXPLAIN_LEASE_S": str(plan.lease_s),
            "DFEXPLAIN_SWEEP_S": "0.5",
        }
        settings = Settings.read(environment)
        store = building.enter_context(closing(opened(settings.database)))
        new = [NewJob(f"/videos/{n}", f"{n:064x}", "b" * 64) for n in range(plan.jobs)]
        ids = [store.submit(job)[0].id for job in new]
        assert [store.submit(job) for job in new] == [(store.job(i), False) for i in ids]
        assert queueing.offer(settings, ids) == plan.jobs
        log = folder / "begun"
        crew = building.enter_context(closing(Crew(plan, environment, log, folder / "workers.log")))
        stack = building.pop_all()
    with stack:
        outages = [
            (plan.jobs // 3, redis, signal.SIGKILL),
            (2 * plan.jobs // 3, postgres, signal.SIGQUIT),
        ]
        # Kills are spread over the first four fifths.
        due = sorted(dice.randrange(plan.jobs * 4 // 5) for _ in range(plan.kills))
        end = time.monotonic() + plan.deadline_s
        while True:
            assert time.monotonic() < end, f"{ended(store)} of {plan.jobs} jobs ended in time"
            crew.keep_up()
            over = ended(store)
            if over == plan.jobs:
                break
            if outages and over >= outages[0][0]:
                _, server, number = outages.pop(0)
                server.stop(number)
                time.sleep(1)
                server.start()
            if due and over >= due[0] and crew.kill(dice, running(store, log)):
                due.pop(0)
            time.sleep(0.1)
        assert not outages
        stack = stack.pop_all()
    return store, crew, ids, stack


@pytest.mark.parametrize(
    "plan",
    [SMALL, pytest.param(FULL, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
    ids=["small", "full"],
)
def test_nothing_is_lost_or_done_twice(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = 8
    began = time.monotonic()
    store, crew, ids, stack = endure(plan, tmp_path, seed)
    with stack:
        took = time.monotonic() - began
        jobs = {job.id: job for job in store.jobs(limit=plan.jobs + 1)}
        states = Counter(job.state for job in jobs.values())
        done = [job.id for job in jobs.values() if job.state is State.DONE]
        failed = [job for job in jobs.values() if job.state is State.FAILED]
        results = sum(store.report(job_id) is not None for job_id in ids)
    starts = begun(tmp_path / "begun")
    said = (tmp_path / "workers.log").read_text("utf-8", "replace")
    commits = Counter(
        line.split("job ")[1][:32]
        for line in said.splitlines()
        if line.endswith(": not_analysable")
    )
    # A lease lapses after the kill, so this is more than the wait since it lapsed.
    late = [
        again - crew.killed[pid]
        for tries in starts.values()
        for (when, _, pid), (again, _, _) in pairwise(tries)
        if when <= crew.killed.get(pid, 0.0) <= again
    ]
    waited = f"{max(late, default=0.0):.1f}"
    with capsys.disabled():
        print(
            f"\n{plan.jobs} jobs on {plan.workers} workers, {sum(crew.kinds.values())} kills "
            f"{dict(crew.kinds)}, Redis and PostgreSQL restarted, {took:.0f} s: "
            f"{len(jobs)} rows, {len(done)} done, {len(failed)} failed, {results} results, "
            f"{sum(map(len, starts.values()))} tries, {len(late)} of them after a killed one, the "
            f"latest {waited} s after the kill, with leases of "
            f"{plan.lease_s:g} s"
        )
    assert set(jobs) == set(ids)
    assert states[State.DONE] + states[State.FAILED] == plan.jobs
    assert results == len(done)
    assert max(commits.values()) == 1, "no result was taken twice"
    assert set(commits) <= set(done)
    assert len(failed) <= max(1.0, plan.jobs * 0.02)
    assert all((job.tries, job.error_code) == (TRIES, LOST) for job in failed)
    assert all(job.error_reason for job in failed)
    # On a slow machine the last ones may find nobody at work any more.
    assert plan.kills // 2 <= sum(crew.kinds.values()) <= plan.kills
    assert max(late, default=0.0) < RERUN_S
