"""The two tables of the store, as they are at the newest migration."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["JOBS", "METADATA", "RESULTS"]

METADATA = MetaData()

# All times are UTC, in seconds since 1970.
JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(32), nullable=False),
    Column("path", Text, nullable=False),
    Column("input_sha256", String(64), nullable=False),
    Column("weights_sha256", String(64), nullable=False),
    Column("parameters", String(2000), nullable=False),
    Column("webhook", Text),
    Column("out", Text),
    Column("state", String(9), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("worker", String(200)),
    Column("created_at", Double, nullable=False),
    # From when on the job may be claimed: where it runs, the end of its lease; None at its end.
    # One index then finds what waits and what lapsed, however many rows are done.
    Column("due_at", Double),
    # When the broker was last told of it.
    Column("offered_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    # When the webhook was answered.
    Column("told_at", Double),
    Column("error_code", String(40)),
    Column("error_reason", Text),
    CheckConstraint(
        "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"
    ),
    PrimaryKeyConstraint("id", name="jobs_pk"),
    UniqueConstraint("input_sha256", "weights_sha256", "parameters", name="jobs_once"),
    Index("jobs_due", "due_at"),
    Index("jobs_listed", "state", "created_at"),
    Index("jobs_created", "created_at"),
)

# Apart, so that a list of jobs does not read whole reports; its key allows one result a job.
RESULTS = Table(
    "results",
    METADATA,
    Column("job_id", String(32), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("reason", String(40)),
    Column("score", Double),
    Column("p_fake", Double),
    Column("report", Text, nullable=False),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], name="results_of_jobs", ondelete="CASCADE"),
    PrimaryKeyConstraint("job_id", name="results_pk"),
)
