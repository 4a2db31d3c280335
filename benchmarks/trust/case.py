"""One file of the corpus of bad input, and the groups that such files fall into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXPECTED", "Case"]

EXPECTED = ("scored", "read", "either", "refused")
"""What must become of a file: a score, a report, a report or one line of error, one line."""


@dataclass(frozen=True)
class Case:
    """A file by its name, what must become of it, and how it is made at a path.

    `heavy` files take seconds to make or to read; a short run leaves them out.
    """

    name: str
    expected: str
    make: Callable[[Path], object]
    heavy: bool = False
