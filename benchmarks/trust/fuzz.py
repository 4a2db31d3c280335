"""R2: mutants of small videos end in frames or in one line, and no crash leaves the cage."""

from __future__ import annotations

from benchmarks import fuzz
from benchmarks.trust.rows import Figure, Row

__all__ = ["FULL", "ROWS", "SHORT"]

SHORT, FULL = 300, 2_000
FIRST_SEED = 1


def measure(full: bool) -> Figure:
    """The first 300 seeds, or the first 2,000 in two processes; `benchmarks.fuzz` takes more."""
    count = FULL if full else SHORT
    counts, odd = fuzz.tally(range(FIRST_SEED, FIRST_SEED + count), jobs=2 if full else 1)
    failed = [one for one in odd if one[1] == "FAILED"]
    refused = counts.total() - counts["read"] - counts["crashed"] - len(failed)
    text = f"{counts.total()} mutants, {counts['read']} read, {refused} refused, "
    text += f"{counts['crashed']} crashed in the cage, {len(failed)} escaped"
    return Figure(text + (f": seed {failed[0][0]} {failed[0][2]}" if failed else ""), not failed)


ROWS = (
    Row(
        "R2",
        "no mutant of a video escapes the cage",
        "0 exceptions, 0 hangs, each refusal one line; 100,000 by `benchmarks.fuzz`",
        measure,
    ),
)
