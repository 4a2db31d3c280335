"""Jobs and their results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("input_sha256", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("parameters", sa.String(2000), nullable=False),
        sa.Column("webhook", sa.Text(), nullable=True),
        sa.Column("out", sa.Text(), nullable=True),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(200), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("offered_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("told_at", sa.Double(), nullable=True),
        sa.Column("error_code", sa.String(40), nullable=True),
        sa.Column("error_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"
        ),
        sa.PrimaryKeyConstraint("id", name="jobs_pk"),
        sa.UniqueConstraint("input_sha256", "weights_sha256", "parameters", name="jobs_once"),
    )
    op.create_index("jobs_due", "jobs", ["due_at"])
    op.create_index("jobs_listed", "jobs", ["state", "created_at"])
    op.create_index("jobs_created", "jobs", ["created_at"])
    op.create_table(
        "results",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("p_fake", sa.Double(), nullable=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="results_of_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="results_pk"),
    )


def downgrade() -> None:
    """Drop both, with all that is in them."""
    op.drop_table("results")
    op.drop_table("jobs")
