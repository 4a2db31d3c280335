"""What a pool and its processes tell each other."""

from __future__ import annotations

from dataclasses import dataclass

from dfexplain.structures import Sampling

__all__ = ["Done", "Failed", "Lost", "Ready", "Step", "Task"]


@dataclass(frozen=True)
class Task:
    """One file to analyse: its reports are written into the folder `out` under `stem`."""

    id: str
    path: str
    sampling: Sampling
    out: str
    stem: str
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """A process has loaded its weights."""

    name: str
    revision: str
    sha256: str


@dataclass(frozen=True)
class Step:
    """How far a task is."""

    id: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Done:
    """A task is done: its reports are written, and `document` is the JSON of its report."""

    id: str
    document: str


@dataclass(frozen=True)
class Failed:
    """A task cannot be done: the code and message of a DfExplainError."""

    id: str
    code: str
    message: str


@dataclass(frozen=True)
class Lost:
    """The process of a task died with an exit status; negative: the signal."""

    id: str
    status: int | None
