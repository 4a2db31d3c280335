"""The store: what each step does to a row, on SQLite and, where it is there, on PostgreSQL."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dfexplain.batch.jobs import TRIES, NewJob, Result, State, canonical
from dfexplain.batch.store import LOST, Store
from dfexplain.batch.tables import METADATA
from dfexplain.errors import StoreUnavailable
from tests.servers import Postgres

WEIGHTS = "b" * 64
FOUND = Result("fake", None, 2.5, 0.9, '{"schema":1}')


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new folder' / 'jobs.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new(uuid.uuid4().hex)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    store.migrate()
    yield store
    store.close()


def new(number: int, **more: str) -> NewJob:
    return NewJob(f"/videos/{number}.mp4", f"{number:064x}", WEIGHTS, **more)


def later(seconds: float) -> float:
    return time.time() + seconds


def test_the_same_submission_is_one_row(store: Store) -> None:
    first, added = store.submit(new(1, webhook="http://127.0.0.1/hook"))
    assert added
    assert (first.state, first.tries, first.worker) == (State.QUEUED, 0, None)
    assert abs(first.created_at - time.time()) < 60
    again, added = store.submit(new(1))
    assert not added
    assert again == first
    other, added = store.submit(new(1, parameters=canonical({"frames": 8})))
    assert added
    assert other.id != first.id
    assert store.counts()[State.QUEUED] == 2


def test_a_job_goes_its_way_to_a_result(store: Store) -> None:
    job, _ = store.submit(new(1, webhook="http://127.0.0.1/hook"))
    claimed = store.claim("one", 60)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.tries) == (job.id, State.RUNNING, 1)
    assert claimed.due_at is not None
    assert claimed.due_at - time.time() == pytest.approx(60, abs=30)
    assert store.claim("two", 60) is None
    assert store.heartbeat(job.id, "one", 120)
    assert not store.heartbeat(job.id, "two", 60)
    assert not store.finish(job.id, "two", FOUND)
    assert store.untold() == []
    assert store.finish(job.id, "one", FOUND)
    done = store.job(job.id)
    assert done is not None
    assert (done.state, done.verdict, done.score, done.p_fake) == (State.DONE, "fake", 2.5, 0.9)
    assert done.due_at is None
    assert done.finished_at is not None
    assert store.report(job.id) == FOUND.report
    assert [one.id for one in store.untold()] == [job.id]
    store.told(job.id)
    assert store.untold() == []
    # What comes after the end changes nothing.
    assert not store.finish(job.id, "one", Result("real", None, -1.0, 0.1, "{}"))
    assert not store.heartbeat(job.id, "one", 60)
    assert not store.fail(job.id, "one", "x", "y", retry=True)
    assert not store.cancel(job.id)
    assert not store.retry(job.id)
    assert store.report(job.id) == FOUND.report


def test_without_evidence_there_is_no_number(store: Store) -> None:
    job, _ = store.submit(new(1))
    assert store.claim("one", 60)
    assert store.finish(job.id, "one", Result("not_analysable", "no_face", None, None, "{}"))
    done = store.job(job.id)
    assert done is not None
    assert (done.verdict, done.reason, done.score, done.p_fake) == (
        "not_analysable", "no_face", None, None,
    )  # fmt: skip


def test_a_worker_takes_the_jobs_of_its_weights(store: Store) -> None:
    job, _ = store.submit(new(1))
    assert store.claim("one", 60, weights_sha256="c" * 64) is None
    assert store.claim("one", 60, job.id, weights_sha256="c" * 64) is None
    assert store.claim("two", 60, weights_sha256=WEIGHTS)


def test_a_worker_that_is_told_to_stop_gives_its_job_back(store: Store) -> None:
    job, _ = store.submit(new(1))
    store.submit(new(2))
    for _ in range(TRIES + 1):
        claimed = store.claim("one", 60)
        assert claimed is not None
        assert (claimed.id, claimed.tries) == (job.id, 1)
        assert store.release(job.id, "one")
        assert not store.release(job.id, "one")


def test_the_oldest_is_first_and_a_hint_names_its_job(store: Store) -> None:
    jobs = [store.submit(new(n))[0] for n in range(3)]
    named = store.claim("one", 60, jobs[1].id)
    assert named is not None
    assert named.id == jobs[1].id
    assert store.claim("two", 60, jobs[1].id) is None
    assert store.claim("two", 60, "no such job") is None
    order = [store.claim("two", 60), store.claim("two", 60), store.claim("two", 60)]
    assert [job and job.id for job in order] == [jobs[0].id, jobs[2].id, None]


def test_a_lapsed_lease_frees_the_job_three_times(store: Store) -> None:
    job, _ = store.submit(new(1))
    other, _ = store.submit(new(2))
    for turn in range(TRIES):
        claimed = store.claim(f"worker {turn}", 10, job.id, now=later(100 * turn))
        assert claimed is not None
        assert claimed.tries == turn + 1
        assert store.claim("early", 10, job.id, now=later(100 * turn + 5)) is None
    # Whoever lost the lease cannot end the job, not even if its bytes are the same.
    assert not store.finish(job.id, "worker 0", FOUND)
    assert store.claim("fourth", 10, job.id, now=later(100 * TRIES)) is None
    failed = store.job(job.id)
    assert failed is not None
    assert (failed.state, failed.tries, failed.error_code) == (State.FAILED, TRIES, LOST)
    assert "lost 3 times" in str(failed.error_reason)
    assert not store.finish(job.id, "worker 2", FOUND)
    assert store.report(job.id) is None
    assert [one.id for one in store.jobs(State.QUEUED)] == [other.id]


def test_a_worker_that_is_only_slow_keeps_its_job_while_nobody_has_it(store: Store) -> None:
    job, _ = store.submit(new(1))
    assert store.claim("slow", 0.0)
    assert store.finish(job.id, "slow", FOUND)


def test_failing(store: Store) -> None:
    job, _ = store.submit(new(1))
    assert store.claim("one", 60)
    assert store.fail(job.id, "one", "not-a-video", "no frame", retry=False)
    failed = store.job(job.id)
    assert failed is not None
    assert (failed.state, failed.error_code, failed.error_reason) == (
        State.FAILED, "not-a-video", "no frame",
    )  # fmt: skip
    assert store.retry(job.id, "/elsewhere.mp4")
    anew = store.job(job.id)
    assert anew is not None
    assert (anew.state, anew.tries, anew.path) == (State.QUEUED, 0, "/elsewhere.mp4")
    assert anew.error_code is None
    for turn in range(TRIES):
        assert store.claim("one", 60, now=later(60 * turn))
        assert store.fail(job.id, "one", "io", "the disk was away", retry=True)
        waiting = store.job(job.id)
        assert waiting is not None
        assert waiting.state is (State.QUEUED if turn + 1 < TRIES else State.FAILED)
        if waiting.state is State.QUEUED:
            assert store.claim("one", 60) is None, "it waits a little"


def test_cancelling_a_job_that_waits_or_runs(store: Store) -> None:
    waiting, running = (store.submit(new(n))[0] for n in (1, 2))
    assert store.claim("one", 60, running.id)
    assert store.cancel(waiting.id)
    assert store.cancel(running.id)
    assert not store.cancel(running.id)
    assert not store.cancel("no such job")
    assert not store.heartbeat(running.id, "one", 60)
    assert not store.finish(running.id, "one", FOUND)
    assert store.claim("one", 60) is None
    assert store.counts()[State.CANCELLED] == 2


def test_the_sweeper_offers_what_lapsed_and_what_was_forgotten(store: Store) -> None:
    lapsed, buried, waiting = (store.submit(new(n))[0] for n in (1, 2, 3))
    for turn in range(TRIES):
        assert store.claim("one", 10, buried.id, now=later(20 * turn))
    assert store.claim("one", 70, lapsed.id)
    assert store.sweep(now=later(5)) == []
    assert store.sweep(now=later(75)) == [lapsed.id, waiting.id]
    states = {job.id: job.state for job in store.jobs()}
    assert states == {
        lapsed.id: State.QUEUED, buried.id: State.FAILED, waiting.id: State.QUEUED,
    }  # fmt: skip
    assert store.sweep(now=later(76)) == [], "they were offered a second ago"
    assert len(store.sweep(now=later(200), limit=1)) == 1
    again = store.claim("two", 10)
    assert again is not None
    assert (again.id, again.tries) == (lapsed.id, 2), "before the one that came later"


def test_lists_and_counts(store: Store) -> None:
    jobs = [store.submit(new(n))[0].id for n in range(5)]
    assert [job.id for job in store.jobs()] == jobs
    assert [job.id for job in store.jobs(limit=2, offset=3)] == jobs[3:]
    assert {job.id for job in store.among([jobs[3], "none", jobs[0]])} == {jobs[0], jobs[3]}
    assert store.jobs(State.DONE) == []
    assert store.job("no such job") is None
    assert store.report("no such job") is None
    assert store.counts() == {state: 5 * (state is State.QUEUED) for state in State}


def test_what_ended_long_ago_can_be_deleted(store: Store) -> None:
    done, waiting = (store.submit(new(n))[0] for n in (1, 2))
    assert store.claim("one", 60, done.id)
    assert store.finish(done.id, "one", FOUND)
    assert store.prune(3600) == 0
    assert store.prune(-1) == 1
    assert [job.id for job in store.jobs()] == [waiting.id]
    assert store.report(done.id) is None
    assert store.submit(new(1))[1]


def test_no_two_claim_the_same(store: Store, url: str) -> None:
    for number in range(40):
        store.submit(new(number))
    claimed: list[str] = []

    def work(name: str) -> None:
        mine = Store(url)
        while (job := mine.claim(name, 60)) is not None:
            claimed.append(job.id)
            assert mine.finish(job.id, name, FOUND)
        mine.close()

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(claimed) == len(set(claimed)) == 40
    assert store.counts()[State.DONE] == 40


def test_the_migrations_make_these_tables_and_take_them_away(url: str) -> None:
    def tables() -> set[str]:
        return set(sa.inspect(engine).get_table_names())

    engine = sa.create_engine(url)
    store = Store(url)
    store.migrate()
    store.migrate()
    store.submit(new(1))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    assert set(METADATA.tables) < tables()
    store.migrate("base")
    assert tables() == {"alembic_version"}
    with pytest.raises(StoreUnavailable, match=r"Store\.migrate"):
        store.counts()
    store.migrate()
    assert store.counts() == dict.fromkeys(State, 0)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(StoreUnavailable, match="Install the newer dfexplain"):
        store.migrate()
    store.close()
    engine.dispose()
