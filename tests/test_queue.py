"""Workers with a real Redis: what is in a message, and who is told of what."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from dfexplain.batch import queueing, worker
from dfexplain.batch.jobs import NewJob, State
from dfexplain.batch.settings import Settings, opened
from dfexplain.batch.store import Store
from tests.servers import Redis, until
from tests.sources import ROOT

WEIGHTS = "b" * 64


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def settings(server: Redis, tmp_path: Path) -> Settings:
    with redis.Redis(port=server.port) as client:
        client.flushall()
    return Settings(f"sqlite:///{tmp_path / 'jobs.sqlite'}", server.url, 60.0, 0.1, 0.1)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with closing(opened(settings.database)) as store:
        yield store


def submitted(store: Store, count: int) -> list[str]:
    new = [NewJob(f"/videos/{n}", f"{n:064x}", WEIGHTS) for n in range(count)]
    return [store.submit(job)[0].id for job in new]


@contextmanager
def working(settings: Settings, log: Path, seconds: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of tests.queue_worker; it and its child are gone in the end."""
    environment = {
        **os.environ,
        "DFEXPLAIN_DATABASE": settings.database,
        "DFEXPLAIN_BROKER": str(settings.broker),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.queue_worker", "celery", str(log), seconds],
        cwd=ROOT, env=environment, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_message_is_json_with_the_id_of_a_job(
    server: Redis, settings: Settings, store: Store
) -> None:
    (job_id,) = submitted(store, 1)
    assert queueing.offer(settings, [job_id]) == 1
    with redis.Redis(port=server.port) as client:
        (message,) = client.lrange("dfexplain", 0, -1)  # type: ignore[misc]
    read = json.loads(message)
    assert read["content-type"] == "application/json"
    assert read["headers"]["task"] == "dfexplain.work"
    assert json.loads(base64.b64decode(read["body"]))[0] == [job_id]


def test_nothing_but_json_is_taken(settings: Settings) -> None:
    with closing(worker.Broker(settings)) as broker:
        told = broker.application.conf
        assert list(told.accept_content) == ["json"]
        assert {told.task_serializer, told.result_serializer, told.event_serializer} == {"json"}
        assert told.task_acks_late
        assert told.task_reject_on_worker_lost
        assert not told.worker_enable_remote_control


def test_the_broker_holds_so_many_messages_at_most(settings: Settings, store: Store) -> None:
    ids = submitted(store, 3)
    with closing(worker.Broker(settings)) as broker:
        assert broker.waiting() == 0
        assert broker.offer(ids * 1000) == worker.HINTS
        assert broker.waiting() == worker.HINTS


def test_a_broker_that_is_away_is_no_error(store: Store) -> None:
    away = Settings("sqlite:///unused", "redis://127.0.0.1:1/0")
    with closing(worker.Broker(away)) as broker:
        assert broker.offer(submitted(store, 2)) == 0
        assert broker.waiting() == worker.HINTS


def test_the_sweeper_sends_what_the_broker_lost(
    server: Redis, settings: Settings, store: Store
) -> None:
    submitted(store, 3)
    stop = threading.Event()
    with closing(worker.Broker(settings)) as broker, redis.Redis(port=server.port) as client:
        sweeper = threading.Thread(target=worker.sweep, args=(settings, broker, stop))
        sweeper.start()
        try:
            until(lambda: client.llen("dfexplain") == 3, 60, "messages for the three jobs")
            client.flushall()
            until(lambda: client.llen("dfexplain") == 3, 60, "the same anew")
        finally:
            stop.set()
            sweeper.join(60)
        assert client.llen("dfexplain") == 3, "no more messages than jobs"


def test_weights_that_cannot_be_loaded_end_the_worker(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    ids = submitted(store, 1)
    queueing.offer(settings, ids)
    with working(settings, tmp_path / "log", "none") as process:
        _, said = process.communicate(timeout=120)
    assert b"error[weights-not-found]" in said
    assert process.returncode == 2
    job = store.job(ids[0])
    assert job is not None
    assert (job.state, job.tries) == (State.QUEUED, 0)


def test_a_worker_is_told_to_stop_and_finishes_its_job(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    ids = submitted(store, 2)
    queueing.offer(settings, ids)
    begun = tmp_path / "begun"
    with working(settings, begun, "1.5") as process:
        until(begun.exists, 60, "the first job's begin")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert [job.state for job in store.jobs()] == [State.DONE, State.QUEUED]
