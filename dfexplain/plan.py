"""Which packets of a video to decode for the frames that are wanted: arithmetic on time stamps.

Runs inside the cage, so it imports nothing but the standard library (a quick start). A tick is one
unit of the track's time base; a position counts packets in decode order, a rank counts pictures in
presentation order.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Plan", "Request", "Survey", "make_plan"]

KEY_ROUTE_FRAMES = 1500
"""Above so many frames to decode, wanted frames that lie far apart are taken from key frames."""

KEY_ROUTE_SHARE = 0.75
"""... if at least this share of the wanted frames then has a key frame of its own."""

KEY_ROUTE_NOTE = "frames were reached through key frames; times are those of the key frames"
"""What the reader of a report is told then."""

LARGEST_RATIO = 20.0
"""A declared duration beyond so many times the found one is fiction, not a truncated file."""


@dataclass
class Survey:
    """What reading all packets without decoding them told of the video track, in decode order.

    `ticks` are presentation time stamps; where some are missing or jump back `timed` is False, and
    the n-th picture that is decoded gets the n-th of the sorted ticks. `key` marks packets where
    decoding can start, `spare` those that no other picture refers to, `hidden` those that show no
    picture of their own. `data_end_s` is where the last packet of any track ends, `declared_s` the
    duration that the headers promise; both count from the first picture.
    """

    tick_s: Fraction
    timed: bool = True
    ticks: array[int] = field(default_factory=lambda: array("q"))
    key: bytearray = field(default_factory=bytearray)
    spare: bytearray = field(default_factory=bytearray)
    hidden: bytearray = field(default_factory=bytearray)
    last_ticks: int = 0
    data_end_s: float = 0.0
    declared_s: float | None = None


@dataclass(frozen=True)
class Request:
    """The wish: one of `frames`, `fps`, `every`; at most `max_frames`, none after `until_s`."""

    frames: int | None
    fps: float | None
    every: int | None
    max_frames: int
    until_s: float = math.inf


@dataclass
class Plan:
    """The answer. `grid` holds the ticks of all pictures in presentation order, `ranks` those that
    are to be delivered, `runs` the packets (first, last position) that this takes, in order.
    `wanted` also counts frames that the file promises and does not hold.
    """

    grid: array[int]
    ranks: list[int]
    wanted: int
    runs: list[tuple[int, int]]
    end_tick: int
    interval: float
    notes: list[str]

    def fps(self, tick_s: Fraction) -> float | None:
        """Mean frame rate from the first picture to the last; None for a single one."""
        span = (self.grid[-1] - self.grid[0]) * tick_s
        return float((len(self.grid) - 1) / span) if span else None


def _starts(survey: Survey) -> array[int]:
    """For every packet the position of the key frame from which it can be decoded, or -1.

    Pictures shown before the key frame that they follow in the file (leading pictures of an open
    group) need the key frame before it.
    """
    starts = array("q")
    key, before = -1, -1
    ticks = survey.ticks
    for position, is_key in enumerate(survey.key):
        if is_key:
            key, before = position, key
        leading = survey.timed and key >= 0 and ticks[position] < ticks[key]
        starts.append(before if leading else key)
    return starts


def _rising(ticks: Iterable[int]) -> array[int]:
    """The ticks in order; equal ones are pushed apart by one."""
    rising: array[int] = array("q")
    for tick in sorted(ticks):
        rising.append(max(tick, rising[-1] + 1) if rising else tick)
    return rising


def _nearest(
    grid: Sequence[int], end: float, first: float, step: float, count: int
) -> tuple[list[int], int]:
    """Ranks of the pictures nearest to `first`, `first + step` ... (`count` of these; the earlier
    picture of two), and how many of these lie at `end` or after it. Takes one pass over the
    pictures, however many targets there are.
    """
    ranks: list[int] = []
    passed = 0
    for rank, tick in enumerate(grid):
        if rank + 1 < len(grid):
            here = math.floor(((tick + grid[rank + 1]) / 2 - first) / step) + 1
        else:
            here = math.ceil((end - first) / step)
        here = min(here, count)
        if here > passed:
            ranks.append(rank)
            passed = here
    return ranks, count - passed


def _thin(ranks: list[int], most: int) -> list[int]:
    """`most` of the ranks, evenly spread: the middle ones of equal shares."""
    return [ranks[(2 * k + 1) * len(ranks) // (2 * most)] for k in range(most)]


def _choose(
    request: Request, grid: array[int], end: float, declared: float, tick_s: float
) -> tuple[list[int], int]:
    """Ranks of the wanted pictures, and how many more would lie between `end` and `declared`."""
    first = grid[0]
    if request.every is not None:
        interval = (end - first) / len(grid)
        missing = math.floor((declared - end) / interval / request.every) if declared > end else 0
        return list(range(0, len(grid), request.every)), missing
    span = declared - first
    if request.frames is not None:
        step = span / request.frames
        if step * len(grid) <= end - first:  # more are wanted than there are
            return list(range(len(grid))), math.floor((declared - end) / step)
        return _nearest(grid, end, first + step / 2, step, request.frames)
    assert request.fps is not None
    step = 1.0 / (request.fps * tick_s)
    return _nearest(grid, end, first, step, max(1, math.ceil(span / step - 1e-9)))


def _runs(starts: array[int], positions: Iterable[int]) -> list[tuple[int, int]]:
    """The stretches of packets, each from a key frame, that hold all of `positions`."""
    runs: list[tuple[int, int]] = []
    for start, end in sorted((starts[position], position) for position in positions):
        if runs and start <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((start, end))
    return runs


def _own_keys(grid: array[int], keys: list[int], ranks: list[int]) -> list[int]:
    """For each wanted rank, in order, the nearest key frame after the one used last."""
    chosen: list[int] = []
    used = -1
    for rank in ranks:
        left = max(used + 1, bisect_left(keys, rank) - 1)
        near = keys[left : left + 2]
        if not near:
            break
        best = min(range(len(near)), key=lambda k: abs(grid[near[k]] - grid[rank]))
        used = left + best
        chosen.append(near[best])
    return chosen


def make_plan(survey: Survey, request: Request) -> Plan | None:
    """Plan the decoding; None when no packet holds a picture."""
    if survey.timed:
        starts = _starts(survey)
        shown = [
            position
            for position, start in enumerate(starts)
            if start >= 0 and not survey.hidden[position]
        ]
        grid = array("q", sorted({survey.ticks[position] for position in shown}))
    else:
        grid = _rising(survey.ticks)
    if not grid:
        return None
    notes: list[str] = []
    interval = (grid[-1] - grid[0]) / (len(grid) - 1) if len(grid) > 1 else 0.0
    end = grid[-1] + max(1, survey.last_ticks or round(interval))
    declared = end
    if survey.declared_s is not None:
        found_s = max(survey.data_end_s, float((end - grid[0]) * survey.tick_s))
        if found_s + max(0.5, 0.02 * survey.declared_s) < survey.declared_s:
            notes.append(
                f"the file ends at {found_s:.1f} s of a declared {survey.declared_s:.1f} s"
            )
            if survey.declared_s <= LARGEST_RATIO * found_s:
                declared = grid[0] + round(survey.declared_s / float(survey.tick_s))
            else:
                notes.append("the declared duration is not plausible and was ignored")
    if math.isfinite(request.until_s):
        limit = grid[0] + round(request.until_s / float(survey.tick_s))
        end, declared = min(end, limit), min(declared, limit)
        grid_seen = grid[: max(1, bisect_left(grid, limit))]
    else:
        grid_seen = grid
    ranks, missing = _choose(request, grid_seen, end, declared, float(survey.tick_s))
    wanted = len(ranks) + missing
    if wanted > request.max_frames:
        notes.append(f"{request.max_frames} of {wanted} wanted frames are read, evenly spread")
        ranks = _thin(ranks, max(1, request.max_frames * len(ranks) // wanted))
        wanted = request.max_frames
    plan = Plan(grid, ranks, wanted, [(0, len(survey.ticks) - 1)], end, interval, notes)
    if not survey.timed:
        return plan
    of_tick = {grid[rank]: -1 for rank in ranks}
    for position in shown:
        if survey.ticks[position] in of_tick:
            of_tick[survey.ticks[position]] = position
    plan.runs = _runs(starts, of_tick.values())
    cost = sum(last - start + 1 for start, last in plan.runs)
    if cost > KEY_ROUTE_FRAMES and request.every is None:
        keys = {survey.ticks[p]: p for p in shown if survey.key[p]}
        own = _own_keys(grid, [bisect_left(grid, tick) for tick in sorted(keys)], ranks)
        if len(own) >= KEY_ROUTE_SHARE * len(ranks):
            plan.wanted -= len(ranks) - len(own)
            plan.ranks = own
            plan.runs = [(keys[grid[rank]], keys[grid[rank]]) for rank in own]
            notes.append(
                "frames were reached through key frames; times are those of the key frames"
            )
    return plan
