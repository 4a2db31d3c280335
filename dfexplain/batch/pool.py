"""Processes that analyse, one file each at a time: each loads the weights once.

They are spawned, not forked, because a fork of a process with threads may hang. What a process is
doing is known here, so that its death costs one file its turn and nothing else; and they do not
outlive whoever started them.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection as pipes
from multiprocessing.connection import Connection
from typing import Self

from dfexplain.batch.analysing import Setup, main
from dfexplain.batch.messages import Done, Failed, Lost, Ready, Step, Task
from dfexplain.errors import DfExplainError, WeightsError

__all__ = ["Pool", "cores", "shares"]

Event = Done | Failed | Lost | Step

# Loading weights from the Hub may take minutes.
_START_S = 900.0
_END_S = 5.0


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def shares(workers: int) -> int:
    """How many threads each of so many workers gets: its share of the cores, one at least."""
    return max(1, cores() // workers)


@dataclass
class _Member:
    """One process, its end of the pipe, and what it is doing."""

    process: mp.process.BaseProcess
    pipe: Connection
    task: Task | None = None
    ready: bool = False


class Pool:
    """`count` processes that analyse with the weights `spec` on `threads` threads each.

    Starting it waits until the first one has loaded the weights; `weights` says which they are.
    Raises WeightsError where they cannot be loaded. Leaving the `with` ends all processes.
    """

    def __init__(self, count: int, spec: str | None, threads: int | None = None) -> None:
        self._setup = Setup(spec, threads or shares(count))
        self._context = mp.get_context("spawn")
        self._members: list[_Member] = []
        self._ready: Ready | None = None
        try:
            for _ in range(count):
                self._members.append(self._started())
            end = time.monotonic() + _START_S
            while self._ready is None:
                if time.monotonic() > end:
                    raise WeightsError(
                        f"weights must be loaded within {_START_S:g} s, but were not. Try again."
                    )
                self.events(1.0)
        finally:
            if self._ready is None:
                self.close()

    @property
    def weights(self) -> Ready:
        """Name, revision and sha256 of the weights."""
        assert self._ready is not None
        return self._ready

    @property
    def tasks(self) -> list[Task]:
        """What is being done."""
        return [member.task for member in self._members if member.task is not None]

    @property
    def idle(self) -> bool:
        """Whether another task can be given."""
        return any(member.task is None for member in self._members)

    def give(self, task: Task) -> None:
        """Have a free process do it; where there is none, ValueError."""
        # One that is still loading takes what it is given when it is ready.
        free = [member for member in self._members if member.task is None]
        if not free:
            raise ValueError("a pool must be idle to be given a task.")
        member = max(free, key=lambda one: one.ready)
        member.task = task
        # One that has died is noticed by `events`.
        with contextlib.suppress(OSError):
            member.pipe.send(task)

    def events(self, timeout_s: float) -> list[Event]:
        """What has happened, at the latest after so many seconds; a task ends in Done, Failed or
        Lost, after which its process is free, or another in its place.

        Raises what is wrong with the weights, and what ends all work, as a full disk.
        """
        waiting = {member.pipe: member for member in self._members}
        found: list[Event] = []
        for pipe in pipes.wait(list(waiting), timeout_s):
            assert isinstance(pipe, Connection)
            member = waiting[pipe]
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                found += self._buried(member)
                continue
            if isinstance(message, Ready):
                member.ready, self._ready = True, message
            elif isinstance(message, DfExplainError):
                raise message
            else:
                if not isinstance(message, Step):
                    member.task = None
                found.append(message)
        return found

    def cancel(self, task_id: str) -> bool:
        """End a task without a word about it: its process is stopped and another started. False
        where no such task is being done."""
        for member in self._members:
            if member.task is not None and member.task.id == task_id:
                member.task = None
                self._replaced(member)
                return True
        return False

    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [member.process.pid or 0 for member in self._members]

    def close(self) -> None:
        """End all processes at once, whatever they do."""
        members, self._members = self._members, []
        _end([member.process for member in members])
        for member in members:
            member.pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> _Member:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=main, args=(self._setup, theirs), daemon=True, name="dfexplain-batch"
        )
        process.start()
        theirs.close()
        return _Member(process, ours)

    def _buried(self, member: _Member) -> list[Event]:
        """A process has died: another takes its place, unless it never got to its weights."""
        member.process.join(_END_S)
        task, status = member.task, member.process.exitcode
        if not member.ready:
            raise WeightsError(
                f"a worker must load the weights, but its process ended with status {status}. "
                "Is there enough memory? Take fewer workers."
            )
        self._replaced(member)
        return [] if task is None else [Lost(task.id, status)]

    def _replaced(self, member: _Member) -> None:
        _end([member.process])
        member.pipe.close()
        self._members[self._members.index(member)] = self._started()


def _end(processes: Sequence[mp.process.BaseProcess]) -> None:
    """Stop processes, and wait until they are gone."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + _END_S
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
