"""Rows of the trust table."""

from __future__ import annotations

from benchmarks.trust.rows import Row

ROWS: tuple[Row, ...] = ()
