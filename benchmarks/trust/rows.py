"""What a row of the trust table is: a promise, its limit, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Figure", "Row"]


@dataclass(frozen=True)
class Figure:
    """What was measured, in a few words with its numbers, and whether that keeps the promise.

    `held` is None where this machine cannot measure it (no strace, no GPU); `text` then says why.
    """

    text: str
    held: bool | None


@dataclass(frozen=True)
class Row:
    """One promise. `measure(full)` takes the long form where `full` is true, else the short one.

    A measurement that breaks down may raise: the table then shows the error as a miss.
    """

    key: str
    promise: str
    limit: str
    measure: Callable[[bool], Figure]
