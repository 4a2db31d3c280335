"""What Alembic runs for each command: on the connection that `Store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from dfexplain.batch.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter a column: Alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
