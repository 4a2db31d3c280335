"""A batch whose files are done by the workers of a queue, on this machine or on others."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from dfexplain import hub
from dfexplain.batch import queueing
from dfexplain.batch.folder import RunFolder
from dfexplain.batch.jobs import Job, State
from dfexplain.batch.naming import parameters_of
from dfexplain.batch.runs import Asked, Gathered, row_of
from dfexplain.batch.settings import Settings, opened
from dfexplain.batch.store import Store
from dfexplain.errors import FileRefused
from dfexplain.report.files import write_whole

__all__ = ["QueuedBatch"]

# What the workers of a queue write.
FORMATS = ("json", "html")


class QueuedBatch:
    """The files of `asked`, submitted to the store of `settings` and waited for.

    The workers must see the files under the same paths, and the folder, to write the pages into
    it. What was submitted before is not done again, whoever submitted it.
    """

    def __init__(self, folder: RunFolder, asked: Asked, settings: Settings) -> None:
        self._folder, self._asked, self._settings = folder, asked, settings
        self.gathered = Gathered([str(Path(path).absolute()) for path in asked.files])

    def run(self) -> Generator[int]:
        """As `runs.Batch.run`. Closing it waits no longer; the jobs stay in the queue."""
        weights = hub.load(self._asked.weights).info.sha256
        with self._folder.locked(), closing(opened(self._settings.database)) as store:
            self._folder.begin([])
            jobs: dict[str, str] = {}
            for path in self.gathered.files:
                yield int(self._submit(path, weights, store, jobs))
            for ended in queueing.ended(store, jobs, poll_s=self._settings.poll_s):
                if ended is not None:
                    self._keep(ended, jobs[ended.id], store)
                yield int(ended is not None)
        self._folder.end(self.gathered.rows(), len(self.gathered.files))

    def _submit(self, path: str, weights: str, store: Store, jobs: dict[str, str]) -> bool:
        """Submit a file; True where it is over already."""
        try:
            job, _ = queueing.submit(
                store,
                path,
                weights_sha256=weights,
                parameters=parameters_of(self._asked.sampling),
                out=self._folder.reports,
            )
        except FileRefused as error:
            self._folder.append(self.gathered.refuse(path, error))
            return True
        if not self.gathered.is_first(path, job.input_sha256):
            return True
        if self._asked.retry and job.state in (State.FAILED, State.CANCELLED):
            store.retry(job.id, path)
        jobs[job.id] = path
        queueing.offer(self._settings, [job.id])
        return False

    def _keep(self, job: Job, path: str, store: Store) -> None:
        row = self.gathered.add(job.input_sha256, row_of(job, store))
        document = store.report(job.id)
        if document is not None:
            # A worker on another machine, or of an earlier batch, has not written it here.
            write_whole(self._folder.reports / f"{row.report}.json", document)
        self._folder.append(row)
