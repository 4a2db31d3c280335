"""How the tables came about, step by step, for Alembic (`Store.migrate`)."""
