"""The store: one row for each job, in SQLite or PostgreSQL. It alone says what is to be done.

A worker claims a row for the time of a lease and renews the lease while it works. A lease that
lapsed frees the row again, three times at most. What a worker reports is taken only while the row
is its own, so a job that two workers came to do has one result, whatever the broker delivers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dfexplain.batch.database import Database
from dfexplain.batch.jobs import TRIES, Job, NewJob, Result, State
from dfexplain.batch.statements import LOST, bury, due, job_of, listed, own
from dfexplain.batch.tables import JOBS, RESULTS

__all__ = ["LOST", "Store"]

# Seconds until a job that failed for a passing reason is tried again, times the tries it has had.
_AGAIN_S = 2.0


class Store:
    """The jobs at `url`: `sqlite:///FILE` or `postgresql+psycopg://USER@HOST/NAME`.

    Any number of processes and, with PostgreSQL, machines may hold one; threads may share one.
    Every method raises StoreUnavailable where the database does not answer. `now` is UTC in seconds
    since 1970; without it the database's clock counts, which all workers have in common.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        seconds: sa.ColumnElement[float]
        if self._database.is_sqlite:
            seconds = (sa.func.julianday("now", type_=sa.Double) - 2440587.5) * 86400.0
        else:
            # The time of the statement is stable within it, so an index can be searched by it.
            seconds = sa.cast(sa.extract("epoch", sa.func.statement_timestamp()), sa.Double)
        self._clock = seconds

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self._database.shown

    def migrate(self, revision: str = "head") -> None:
        """Make the tables, or bring them up to date; "base" drops them with all jobs."""
        self._database.migrate(revision)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def submit(self, job: NewJob) -> tuple[Job, bool]:
        """Add a job, queued. The same one again changes nothing: its row as it is, and False."""
        insert: Any = sqlite.insert if self._database.is_sqlite else postgresql.insert
        same = (
            (JOBS.c.input_sha256 == job.input_sha256)
            & (JOBS.c.weights_sha256 == job.weights_sha256)
            & (JOBS.c.parameters == job.parameters)
        )
        with self._database.writing() as db:
            added = db.execute(
                insert(JOBS)
                .values(
                    # Sorted by the time of their submission, where the database's clock is coarse.
                    id=f"{time.time_ns():016x}{secrets.token_hex(8)}",
                    path=job.path,
                    input_sha256=job.input_sha256,
                    weights_sha256=job.weights_sha256,
                    parameters=job.parameters,
                    webhook=job.webhook,
                    out=job.out,
                    state=State.QUEUED,
                    tries=0,
                    created_at=self._clock,
                    due_at=self._clock,
                    offered_at=self._clock,
                )
                .on_conflict_do_nothing()
                .returning(JOBS.c.id)
            ).one_or_none()
            # What another has added meanwhile, PostgreSQL shows to the next statement.
            row = db.execute(listed().where(same)).one()
        return job_of(row), added is not None

    def claim(
        self,
        worker: str,
        lease_s: float,
        job_id: str | None = None,
        now: float | None = None,
        *,
        weights_sha256: str | None = None,
    ) -> Job | None:
        """Take the job that has waited longest, or `job_id`, for `lease_s` seconds.

        Free is what is queued, or runs on a lease that lapsed before the third try; a third try
        that lapsed becomes failed (LOST). `worker` names one process, and no other ever. With
        `weights_sha256` jobs of other weights are left alone. None where there is nothing to do.
        """
        moment = self._time(now)
        ready = sa.select(JOBS.c.id).where(JOBS.c.due_at <= moment, JOBS.c.tries < TRIES)
        if job_id is not None:
            ready = ready.where(JOBS.c.id == job_id)
        if weights_sha256 is not None:
            ready = ready.where(JOBS.c.weights_sha256 == weights_sha256)
        ready = ready.order_by(JOBS.c.due_at, JOBS.c.id).limit(1).with_for_update(skip_locked=True)
        take = (
            sa.update(JOBS)
            .where(JOBS.c.id == ready.scalar_subquery())
            .values(
                state=State.RUNNING,
                worker=worker,
                tries=JOBS.c.tries + 1,
                started_at=moment,
                due_at=moment + lease_s,
            )
            .returning(*JOBS.c)
        )
        with self._database.writing() as db:
            row = db.execute(take).one_or_none()
            if row is None:
                bury(db, moment, job_id)
        return None if row is None else job_of(row)

    def heartbeat(self, job_id: str, worker: str, lease_s: float, now: float | None = None) -> bool:
        """Renew the lease. False where the job is not the worker's any more, or was cancelled."""
        beat = own(job_id, worker).values(due_at=self._time(now) + lease_s)
        with self._database.writing() as db:
            return db.execute(beat).rowcount == 1

    def finish(self, job_id: str, worker: str, result: Result) -> bool:
        """Keep the result and end the job. False, with nothing changed, where the job is not the
        worker's any more: another has it, or it was ended."""
        done = own(job_id, worker).values(
            state=State.DONE,
            due_at=None,
            finished_at=self._clock,
            error_code=None,
            error_reason=None,
        )
        kept = sa.insert(RESULTS).values(
            job_id=job_id,
            verdict=result.verdict,
            reason=result.reason,
            score=result.score,
            p_fake=result.p_fake,
            report=result.report,
        )
        with self._database.writing() as db:
            if db.execute(done).rowcount != 1:
                return False
            db.execute(kept)
        return True

    def fail(self, job_id: str, worker: str, code: str, reason: str, retry: bool) -> bool:
        """End the try with an error: of a `DfExplainError`, its `code` and `str`.

        With `retry` the job is queued again, a few seconds later, unless this was the third try.
        False where the job is not the worker's any more.
        """
        again = sa.and_(sa.true() if retry else sa.false(), JOBS.c.tries < TRIES)
        wait = _AGAIN_S * JOBS.c.tries
        ended = own(job_id, worker).values(
            state=sa.case((again, State.QUEUED), else_=State.FAILED),
            due_at=sa.case((again, self._clock + wait), else_=sa.null()),
            finished_at=sa.case((again, sa.null()), else_=self._clock),
            worker=None,
            error_code=code,
            error_reason=reason,
        )
        with self._database.writing() as db:
            return db.execute(ended).rowcount == 1

    def release(self, job_id: str, worker: str) -> bool:
        """Give a job back untouched, as a worker does that was told to stop: the try does not
        count, and its turn comes first. False where the job is not the worker's any more."""
        back = own(job_id, worker).values(
            state=State.QUEUED, tries=JOBS.c.tries - 1, due_at=JOBS.c.created_at, worker=None
        )
        with self._database.writing() as db:
            return db.execute(back).rowcount == 1

    def cancel(self, job_id: str) -> bool:
        """End a job that waits or runs; its worker learns of it at the next heartbeat. False where
        there is no such job, or it has ended."""
        ended = (
            sa.update(JOBS)
            .where(JOBS.c.id == job_id, JOBS.c.state.in_([State.QUEUED, State.RUNNING]))
            .values(state=State.CANCELLED, due_at=None, finished_at=self._clock, worker=None)
        )
        with self._database.writing() as db:
            return db.execute(ended).rowcount == 1

    def retry(self, job_id: str, path: str | None = None) -> bool:
        """Queue a failed or cancelled job anew, with three tries, and with another `path` of the
        same bytes if one is given. False where there is no such job, or it stands elsewhere."""
        anew = (
            sa.update(JOBS)
            .where(JOBS.c.id == job_id, JOBS.c.state.in_([State.FAILED, State.CANCELLED]))
            .values(
                state=State.QUEUED,
                tries=0,
                due_at=self._clock,
                offered_at=self._clock,
                started_at=None,
                finished_at=None,
                told_at=None,
                error_code=None,
                error_reason=None,
                **({} if path is None else {"path": path}),
            )
        )
        with self._database.writing() as db:
            return db.execute(anew).rowcount == 1

    def job(self, job_id: str) -> Job | None:
        """The job, with the verdict if it is done; None where there is none of this id."""
        with self._database.reading() as db:
            row = db.execute(listed().where(JOBS.c.id == job_id)).one_or_none()
        return None if row is None else job_of(row)

    def among(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of these jobs that there are, in no order; a thousand ids at a time is plenty."""
        with self._database.reading() as db:
            return [job_of(row) for row in db.execute(listed().where(JOBS.c.id.in_(job_ids)))]

    def report(self, job_id: str) -> str | None:
        """The JSON of the report of a job that is done; None of any other."""
        with self._database.reading() as db:
            return db.scalar(sa.select(RESULTS.c.report).where(RESULTS.c.job_id == job_id))

    def jobs(self, state: State | None = None, limit: int = 100, offset: int = 0) -> list[Job]:
        """Jobs, the oldest first, of one state or of all."""
        wanted = listed().order_by(JOBS.c.created_at, JOBS.c.id).limit(limit).offset(offset)
        if state is not None:
            wanted = wanted.where(JOBS.c.state == state)
        with self._database.reading() as db:
            return [job_of(row) for row in db.execute(wanted)]

    def counts(self) -> dict[State, int]:
        """How many jobs stand where; every state has its number."""
        with self._database.reading() as db:
            rows = db.execute(sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state))
            found = {State(state): int(count) for state, count in rows}
        return {state: found.get(state, 0) for state in State}

    def waiting(self, most: int) -> int:
        """How many jobs are queued, counted up to `most`."""
        some = sa.select(JOBS.c.id).where(JOBS.c.state == State.QUEUED).limit(most).subquery()
        with self._database.reading() as db:
            return db.scalar(sa.select(sa.func.count()).select_from(some)) or 0

    def sweep(
        self, now: float | None = None, *, patience_s: float = 30.0, limit: int = 1000
    ) -> list[str]:
        """Free what lapsed, and say which jobs the broker should be told of again.

        These are all whose lease lapsed, first, and, as long as there are fewer than `limit`, those
        of which the broker was told `patience_s` seconds ago and that still wait. A third try that
        lapsed becomes failed (LOST).
        """
        moment = self._time(now)
        lapsed = (
            sa.update(JOBS)
            .where(JOBS.c.id.in_(due(JOBS.c.state == State.RUNNING, moment, None)))
            # Its turn comes before that of all who came later.
            .values(state=State.QUEUED, due_at=JOBS.c.created_at, worker=None, offered_at=moment)
            .returning(JOBS.c.id)
        )
        with self._database.writing() as db:
            bury(db, moment, None)
            offered = list(db.scalars(lapsed))
        rest = limit - len(offered)
        if rest <= 0:
            return offered
        waited = (JOBS.c.state == State.QUEUED) & (JOBS.c.offered_at <= moment - patience_s)
        forgotten = (
            sa.update(JOBS)
            .where(JOBS.c.id.in_(due(waited, moment, rest)))
            .values(offered_at=moment)
            .returning(JOBS.c.id)
        )
        with self._database.writing() as db:
            return offered + list(db.scalars(forgotten))

    def untold(self, limit: int = 100) -> list[Job]:
        """Jobs that have ended and whose webhook has not been told of it, the oldest first."""
        waiting = JOBS.c.webhook.is_not(None) & JOBS.c.told_at.is_(None)
        ended = JOBS.c.state.in_([State.DONE, State.FAILED, State.CANCELLED])
        wanted = listed().where(waiting, ended).order_by(JOBS.c.finished_at).limit(limit)
        with self._database.reading() as db:
            return [job_of(row) for row in db.execute(wanted)]

    def told(self, job_id: str) -> None:
        """The webhook of this job was answered, or is given up."""
        with self._database.writing() as db:
            db.execute(sa.update(JOBS).where(JOBS.c.id == job_id).values(told_at=self._clock))

    def prune(self, older_s: float) -> int:
        """Delete the jobs that ended more than so many seconds ago, with their results. Returns how
        many; the same file may then be submitted anew."""
        old = sa.delete(JOBS).where(JOBS.c.finished_at < self._clock - older_s)
        with self._database.writing() as db:
            return db.execute(old).rowcount

    def _time(self, now: float | None) -> sa.ColumnElement[float]:
        return self._clock if now is None else sa.literal(now, sa.Double)
