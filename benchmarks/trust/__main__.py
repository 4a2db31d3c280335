"""Prints the table of promises, each with what was measured now; status 1 if one is not kept.

    python -m benchmarks.trust [--full] [--only R1,R3]

The short form takes minutes and is what a CI can run; --full is the long one. docs/trust.md says
what each row means and what its two forms do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

from benchmarks.trust.rows import Figure, Row
from dfexplain.errors import DfExplainError

__all__ = ["MODULES", "all_rows", "line", "main", "measured"]

MODULES = (
    "media",
    "fuzz",
    "foreign",
    "cage",
    "weights",
    "report",
    "load",
    "strangers",
)
"""The modules of this package that hold rows, in the order of the table."""

# What a measurement that breaks down raises: its own assertions, the system, a child, our errors.
BREAKDOWNS = (
    ArithmeticError,
    AssertionError,
    DfExplainError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    subprocess.SubprocessError,
)
STATES = {True: "held", False: "MISSED", None: "not measured"}


def all_rows() -> tuple[Row, ...]:
    """The rows of every module, in order."""
    names = (f"benchmarks.trust.{name}" for name in MODULES)
    return tuple(row for name in names for row in importlib.import_module(name).ROWS)


def measured(row: Row, full: bool) -> Figure:
    """Measure a row; one that breaks down is a miss, with its error as text."""
    try:
        return row.measure(full)
    except BREAKDOWNS as error:
        text = " ".join(str(error).split())[:200]
        return Figure(f"the measurement broke down: {type(error).__name__}: {text}", False)


def line(row: Row, figure: Figure, took_s: float) -> str:
    """One line of the table."""
    state = STATES[figure.held]
    return (
        f"{row.key:6} {state:12} {row.promise}: {figure.text} (limit: {row.limit}; {took_s:.0f} s)"
    )


def main(argv: Sequence[str] | None = None, rows: Iterable[Row] | None = None) -> int:
    """Measure and print; 0 if nothing was missed, 1 if something was, 2 for an unknown row."""
    parser = argparse.ArgumentParser("benchmarks.trust", description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="the long form of each row")
    parser.add_argument("--only", metavar="KEYS", help="rows, separated by commas: R1,R3")
    arguments = parser.parse_args(argv)
    chosen = tuple(all_rows() if rows is None else rows)
    if arguments.only is not None:
        keys = set(arguments.only.split(","))
        known = {key for row in chosen for key in (row.key, *row.key.split("/"))}
        if keys - known:
            parser.error(f"--only must name rows of {sorted(known)}, but got {sorted(keys)}")
        chosen = tuple(row for row in chosen if keys & {row.key, *row.key.split("/")})
    missed = 0
    for row in chosen:
        begin = time.monotonic()
        figure = measured(row, arguments.full)
        missed += figure.held is False
        print(line(row, figure, time.monotonic() - begin), flush=True)
    print(f"{len(chosen)} rows, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    # No measurement writes into the history of whoever runs it.
    os.environ["DFEXPLAIN_HISTORY"] = "off"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())
