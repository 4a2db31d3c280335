"""The worker inside the service: a process of its own, started again when it dies."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import time
from multiprocessing import connection as pipes
from multiprocessing import parent_process

from dfexplain.batch.settings import Settings

__all__ = ["Embedded", "work"]

# A process that cannot start is not started more often than this.
_AGAIN_S = 10.0
_END_S = 10.0


def work(settings: Settings, weights: str | None) -> None:
    """Work through the store until the process that started this one is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    from dfexplain.batch.scoring import VideoScorer
    from dfexplain.batch.store import Store
    from dfexplain.batch.working import Worker, poll

    worker = Worker(Store(settings.database), lambda: VideoScorer(weights), settings.lease_s)
    # A service is asked by people who wait.
    poll(worker, poll_s=min(settings.poll_s, 0.5), sweep_s=settings.sweep_s)


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        pipes.wait([parent.sentinel])
        os._exit(1)


class Embedded:
    """Keeps one worker alive on the store of `settings`; `weights` as `hub.load` takes them."""

    def __init__(self, settings: Settings, weights: str | None) -> None:
        self._settings, self._weights = settings, weights
        self._process: mp.process.BaseProcess | None = None
        self._started = 0.0

    @property
    def alive(self) -> bool:
        """Whether the worker runs."""
        return self._process is not None and self._process.is_alive()

    def keep(self) -> None:
        """Start the worker if it does not run and was not started just now."""
        if self.alive or (self._process and time.monotonic() < self._started + _AGAIN_S):
            return
        self._started = time.monotonic()
        self._process = mp.get_context("spawn").Process(
            target=work, args=(self._settings, self._weights), daemon=True, name="dfexplain-worker"
        )
        self._process.start()

    def close(self) -> None:
        """End the worker at once. Its job is free when the lease lapses."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()
