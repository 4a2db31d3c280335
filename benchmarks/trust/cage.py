"""R4: what a decoder that was taken over does in the cage ends soon, and the next file is read."""

from __future__ import annotations

from benchmarks.trust.rows import Row

ROWS: tuple[Row, ...] = ()
