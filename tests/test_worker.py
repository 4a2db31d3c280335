"""Workers without a broker: what becomes of a job, of its lease, and of who is told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dfexplain import __main__ as cli
from dfexplain.batch import queueing, settings, working
from dfexplain.batch.jobs import TRIES, Job, NewJob, Result, State, canonical
from dfexplain.batch.settings import Settings
from dfexplain.batch.store import Store
from dfexplain.batch.working import INTERNAL, Worker
from dfexplain.errors import (
    FileRefused,
    InputError,
    NotAVideo,
    StoreUnavailable,
    WeightsNotFound,
)
from tests.servers import until
from tests.sources import ROOT

WEIGHTS = "b" * 64
FOUND = Result("real", None, -1.0, 0.1, "{}")
Does = Callable[[Job, Callable[[], bool]], Result | None]


class Scorer:
    """Does what a test wants."""

    def __init__(self, does: Does, weights_sha256: str | None = None) -> None:
        self._does, self.weights_sha256 = does, weights_sha256

    def __call__(self, job: Job, stopped: Callable[[], bool]) -> Result | None:
        return self._does(job, stopped)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(settings.opened(f"sqlite:///{tmp_path / 'jobs.sqlite'}")) as store:
        yield store


def new(number: int, path: str = "/videos/none.mp4") -> NewJob:
    return NewJob(path, f"{number:064x}", WEIGHTS)


def work(store: Store, does: Does, lease_s: float = 60) -> bool:
    with closing(Worker(store, lambda: Scorer(does), lease_s)) as worker:
        return worker.work()


def job_of(store: Store, job: Job) -> Job:
    found = store.job(job.id)
    assert found is not None
    return found


def raises(error: BaseException) -> Does:
    def does(*_: Any) -> Result | None:
        raise error

    return does


def waits(job: Job, stopped: Callable[[], bool]) -> None:
    until(stopped, 60, "a word that the job is over")


def test_a_job_is_done(store: Store) -> None:
    job, _ = store.submit(new(1))
    assert work(store, lambda *_: FOUND)
    done = job_of(store, job)
    assert (done.state, done.verdict, done.score) == (State.DONE, "real", -1.0)
    assert not work(store, lambda *_: FOUND), "there is no other"


@pytest.mark.parametrize(
    ("error", "code", "tries"),
    [
        (NotAVideo("no frame"), "not-a-video", 1),
        (WeightsNotFound("no such weights"), "weights-not-found", TRIES),
        (ZeroDivisionError("division by\nzero"), INTERNAL, TRIES),
        (MemoryError(), INTERNAL, TRIES),
    ],
    ids=["bad file", "may pass", "unforeseen", "memory"],
)
def test_what_fails_says_why(
    store: Store, tmp_path: Path, error: Exception, code: str, tries: int
) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"x")
    job, _ = store.submit(new(1, str(file)))
    for turn in range(TRIES):
        claimed = store.claim("me", 60, now=time.time() + 100 * turn)
        if claimed is None:
            break
        # As if the wait between two tries were over.
        store.release(job.id, "me")
        assert work(store, raises(error))
    failed = job_of(store, job)
    assert (failed.state, failed.tries, failed.error_code) == (State.FAILED, tries, code)
    assert failed.error_reason
    assert "\n" not in failed.error_reason


def test_a_file_that_this_machine_does_not_see_may_be_on_another(store: Store) -> None:
    job, _ = store.submit(new(1))
    assert work(store, raises(FileRefused("no such file")))
    assert job_of(store, job).state is State.QUEUED


def test_the_lease_is_kept_while_the_job_takes_its_time(store: Store) -> None:
    job, _ = store.submit(new(1))
    leases: list[float] = []

    def does(*_: Any) -> Result | None:
        first = job_of(store, job).due_at or 0.0
        until(lambda: (job_of(store, job).due_at or 0.0) > first, 60, "a heartbeat")
        leases.append(first)
        return FOUND

    assert work(store, does, lease_s=0.6)
    assert leases
    assert job_of(store, job).state is State.DONE


def test_a_cancelled_job_ends_at_the_next_heartbeat(store: Store) -> None:
    job, _ = store.submit(new(1))

    def does(job: Job, stopped: Callable[[], bool]) -> Result | None:
        assert store.cancel(job.id)
        waits(job, stopped)
        return FOUND

    assert work(store, does, lease_s=0.3)
    assert job_of(store, job).state is State.CANCELLED
    assert store.report(job.id) is None


def test_a_worker_that_is_told_to_stop_gives_its_job_back(store: Store) -> None:
    job, _ = store.submit(new(1))
    with closing(Worker(store, lambda: Scorer(waits), 60)) as worker:
        threading.Timer(0.2, worker.stop.set).start()
        assert working.poll(worker, poll_s=0.05, sweep_s=60) == 1
    back = job_of(store, job)
    assert (back.state, back.tries, back.worker) == (State.QUEUED, 0, None)


def test_a_database_that_is_away_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = store.submit(new(1))
    asked: dict[str, int] = {}

    def away_at_first(name: str) -> None:
        ask = getattr(store, name)

        def asks(*arguments: Any, **more: Any) -> Any:
            asked[name] = asked.get(name, 0) + 1
            if asked[name] == 1:
                raise StoreUnavailable("the store must be there, but is not. Wait.")
            return ask(*arguments, **more)

        monkeypatch.setattr(store, name, asks)

    for name in ("claim", "heartbeat", "finish"):
        away_at_first(name)

    def does(*_: Any) -> Result | None:
        until(lambda: asked.get("heartbeat", 0) > 1, 60, "two heartbeats")
        return FOUND

    assert work(store, does, lease_s=0.6)
    assert job_of(store, job).state is State.DONE
    assert asked["claim"] == asked["finish"] == 2


def test_jobs_of_other_weights_are_left_alone(store: Store) -> None:
    store.submit(new(1))
    with closing(Worker(store, lambda: Scorer(lambda *_: FOUND, "c" * 64), 60)) as worker:
        assert not worker.work()


def test_weights_that_cannot_be_loaded_are_told_before_any_job(store: Store) -> None:
    with pytest.raises(WeightsNotFound):
        Worker(store, raises_at_once, 60)


def raises_at_once() -> Scorer:
    raise WeightsNotFound("weights must be there, but are not. Name others.")


def test_files_are_submitted_once_and_waited_for(store: Store, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.mp4", "b.mp4", "same as a.mp4")]
    for file, content in zip(files, (b"a", b"b", b"a"), strict=True):
        file.write_bytes(content)
    sent = [
        queueing.submit(store, file, weights_sha256=WEIGHTS, parameters="{}", out=tmp_path / "out")
        for file in files
    ]
    assert [added for _, added in sent] == [True, True, False]
    ids = [job.id for job, _ in sent]
    assert ids[0] == ids[2]
    with pytest.raises(InputError):
        queueing.submit(store, tmp_path, weights_sha256=WEIGHTS, parameters="{}")
    assert queueing.offer(Settings("sqlite:///unused"), ids) == 0
    seen = queueing.ended(store, ids, poll_s=0.01, timeout_s=60)
    assert next(seen) is None
    assert work(store, lambda *_: FOUND)
    assert work(store, raises(NotAVideo("no frame")))
    over = {job.id: job.state for job in seen if job is not None}
    assert over == {ids[0]: State.DONE, ids[1]: State.FAILED}
    assert list(queueing.ended(store, [ids[0], "none"], poll_s=0.01, timeout_s=0.05))[-1] is None


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught on Windows")
def test_a_polling_worker_stops_at_sigterm_and_its_job_waits(store: Store, tmp_path: Path) -> None:
    job, _ = store.submit(new(1))
    environment = {
        **os.environ,
        "DFEXPLAIN_DATABASE": store.shown,
        "DFEXPLAIN_POLL_S": "0.05",
    }
    begun = tmp_path / "begun"
    command = [sys.executable, "-m", "tests.queue_worker", "poll", str(begun), "300"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        try:
            until(begun.exists, 60, "the job's begin")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        assert b"given back" in process.stderr.read()
    assert job_of(store, job).state is State.QUEUED


def test_the_command_scores_what_waits_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfexplain.batch.scoring import parameters_of, sampling_of
    from dfexplain.hub import load
    from dfexplain.structures import Sampling
    from tests import small_weights
    from tests.clips import make_clip

    folder = small_weights.publishable(tmp_path / "weights")
    clip = make_clip(tmp_path / "clip.mp4", 4)
    monkeypatch.setenv("DFEXPLAIN_DATABASE", f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    monkeypatch.setenv("DFEXPLAIN_WEIGHTS", str(folder))
    parameters = parameters_of(Sampling(frames=2))
    assert sampling_of(parameters) == Sampling(frames=2)
    sha256 = load(folder).info.sha256
    with closing(settings.opened(os.environ["DFEXPLAIN_DATABASE"])) as store:
        job, _ = queueing.submit(
            store, clip, weights_sha256=sha256, parameters=parameters, out=tmp_path / "out"
        )
        text = tmp_path / "text.mp4"
        text.write_text("no video")
        bad, _ = queueing.submit(store, text, weights_sha256=sha256, parameters=parameters)
        # The bytes behind a path may change while the job waits.
        other = NewJob(str(clip), "c" * 64, sha256, parameters)
        changed, _ = store.submit(other)
        assert cli.main(["worker", "--drain"]) == 0
        done = job_of(store, job)
        assert (done.state, done.verdict, done.reason) == (State.DONE, "not_analysable", "no_face")
        assert (done.score, done.p_fake) == (None, None)
        document = store.report(job.id)
        assert job_of(store, bad).error_code == "not-a-video"
        assert job_of(store, changed).error_code == "input-changed"
    assert document is not None
    assert json.loads(document)["sha256"] == job.input_sha256
    stem = f"clip-{job.input_sha256[:12]}"
    assert {file.name for file in (tmp_path / "out").iterdir()} == {f"{stem}.json", f"{stem}.html"}
    assert (tmp_path / "out" / f"{stem}.json").read_text("utf-8") == document
    assert canonical(json.loads(parameters)) == parameters
