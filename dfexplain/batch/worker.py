"""Celery on Redis: messages that there is a job, for whoever has time. The store says which.

A message may come twice, late or never. Whoever gets one claims the job that has waited longest in
the store, so that one whose worker died does not stand behind a thousand messages, and where there
is none nothing happens. What the broker lost, a sweeper sends again.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from celery import Celery, signals
from celery.exceptions import OperationalError

from dfexplain.batch.reconnecting import Reconnecting
from dfexplain.batch.settings import Settings
from dfexplain.batch.store import Store
from dfexplain.batch.working import Scorer, Worker
from dfexplain.errors import DfExplainError, SettingError, StoreUnavailable

__all__ = ["HINTS", "Broker", "run", "sweep"]

QUEUE = "dfexplain"
TASK = "dfexplain.work"
# The broker holds about this many messages at most; the rest of the jobs wait in the store alone.
HINTS = 1000
# Sweeps until a message is thought to be lost, if fewer are left than jobs.
_PATIENCE = 3
# Until a message that a killed worker held is delivered again; the sweeper is faster.
_VISIBILITY_S = 600

log = logging.getLogger("dfexplain.worker")


def _application(settings: Settings) -> Celery:
    if settings.broker is None:
        raise SettingError(
            "DFEXPLAIN_BROKER must name a Redis, but is not set. Set it, or let workers poll the "
            "database by --poll."
        )
    application = Celery("dfexplain", broker=settings.broker, set_as_current=False)
    application.conf.update(
        # A message is a list of strings: nothing that is unpickled is ever accepted.
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE,
        # A message is done when its job is, and comes back when the process dies before.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_prefetch_count_reduction=False,
        # What comes back meanwhile finds the job claimed.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Nobody steers a worker through the broker.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": _VISIBILITY_S,
            "socket_connect_timeout": 5,
        },
    )
    application.steps["consumer"].add(Reconnecting)
    return application


class Broker:
    """The way to offer jobs through the Redis of `settings`. SettingError where none is named."""

    def __init__(self, settings: Settings) -> None:
        self.application = _application(settings)

    def offer(self, job_ids: Sequence[str]) -> int:
        """Send a message for each job, HINTS at most. Returns how many went out: a broker that does
        not answer is no error, the sweeper sends them later."""
        sent = 0
        try:
            for job_id in job_ids[:HINTS]:
                self.application.send_task(TASK, (job_id,), retry=False)
                sent += 1
        except OperationalError as error:
            log.warning("the broker does not answer: %s", error)
        return sent

    def waiting(self) -> int:
        """How many messages nobody has taken yet; HINTS where the broker does not answer."""
        connection = self.application.connection_for_write()
        try:
            with connection:
                connection.ensure_connection(max_retries=1, timeout=5)
                queue = self.application.amqp.queues[QUEUE](connection.default_channel)
                return int(queue.queue_declare(passive=True).message_count)
        except connection.channel_errors:
            return 0  # there is no such queue while it is empty
        except (OperationalError, OSError, *connection.connection_errors) as error:
            log.warning("the broker does not answer: %s", error)
            return HINTS

    def close(self) -> None:
        """Close all connections."""
        self.application.close()


def sweep(settings: Settings, broker: Broker, stop: threading.Event) -> None:
    """Until `stop`: free what lapsed, and offer again what lapsed or was forgotten."""
    while not stop.wait(settings.sweep_s):
        try:
            # A connection of its own each time: none may be open when Celery forks.
            with closing(Store(settings.database)) as store:
                # Messages enough for the jobs that wait: one that comes twice costs a question.
                missing = store.waiting(HINTS) - broker.waiting()
                ids = store.sweep(patience_s=_PATIENCE * settings.sweep_s, limit=missing)
        except StoreUnavailable as error:
            log.warning("%s", error)
            continue
        if ids:
            log.info("%d jobs are offered again", broker.offer(ids))


def run(settings: Settings, make: Callable[[], Scorer]) -> bool:
    """Work until SIGTERM, which lets the job in hand be finished; a second one ends at once.

    One process listens to the broker and sweeps; another, its child, has the model and does one job
    at a time. `make` is called in the child, at its first job. False, with a line in the log, where
    that raised a DfExplainError, such as for bad weights: no job was claimed then.
    """
    broker = Broker(settings)
    application = broker.application
    mine: list[Worker] = []
    # Memory that the child shares: here it says that no job can be done.
    unfit = mmap.mmap(-1, 1)

    @application.task(name=TASK)  # type: ignore[untyped-decorator]
    def work(job_id: object) -> None:
        if not mine:
            mine.append(_worker(settings, make, unfit))
        if not mine[0].work():
            log.info("there was nothing to do for the message about %.40r", job_id)

    stop = threading.Event()
    sweeper = threading.Thread(target=sweep, args=(settings, broker, stop), daemon=True)

    def ready(**_: Any) -> None:
        sweeper.start()

    def stopping(**_: Any) -> None:
        stop.set()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    options = ["--pool=prefork", "--concurrency=1", "--loglevel=WARNING", "--without-gossip"]
    application.worker_main(
        ["--quiet", "worker", *options, "--without-mingle", "--without-heartbeat"]
    )
    return not unfit[0]


def _worker(settings: Settings, make: Callable[[], Scorer], unfit: mmap.mmap) -> Worker:
    try:
        return Worker(Store(settings.database), make, settings.lease_s)
    except StoreUnavailable:
        raise  # the message is lost, and the sweeper sends another
    except DfExplainError as error:
        log.critical("error[%s]: %s", error.code, error)
        unfit[0] = 1
        os.kill(os.getppid(), signal.SIGTERM)
        raise
