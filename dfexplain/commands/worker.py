"""The command `dfexplain worker`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from dfexplain.commands.parsing import BAD_INPUT, DONE, add_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from dfexplain.batch.settings import Settings
    from dfexplain.batch.working import Scorer

__all__ = ["EPILOG", "HELP", "TEXT", "arguments", "run", "work"]

HELP = "work through the queue of jobs"
TEXT = """\
Claim jobs in the database (DFEXPLAIN_DATABASE), one at a time, and commit what is found. Jobs are
named by messages of a Redis (DFEXPLAIN_BROKER) or, with --poll, found in the database alone. Any
number of workers share one database; what a worker that died was doing, another does again."""
EPILOG = """\
exit status: 0 told to stop, or nothing left with --drain; 2 bad weights or a bad setting. On
SIGTERM a polling worker gives its job back, one with a broker finishes it first. docs/queue.md."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The weights, and how jobs are found."""
    add_weights(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--poll", action="store_true", help="ask the database alone, without a broker")
    how.add_argument("--sweep", action="store_true", help="do no job, only offer lost ones again")
    parser.add_argument(
        "--drain", action="store_true", help="poll, and end when no job is left that waits"
    )


def run(arguments: argparse.Namespace) -> int:
    """Work until told to stop."""
    from dfexplain.batch.settings import Settings

    def scorer() -> Scorer:
        from dfexplain.batch.scoring import VideoScorer

        return VideoScorer(arguments.weights)

    return work(
        Settings.read(),
        scorer,
        sweep=arguments.sweep,
        poll=arguments.poll or arguments.drain,
        drain=arguments.drain,
    )


def work(
    settings: Settings,
    scorer: Callable[[], Scorer],
    *,
    poll: bool = False,
    sweep: bool = False,
    drain: bool = False,
) -> int:
    """One worker whose jobs are done by what `scorer` makes; the exit status."""
    import logging

    from dfexplain.batch.settings import opened

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("dfexplain.worker").setLevel(logging.INFO)
    # What is wrong with the database or the extra is told before anything else begins.
    store = opened(settings.database)
    if poll:
        from dfexplain.batch import working

        with closing(store):
            worker = working.Worker(store, scorer, settings.lease_s, _stopped())
            with closing(worker):
                working.poll(worker, poll_s=settings.poll_s, sweep_s=settings.sweep_s, drain=drain)
        return DONE
    # Celery forks: no connection may be open then.
    store.close()
    from dfexplain.batch import worker as celery

    if sweep:
        celery.sweep(settings, celery.Broker(settings), _stopped())
    else:
        return DONE if celery.run(settings, scorer) else BAD_INPUT
    return DONE


def _stopped() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
