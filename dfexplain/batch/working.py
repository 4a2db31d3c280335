"""One worker: it claims a job, keeps the lease while it scores, and commits the result."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from dfexplain.batch.jobs import Job, Result
from dfexplain.batch.store import Store
from dfexplain.errors import DfExplainError, InputError, StoreUnavailable

__all__ = ["INTERNAL", "Scorer", "Worker", "poll", "worker_name"]

# The code of a job that failed by an error that nobody foresaw.
INTERNAL = "internal"
# A lease is renewed this often before it lapses, so that one answer may be lost.
_BEATS = 3
# Until a database that does not answer is asked again.
_AGAIN_S = (0.2, 5.0)

T = TypeVar("T")
log = logging.getLogger("dfexplain.worker")


class Scorer(Protocol):
    """Does the work of jobs. `weights_sha256` says of which; None: of all."""

    @property
    def weights_sha256(self) -> str | None:
        """The weights that are loaded."""

    def __call__(self, job: Job, stopped: Callable[[], bool]) -> Result | None:
        """Do the job. None, and soon, once `stopped` says so."""


def worker_name() -> str:
    """A name that no other process has, on this machine or another, now or later."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


class Worker:
    """One process's share of the work in `store`, one job at a time.

    `make` is called once, in the thread in which all scoring happens: torch's number of threads
    belongs to a thread. What it raises comes out here. `stop` ends the work: a job that is being
    done is given back.
    """

    def __init__(
        self,
        store: Store,
        make: Callable[[], Scorer],
        lease_s: float,
        stop: threading.Event | None = None,
    ) -> None:
        self.store, self.name = store, worker_name()
        self.stop = stop or threading.Event()
        self._lease_s = lease_s
        self._thread = ThreadPoolExecutor(1, "dfexplain-score")
        try:
            self._scorer = self._thread.submit(make).result()
        finally:
            if not hasattr(self, "_scorer"):
                self._thread.shutdown()

    def close(self) -> None:
        """End the thread. The store is left open."""
        self._thread.shutdown()

    def work(self, job_id: str | None = None) -> bool:
        """Do one job: the one that waited longest, or `job_id`. False where there was none to do.

        A database that does not answer is waited for until `stop`.
        """
        weights = self._scorer.weights_sha256
        job = self._patiently(
            lambda: self.store.claim(self.name, self._lease_s, job_id, weights_sha256=weights)
        )
        if job is None:
            return False
        log.info("job %s: try %d of %s", job.id, job.tries, job.path)
        lost = threading.Event()
        future = self._thread.submit(self._scorer, job, lambda: lost.is_set() or self.stop.is_set())
        while not wait([future], self._lease_s / _BEATS).done:
            if not lost.is_set() and not self._beat(job):
                log.warning("job %s: it was cancelled, or another has it", job.id)
                lost.set()
        if not lost.is_set():
            self._end(job, future)
        return True

    def _beat(self, job: Job) -> bool:
        try:
            return self.store.heartbeat(job.id, self.name, self._lease_s)
        except StoreUnavailable as error:
            # Without the database nobody else can take the job either.
            log.warning("job %s: %s", job.id, error)
            return True

    def _end(self, job: Job, future: Future[Result | None]) -> None:
        error = future.exception()
        if isinstance(error, DfExplainError):
            # A bad file stays bad. A full disk may pass, and a folder that is not mounted here may
            # be on another machine.
            retry = not isinstance(error, InputError) or not os.path.exists(job.path)
            kept = self._fail(job, error.code, str(error), retry)
            said = f"failed [{error.code}] {error}"
        elif error is not None:
            log.error("%s", "".join(traceback.format_exception(error)))
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            kept = self._fail(job, INTERNAL, reason, True)
            said = f"failed [{INTERNAL}] {reason}"
        elif (result := future.result()) is None:
            kept = self._patiently(lambda: self.store.release(job.id, self.name), once=True)
            said = "given back"
        else:
            # Looped even when told to stop: the work is done.
            kept = self._patiently(
                lambda: self.store.finish(job.id, self.name, result), once=self.stop.is_set()
            )
            said = f"done: {result.verdict}"
        log.info("job %s: %s%s", job.id, said, "" if kept else "; but it is not ours any more")

    def _fail(self, job: Job, code: str, reason: str, retry: bool) -> bool | None:
        return self._patiently(lambda: self.store.fail(job.id, self.name, code, reason, retry))

    def _patiently(self, ask: Callable[[], T], *, once: bool = False) -> T | None:
        """What the store says, however long the database is away; None at `stop`."""
        wait_s, longest_s = _AGAIN_S
        while True:
            try:
                return ask()
            except StoreUnavailable as error:
                log.warning("%s", error)
            if once or self.stop.wait(wait_s):
                return None
            wait_s = min(2 * wait_s, longest_s)


def poll(worker: Worker, *, poll_s: float, sweep_s: float, drain: bool = False) -> int:
    """Do what there is to do, looking every `poll_s` seconds, until `worker.stop`, or, to `drain`,
    until nothing is left that could be claimed. Lapsed jobs are freed every `sweep_s` seconds.
    Returns how many jobs were done."""
    done, next_sweep = 0, 0.0
    while not worker.stop.is_set():
        if time.monotonic() >= next_sweep:
            next_sweep = time.monotonic() + sweep_s
            try:
                worker.store.sweep()
            except StoreUnavailable as error:
                log.warning("%s", error)
        if worker.work():
            done += 1
        elif drain:
            break
        else:
            worker.stop.wait(poll_s)
    return done
