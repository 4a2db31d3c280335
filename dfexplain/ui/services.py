"""What the page asks of the rest of the house, and the thread that keeps a slow answer lively."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TypeVar

from dfexplain import provenance, recompress, video
from dfexplain.detector import Detector
from dfexplain.explain.explainer import Explainer
from dfexplain.faces import FaceDetector
from dfexplain.finders import Finder, Memory, finder_for
from dfexplain.history import History, default
from dfexplain.hub import Weights
from dfexplain.structures import Progress, Provenance, Sampling, VideoReport
from dfexplain.ui import hosting

__all__ = ["Services", "lively"]

Item = TypeVar("Item")


def _detector(
    weights: Weights, look: Callable[[str, FaceDetector], Finder] = finder_for
) -> Detector:
    # Many pages may keep a report each.
    return Detector(weights, device=hosting.device(), look=look, pixel_bytes=0)


@hosting.gpu
def _analyze(path: Path, weights: Weights, sampling: Sampling) -> Iterator[Progress | VideoReport]:
    # A generator, so that the model is built where the work is done.
    yield from _detector(weights).analyze(path, sampling)


@hosting.gpu
def _recompress(
    path: Path, weights: Weights, report: VideoReport
) -> Iterator[recompress.Step | recompress.Recompressed]:
    yield from recompress.recompress(path, _detector(weights), report)


@hosting.gpu
def _compare(
    path: Path, sets: tuple[Weights, Weights], sampling: Sampling
) -> Iterator[Progress | VideoReport]:
    look = Memory().finder_for
    for weights in sets:
        yield from _detector(weights, look).analyze(path, sampling)


_EXPLAINERS: dict[tuple[str, str], Explainer] = {}
_LOCK = threading.Lock()
# Each holds a model: as many sets of weights are in use at once.
MOST_EXPLAINERS = 2


def _explainer(weights: Weights) -> Explainer:
    """The explainer of these weights, built once; the longest unused gives way."""
    # The same tensors may lie in two folders, one of which knows more of its heatmaps.
    key = (weights.info.sha256, str(weights.folder))
    with _LOCK:
        found = _EXPLAINERS.pop(key, None) or Explainer(weights)
        _EXPLAINERS[key] = found
        while len(_EXPLAINERS) > MOST_EXPLAINERS:
            del _EXPLAINERS[next(iter(_EXPLAINERS))]
    return found


@dataclass(frozen=True)
class Services:
    """The calls behind the page. A test hands in its own."""

    load: Callable[[str | None], Weights] = hosting.load
    analyze: Callable[[Path, Weights, Sampling], Iterator[Progress | VideoReport]] = _analyze
    playable_copy: Callable[[Path, Path], Path] = video.reencode_for_playback
    explainer: Callable[[Weights], Explainer] = _explainer
    history: Callable[[], History | None] = default
    provenance: Callable[[Path], Provenance] = provenance.read
    recompress: Callable[
        [Path, Weights, VideoReport], Iterator[recompress.Step | recompress.Recompressed]
    ] = _recompress
    compare: Callable[
        [Path, tuple[Weights, Weights], Sampling], Iterator[Progress | VideoReport]
    ] = _compare


def lively(items: Iterator[Item], every_s: float = 0.5) -> Generator[Item | None, None, None]:
    """Yield the items of a slow iterator, and None whenever `every_s` seconds pass without one.

    The iterator runs in a thread of its own, one item ahead at most. When the generator is closed
    the iterator is closed too, by its own thread, as soon as it yields. An error of the iterator is
    raised here.
    """
    ready: Queue[tuple[Item] | None] = Queue(maxsize=1)
    closed = threading.Event()

    def put(item: tuple[Item] | None) -> None:
        while not closed.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item,))
                if closed.is_set():
                    return
        finally:
            if isinstance(items, Generator):
                items.close()
            put(None)

    thread = ThreadPoolExecutor(1, "analysis")
    # Gradio keeps in its context who asks; a Space's GPU is lent to them.
    done = thread.submit(contextvars.copy_context().run, work)
    try:
        while True:
            try:
                item = ready.get(timeout=every_s)
            except Empty:
                yield None
                continue
            if item is None:
                return done.result()
            yield item[0]
    finally:
        closed.set()
        thread.shutdown(wait=False)
