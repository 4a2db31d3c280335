"""A batch in one folder: every file once, whatever ends the run in between.

The store in the folder is the truth: a job is done when its row says so, and its report files were
whole before that. The other files are written from it, the lines of a resumed run anew.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace

from dfexplain.batch.folder import RunFolder
from dfexplain.batch.jobs import Job, NewJob, Result, State
from dfexplain.batch.messages import Done, Failed, Lost, Step, Task
from dfexplain.batch.naming import parameters_of, stem_of
from dfexplain.batch.pool import Pool
from dfexplain.batch.store import LOST, Store
from dfexplain.batch.walk import digest
from dfexplain.batch.working import worker_name
from dfexplain.errors import FileRefused
from dfexplain.report import rows
from dfexplain.report.rows import FileRow
from dfexplain.structures import Sampling

__all__ = ["Asked", "Batch", "Gathered", "row_of"]

LEASE_S = 120.0
BEAT_S = 10.0
SHOWN_S = 60.0
# Until a job is asked for again that could not be begun.
AGAIN_S = 1.0
_PAGE = 500


@dataclass(frozen=True)
class Asked:
    """What a batch is asked for; `weights` is the spec that `hub.load` takes."""

    files: tuple[str, ...]
    weights: str | None
    sampling: Sampling
    formats: tuple[str, ...]
    workers: int
    threads: int | None = None
    retry: bool = False


class Gathered:
    """What is known of the files of a batch; the same bytes under several names are one row."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = tuple(files)
        # By sha256: the names of the same bytes, the first of which is the row's; and the row.
        self._names: dict[str, list[str]] = {}
        self._found: dict[str, FileRow] = {}
        self._unread: dict[str, FileRow] = {}

    def is_first(self, path: str, sha256: str) -> bool:
        """Whether these bytes are the row of this path, and not that of one before it."""
        names = self._names.setdefault(sha256, [])
        if path not in names:
            names.append(path)
        return names[0] == path

    def add(self, sha256: str, row: FileRow) -> FileRow:
        """Keep the row of these bytes; the row."""
        self._found[sha256] = row
        return row

    def refuse(self, path: str, error: FileRefused) -> FileRow:
        """Keep the row of a file that cannot be read; the row."""
        self._unread[path] = rows.of_error(path, error.code, str(error))
        return self._unread[path]

    def rows(self) -> list[FileRow]:
        """The rows of all files that are over, in the order of the files; the same bytes once."""
        first = {names[0]: sha for sha, names in self._names.items() if sha in self._found}
        found = []
        for path in self.files:
            if path in first:
                sha = first[path]
                also = tuple(self._names[sha][1:])
                found.append(replace(self._found[sha], path=path, also=also))
            elif path in self._unread:
                found.append(self._unread[path])
        return found


class Batch:
    """The files of `asked`, worked through in `folder`."""

    def __init__(self, folder: RunFolder, asked: Asked) -> None:
        self._folder, self._asked = folder, asked
        self._name = worker_name()
        self._parameters = parameters_of(asked.sampling)
        self.gathered = Gathered(asked.files)
        self._running: dict[str, tuple[str, str, str]] = {}
        # Paths with the moment before which they are not begun.
        self._waiting = deque((path, 0.0) for path in asked.files)
        self._beaten = self._shown = time.monotonic()

    def run(self) -> Generator[int]:
        """Work. Yields how many files are over since the last word, at least once a second and be
        it 0. Closing it ends the work; what is over stays.

        Raises SettingError where another run works in the folder, it was begun with other settings
        or cannot be written to, WeightsError and StoreUnavailable.
        """
        asked = self._asked
        with (
            self._folder.locked(),
            Pool(asked.workers, asked.weights, asked.threads) as pool,
            closing(Store(self._folder.url)) as store,
        ):
            self._folder.settle(
                {
                    "weights": pool.weights.sha256,
                    "sampling": asdict(asked.sampling),
                    "formats": list(asked.formats),
                }
            )
            store.migrate()
            # The folder is locked, so whoever held these leases is dead.
            store.sweep(now=time.time() + 2 * LEASE_S)
            self._folder.begin(list(_kept(store)))
            try:
                yield from self._work(pool, store)
            finally:
                self._stop(store)
        self._folder.end(self.gathered.rows(), len(asked.files))

    def _work(self, pool: Pool, store: Store) -> Iterator[int]:
        while self._waiting or self._running:
            yield from self._begun(pool, store)
            yield sum(self._ended(event, store) for event in pool.events(1.0))
            self._beat(store)
            if time.monotonic() - self._shown > SHOWN_S:
                self._shown = time.monotonic()
                self._folder.show(self.gathered.rows(), len(self._asked.files))

    def _stop(self, store: Store) -> None:
        """Give back what is being done, as when the run is interrupted, and show what is there."""
        for job_id in self._running:
            store.release(job_id, self._name)
        self._running.clear()
        self._folder.show(self.gathered.rows(), len(self._asked.files))

    def _begun(self, pool: Pool, store: Store) -> Iterator[int]:
        """Give the free processes work, as far as its time has come."""
        while pool.idle and self._waiting and self._waiting[0][1] <= time.monotonic():
            yield int(self._begin(self._waiting.popleft()[0], pool, store))

    def _begin(self, path: str, pool: Pool, store: Store) -> bool:
        """Have a file analysed; True where it is over already."""
        try:
            sha256 = digest(path, lambda: self._beat(store))
        except FileRefused as error:
            self._folder.append(self.gathered.refuse(path, error))
            return True
        if not self.gathered.is_first(path, sha256):
            return True
        out, weights = str(self._folder.reports), pool.weights.sha256
        job, _ = store.submit(NewJob(path, sha256, weights, self._parameters, out=out))
        if self._asked.retry and job.state in (State.FAILED, State.CANCELLED):
            store.retry(job.id, path)
        taken = store.claim(self._name, LEASE_S, job.id)
        if taken is None:
            job = store.job(job.id) or job
            if job.finished_at is None:
                self._waiting.append((path, time.monotonic() + AGAIN_S))
                return False
            self.gathered.add(sha256, row_of(job, store))
            return True
        # The name under which the bytes were submitted first, in an earlier run perhaps.
        stem = stem_of(taken.path, sha256)
        self._running[taken.id] = (path, sha256, stem)
        pool.give(Task(taken.id, path, self._asked.sampling, out, stem, self._asked.formats))
        return False

    def _ended(self, event: Done | Failed | Lost | Step, store: Store) -> int:
        """Keep what became of a file; 1 where it is over."""
        if isinstance(event, Step):
            return 0
        path, sha256, stem = self._running.pop(event.id)
        if isinstance(event, Done):
            store.finish(event.id, self._name, Result.of(event.document))
            row = rows.of_report(path, json.loads(event.document), stem)
        elif isinstance(event, Failed):
            store.fail(event.id, self._name, event.code, event.message, retry=False)
            row = rows.of_error(path, event.code, event.message, sha256)
        else:
            why = f"the process that analysed it ended with status {event.status}."
            store.fail(event.id, self._name, LOST, why, retry=True)
            job = store.job(event.id)
            if job is None or job.finished_at is None:
                # After all others: it may be what ends processes.
                self._waiting.append((path, time.monotonic() + AGAIN_S))
                return 0
            row = row_of(job, store)
        self._folder.append(self.gathered.add(sha256, row))
        return 1

    def _beat(self, store: Store) -> None:
        """Renew the leases, now and then."""
        if time.monotonic() - self._beaten > BEAT_S:
            self._beaten = time.monotonic()
            for job_id in self._running:
                store.heartbeat(job_id, self._name, LEASE_S)


def _kept(store: Store) -> Iterator[FileRow]:
    """The rows of what an earlier run has finished."""
    for state in (State.DONE, State.FAILED):
        for start in itertools.count(0, _PAGE):
            jobs = store.jobs(state, _PAGE, start)
            yield from (row_of(job, store) for job in jobs)
            if len(jobs) < _PAGE:
                break


def row_of(job: Job, store: Store) -> FileRow:
    """The row of a job that is over."""
    document = store.report(job.id)
    if document is not None:
        stem = stem_of(job.path, job.input_sha256)
        return rows.of_report(job.path, json.loads(document), stem)
    code, why = job.error_code or str(job.state), job.error_reason or ""
    return rows.of_error(job.path, code, why, job.input_sha256)
