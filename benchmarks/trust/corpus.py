"""The corpus of bad input: some 300 odd and broken files, made anew wherever they are needed.

    python -m benchmarks.trust.corpus FOLDER

writes them for a look. The same files come out every time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from benchmarks.trust.broken import broken
from benchmarks.trust.case import EXPECTED, Case
from benchmarks.trust.films import films

__all__ = ["cases", "few", "written"]


def cases() -> list[Case]:
    """Every file of the corpus."""
    return [*films(), *broken()]


def few(count: int, scored: int, these: Iterable[Case] | None = None) -> list[Case]:
    """A sample spread over all groups, with `scored` of those that cost a score; heavy ones never.

    The same one every time.
    """
    light = [case for case in (cases() if these is None else these) if not case.heavy]
    groups = {key: [case for case in light if case.expected == key] for key in EXPECTED}
    out = _spread(groups["scored"], scored)
    rest = [_spread(groups[key], count) for key in EXPECTED if key != "scored"]
    turns = (case for turn in zip_longest(*rest) for case in turn if case is not None)
    return out + [case for case, _ in zip(turns, range(count - len(out)), strict=False)]


def _spread(these: list[Case], count: int) -> list[Case]:
    """At most so many of them, in an order in which any first few are far apart."""
    step = next(step for step in (61, 67, 71) if len(these) % step)
    order = [these[i * step % len(these)] for i in range(len(these))]
    return order[:count]


def written(folder: Path, these: Iterable[Case]) -> Iterator[tuple[Case, Path]]:
    """Make each file in a folder, and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in these:
        path = folder / case.name
        case.make(path)
        yield case, path


if __name__ == "__main__":
    parser = argparse.ArgumentParser("benchmarks.trust.corpus", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where to write the files")
    into = parser.parse_args().folder
    print(f"{len(list(written(into, cases())))} files in {into}")
