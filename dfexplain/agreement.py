"""How far two readers agree beyond chance."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dfexplain.metrics import wilson_interval
from dfexplain.structures import Reading

__all__ = ["MIN_VIDEOS", "Agreement", "agreements", "kappa"]

# Below so many videos that both have read, nothing is said.
MIN_VIDEOS = 5


@dataclass(frozen=True)
class Agreement:
    """Cohen's kappa of two readers over `videos`, with its 95 % interval; both None where it is not
    measured, because of too few videos or because both always gave one and the same answer."""

    readers: tuple[str, str]
    videos: int
    kappa: float | None
    interval: tuple[float, float] | None


def kappa(
    first: Sequence[str], second: Sequence[str]
) -> tuple[float, tuple[float, float]] | tuple[None, None]:
    """Cohen's kappa of two columns of answers, and its 95 % interval; None where chance explains
    all.

    (po - pe) / (1 - pe) with the share po of equal answers and what chance would reach, pe (Cohen,
    Educational and Psychological Measurement 1960, eq. 1). For the interval pe is held fixed, as in
    Cohen's own standard error (eq. 7), and po has Wilson's interval: columns are short here, and
    the normal one has no width where all answers are equal.
    """
    pairs = list(zip(first, second, strict=True))
    count = len(pairs)
    if not count:
        return None, None
    left, right = Counter(first), Counter(second)
    by_chance = sum(left[answer] * right[answer] for answer in left) / count**2
    if by_chance == 1.0:
        return None, None
    equal = sum(a == b for a, b in pairs)

    def beyond(share: float) -> float:
        return (share - by_chance) / (1.0 - by_chance)

    low, high = wilson_interval(equal, count)
    return beyond(equal / count), (beyond(low), beyond(high))


def agreements(readings: Sequence[Reading]) -> list[Agreement]:
    """The agreement of every two readers who have read a video in common, by their names.

    What counts is a reader's first reading of a video, and only if it was blind: a reader who has
    seen the verdict agrees with the verdict. `readings` stand in order of time.
    """
    columns: dict[str, dict[str, str]] = {}
    for one in reversed(readings):
        column = columns.setdefault(one.reader, {})
        column[one.sha256] = str(one.answer) if one.blind else ""
    found = []
    for left, right in itertools.combinations(sorted(columns), 2):
        both = [
            sha256
            for sha256, answer in sorted(columns[left].items())
            if answer and columns[right].get(sha256)
        ]
        if not both:
            continue
        value, interval = (None, None)
        if len(both) >= MIN_VIDEOS:
            answers = ([columns[name][sha256] for sha256 in both] for name in (left, right))
            value, interval = kappa(*answers)
        found.append(Agreement((left, right), len(both), value, interval))
    return found
