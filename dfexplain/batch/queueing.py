"""Hand files to the workers of a store, and wait for what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dfexplain.batch.jobs import Job, NewJob, State
from dfexplain.batch.settings import Settings
from dfexplain.batch.store import Store
from dfexplain.batch.walk import digest

__all__ = ["ended", "offer", "submit"]

_ENDS = {State.DONE, State.FAILED, State.CANCELLED}
# Ids in one question to the database.
_MANY = 500


def submit(
    store: Store,
    path: str | Path,
    *,
    weights_sha256: str,
    parameters: str,
    out: Path | None = None,
    webhook: str | None = None,
) -> tuple[Job, bool]:
    """Submit a file by its absolute path, under which the workers must see it, too: its job, and
    whether that is new. `parameters` are `scoring.parameters_of`. InputError for no plain file."""
    absolute = Path(path).absolute()
    folder = None if out is None else str(out.absolute())
    sha256 = digest(str(absolute))
    return store.submit(NewJob(str(absolute), sha256, weights_sha256, parameters, webhook, folder))


def offer(settings: Settings, job_ids: Sequence[str]) -> int:
    """Tell the broker of new jobs, if there is one. Returns how many messages went out; without
    any the workers come to the jobs as well, by polling or by their sweeper."""
    if settings.broker is None or not job_ids:
        return 0
    from dfexplain.batch.worker import Broker

    broker = Broker(settings)
    try:
        return broker.offer(job_ids)
    finally:
        broker.close()


def ended(
    store: Store, job_ids: Iterable[str], *, poll_s: float = 1.0, timeout_s: float | None = None
) -> Iterator[Job | None]:
    """The jobs, each as it ends, in the order in which that is seen, and None whenever `poll_s`
    seconds have passed without one. Ends with the last of them, or after `timeout_s` seconds."""
    left = dict.fromkeys(job_ids)
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while left:
        over = [job for part in _parts(list(left)) for job in store.among(part)]
        over = [job for job in over if job.state in _ENDS]
        for job in over:
            del left[job.id]
            yield job
        if not left or (end is not None and time.monotonic() >= end):
            return
        if not over:
            yield None
            time.sleep(poll_s)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _MANY):
        yield ids[start : start + _MANY]
