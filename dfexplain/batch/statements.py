"""The statements that several steps of the store have in common."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dfexplain.batch.jobs import TRIES, Job, State
from dfexplain.batch.tables import JOBS, RESULTS

__all__ = ["LOST", "bury", "due", "job_of", "listed", "own"]

# The code of a job whose workers were lost TRIES times.
LOST = "worker-lost"
_LOST_WHY = f"its worker was lost {TRIES} times: it died, or fell silent for a whole lease."


def listed() -> sa.Select[Any]:
    """All jobs with the numbers of their results."""
    verdict = [RESULTS.c[name] for name in ("verdict", "reason", "score", "p_fake")]
    joined = JOBS.outerjoin(RESULTS, JOBS.c.id == RESULTS.c.job_id)
    return sa.select(*JOBS.c, *verdict).select_from(joined)


def job_of(row: sa.Row[Any]) -> Job:
    """A row of `listed`, or of the table of jobs alone."""
    values = dict(row._mapping)
    values.pop("offered_at")
    return Job(**{**values, "state": State(values["state"])})


def own(job_id: str, worker: str) -> sa.Update:
    """A change of this job that happens only while it is this worker's."""
    return sa.update(JOBS).where(
        JOBS.c.id == job_id, JOBS.c.worker == worker, JOBS.c.state == State.RUNNING
    )


def due(
    condition: sa.ColumnElement[bool], time: sa.ColumnElement[float], limit: int | None
) -> sa.Select[Any]:
    """The ids of due jobs that no other transaction holds: two sweepers never wait for each
    other."""
    ids = (
        sa.select(JOBS.c.id)
        .where(JOBS.c.due_at <= time, condition)
        .order_by(JOBS.c.due_at, JOBS.c.id)
    )
    return ids.limit(limit).with_for_update(skip_locked=True)


def bury(db: sa.Connection, time: sa.ColumnElement[float], job_id: str | None) -> None:
    """End the jobs whose third try lapsed, or this one."""
    lapsed = (JOBS.c.state == State.RUNNING) & (JOBS.c.tries >= TRIES)
    if job_id is not None:
        lapsed &= JOBS.c.id == job_id
    db.execute(
        sa.update(JOBS)
        .where(JOBS.c.id.in_(due(lapsed, time, None)))
        .values(
            state=State.FAILED,
            due_at=None,
            finished_at=time,
            worker=None,
            error_code=LOST,
            error_reason=_LOST_WHY,
        )
    )
