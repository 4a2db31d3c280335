"""A worker whose jobs cost nothing: the product's own, but for what it does with a job.

    python -m tests.queue_worker celery|poll|sweep LOG SECONDS

Appends a line to LOG when a job begins: its id, the time, the try, the process. A job takes
SECONDS; with "none" there are no weights.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

from dfexplain.batch.jobs import Job, Result
from dfexplain.batch.settings import Settings
from dfexplain.commands.worker import work
from dfexplain.errors import WeightsNotFound

__all__ = ["Cheap"]


class Cheap:
    """Takes its time and says that there was no face."""

    weights_sha256: str | None = None

    def __init__(self, log: str, seconds: str) -> None:
        if seconds == "none":
            raise WeightsNotFound("weights must be there, but are not. Name others.")
        self._log, self._seconds = log, float(seconds)

    def __call__(self, job: Job, stopped: Callable[[], bool]) -> Result | None:
        line = f"{job.id} {time.time():.3f} {job.tries} {os.getpid()}\n".encode()
        with open(self._log, "ab", buffering=0) as log:
            log.write(line)
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            if stopped():
                return None
            time.sleep(0.02)
        report = json.dumps({"pid": os.getpid(), "try": job.tries})
        return Result("not_analysable", "no_face", None, None, report)


def main(how: str, log: str, seconds: str) -> int:
    """Work as the command does."""
    return work(
        Settings.read(),
        lambda: Cheap(log, seconds),
        poll=how == "poll",
        sweep=how == "sweep",
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
