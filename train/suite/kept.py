"""Results that come one by one, kept on the disk: a measurement that was cut goes on from there.

They are pickled, as they are between the processes of `train.detecting`: a cache of one's own,
which nobody sends to anybody. A file belongs to one set of weights, one list of tasks and one state
of the code, so what an older state measured is never mixed in.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import dfexplain
import train

__all__ = ["kept", "key"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def key(*parts: object) -> str:
    """A name for what `parts` and the code of today determine, 16 hexadecimal digits."""
    told = "\0".join((_code(), *(str(part) for part in parts)))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@cache
def _code() -> str:
    """The digest of every module of the library and of this package."""
    digest = hashlib.sha256()
    for package in (dfexplain, train):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _stored(path: Path) -> Iterator[tuple[Any, int]]:
    """Each whole result in the file, and where in the file it ends."""
    with path.open("rb") as handle:
        while True:
            try:
                result = pickle.load(handle)
            except (EOFError, pickle.UnpicklingError):
                # The end, or a result that was being written when the process ended.
                return
            yield result, handle.tell()


def kept(
    path: Path, tasks: Sequence[Task], do: Callable[[Sequence[Task]], Iterator[Result]]
) -> Iterator[Result]:
    """What `do` says of `tasks`, in their order: first what the file at `path` has, then the rest,
    each of which is added to the file as it comes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    done, whole = 0, 0
    for result, end in _stored(path):
        done, whole = done + 1, end
        yield result
    with path.open("r+b") as handle:
        handle.truncate(whole)
        handle.seek(whole)
        for result in do(tasks[done:]):
            pickle.dump(result, handle)
            handle.flush()
            yield result
