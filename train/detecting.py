"""Many files through the app's detector, in one process or in several, with the same numbers.

A task is a call that takes a Detector and gives a result, most often a ScoredVideo; it has to be
picklable and to depend on nothing else, so that it does not matter which process does it, or in
which order.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dfexplain import weights_folder
from dfexplain.detector import Detector
from train.records import VideoRecord
from train.scores import ScoredVideo, score_video

__all__ = ["FileTask", "Task", "detect"]

Result = TypeVar("Result")
Task = Callable[[Detector], ScoredVideo]
# Tasks that are sent to a process at once: what they share, such as a portrait or the forger of all
# made clips, is sent once.
TOGETHER = 8


@dataclass(frozen=True)
class FileTask:
    """A video that lies on the disk."""

    record: VideoRecord
    path: Path

    def __call__(self, detector: Detector) -> ScoredVideo:
        return score_video(detector, self.record, self.path)


def detect(
    folder: Path, tasks: Sequence[Callable[[Detector], Result]], workers: int = 1
) -> Iterator[Result]:
    """What the weights in `folder` say of each task, in the order of the tasks."""
    if workers <= 1 or len(tasks) <= 1:
        detector = Detector(weights_folder.read(folder))
        yield from (task(detector) for task in tasks)
        return
    # Fresh processes: the threads of torch do not live through a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(tasks)), _begin, (folder,)) as pool:
        yield from pool.imap(_do, tasks, min(TOGETHER, -(-len(tasks) // workers)))


_own: list[Detector] = []  # of a worker process


def _begin(folder: Path) -> None:
    _own[:] = [Detector(weights_folder.read(folder))]


def _do(task: Callable[[Detector], Any]) -> Any:
    return task(_own[0])
