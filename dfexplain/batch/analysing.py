"""The process of a pool that analyses: weights once, then one task after another."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection as pipes
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.batch.messages import Done, Failed, Ready, Step, Task
from dfexplain.errors import DfExplainError, InputError

if TYPE_CHECKING:
    from dfexplain.detector import Detector

__all__ = ["Setup", "main"]

# Between two words on how far a task is.
_STEP_S = 0.5


@dataclass(frozen=True)
class Setup:
    """Which weights, and how many threads a process may use."""

    weights: str | None
    threads: int


def main(setup: Setup, pipe: Connection) -> None:
    """Serve tasks until the pipe ends. What is wrong with the weights is sent as the error."""
    # Ctrl-C reaches the whole group: the one who started this process decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Before torch is imported. A thread that spins while it waits takes the core from another.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["OMP_NUM_THREADS"] = str(setup.threads)
    from dfexplain import hub
    from dfexplain.detector import Detector
    from dfexplain.engine import hold_threads

    try:
        weights = hub.load(setup.weights)
        detector = Detector(weights)
    except DfExplainError as error:
        pipe.send(error)
        return
    hold_threads(setup.threads)
    try:
        pipe.send(Ready(weights.info.name, weights.info.revision, weights.info.sha256))
        while True:
            task: Task = pipe.recv()
            pipe.send(_answer(detector, task, pipe))
    except (EOFError, OSError):
        return  # nobody is there any more


def _answer(detector: Detector, task: Task, pipe: Connection) -> Done | Failed | DfExplainError:
    from dfexplain import report as reports
    from dfexplain.structures import VideoReport

    said = time.monotonic()
    try:
        for item in detector.analyze(task.path, task.sampling):
            if isinstance(item, VideoReport):
                reports.write_as(item, Path(task.out), task.stem, task.formats)
                return Done(task.id, reports.to_json(item))
            if time.monotonic() - said > _STEP_S:
                said = time.monotonic()
                pipe.send(Step(task.id, item.stage, item.done, item.total))
    except InputError as error:
        return Failed(task.id, error.code, str(error))
    except DfExplainError as error:
        # Not the file's fault, as a full disk: the next file would not fare better.
        return error
    raise RuntimeError("Detector.analyze must end in a VideoReport.")


def _leave_with_parent() -> None:
    """End this process when the one that started it has ended, however it did."""
    parent = parent_process()
    if parent is not None:
        pipes.wait([parent.sentinel])
        os._exit(1)
