"""How Hypothesis runs here: the same examples every time, few of them, no clock and no folder."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

__all__ = ["few", "logits", "steady", "times"]

# tests/conftest.py gives Hypothesis a folder for its tables of characters and constants, elsewhere.
# Derandomized: a change of the code decides whether CI fails, not the day.
steady = settings(derandomize=True, max_examples=40, deadline=None, database=None)
few = settings(steady, max_examples=15)

logits = st.floats(-30.0, 30.0, allow_nan=False, width=32)


def times(rows: int) -> st.SearchStrategy[list[float]]:
    """Strictly rising times in seconds, unevenly spaced."""
    steps = st.lists(st.floats(0.001, 5.0), min_size=rows, max_size=rows)
    return steps.map(lambda found: [sum(found[: i + 1]) for i in range(rows)])
