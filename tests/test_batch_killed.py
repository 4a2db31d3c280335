"""A batch that is killed and goes on: no file twice, none missed, no half line."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import small_weights as small
from tests.clips import make_clip, numbered

ROOT = Path(__file__).resolve().parent.parent


def clips(folder: Path, count: int) -> Path:
    """Small clips, no two of the same bytes, none with a face."""
    folder.mkdir()
    for number in range(count):

        def picture(at: int, width: int, height: int, own: int = number) -> NDArray[np.uint8]:
            return numbered(12 * own + at, width, height)

        make_clip(folder / f"{number:04d}.mp4", 12, size=(160, 120), picture=picture)
    return folder


def started(source: Path, out: Path, weights: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dfexplain", "batch", str(source), "--out", str(out)]
    command += ["--weights", str(weights), "--frames", "4", "--format", "json", *more]
    calm = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=calm, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines(out: Path) -> list[str]:
    path = out / "results.jsonl"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def killed_at(run: subprocess.Popen[str], out: Path, count: int, deadline_s: float) -> None:
    """Kill the run, and nothing but it, once so many rows are there; its workers follow it."""
    end = time.monotonic() + deadline_s
    while len(lines(out)) < count:
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < end, "the run is too slow"
        time.sleep(0.02)
    listed = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    children = [int(pid) for pid in listed.read_text().split()] if listed.exists() else []
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=30)
    assert children or not listed.exists()
    while any(_alive(pid) for pid in children):
        assert time.monotonic() < end, "a worker outlives its run"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def jobs(out: Path) -> dict[str, tuple[str, int]]:
    """State and number of tries of each job of the store, by its path."""
    with sqlite3.connect(out / "store.sqlite") as db:
        found = db.execute("SELECT path, state, tries FROM jobs").fetchall()
    assert len({path for path, *_ in found}) == len(found)
    return {path: (state, tries) for path, state, tries in found}


def killed_and_resumed(folder: Path, count: int, workers: str, deadline_s: float) -> Iterator[str]:
    """The whole story for so many clips; yields what was counted."""
    source, out = clips(folder / "clips", count), folder / "run"
    weights = small.publishable(folder / "weights")
    broken = source / "0001.mp4"
    broken.write_bytes(broken.read_bytes()[:40])
    began = time.monotonic()
    killed_at(started(source, out, weights, "--workers", workers), out, count // 2, deadline_s)
    before = [json.loads(line) for line in lines(out)]
    yield f"killed after {len(before)} rows, {time.monotonic() - began:.0f} s"
    written = {path: path.stat().st_mtime_ns for path in (out / "reports").glob("*.json")}
    done = {path for path, (state, _) in jobs(out).items() if state == "done"}
    # As if the kill had hit the write of a line.
    with (out / "results.jsonl").open("a") as file:
        file.write('{"path": "half a li')

    again = started(source, out, weights, "--workers", workers, "--resume")
    said, complained = again.communicate(timeout=deadline_s)
    assert again.returncode == 1, complained
    yield f"ended after {time.monotonic() - began:.0f} s"
    assert complained.count("\n") == complained.count("error[not-a-video]") == 1
    assert f"{count} files: {count - 1} no face found, 1 failed" in said

    rows = [json.loads(line) for line in lines(out)]
    assert [row["path"] for row in rows] == [str(path) for path in sorted(source.iterdir())]
    assert len({row["sha256"] for row in rows}) == count
    assert Counter(row["state"] for row in rows) == {"done": count - 1, "failed": 1}
    yield f"{len(rows)} rows, {len({row['path'] for row in rows})} files"
    assert len((out / "results.csv").read_text("utf-8").splitlines()) == count + 1
    assert {row["path"]: row for row in before}.items() <= {r["path"]: r for r in rows}.items()

    # What was done before the kill was not done again: neither tried nor written.
    after = jobs(out)
    assert len(after) == count
    assert {state for state, _ in after.values()} == {"done", "failed"}
    assert {after[path] for path in done} == {("done", 1)}
    assert sum(tries > 1 for _, tries in after.values()) <= int(workers)
    untouched = [f"{row['report']}.json" for row in before if row["state"] == "done"]
    for path in (out / "reports" / name for name in untouched):
        assert path.stat().st_mtime_ns == written[path]
    reports = {p.name for p in (out / "reports").iterdir()}
    assert reports == {
        f"{row['report']}{end}"
        for row in rows
        if row["state"] == "done"
        for end in (".json", ".run.json")
    }


@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_killed_batch_goes_on_where_it_was(tmp_path: Path) -> None:
    assert len(list(killed_and_resumed(tmp_path, 12, "1", 400))) == 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_thousand_clips_killed_half_way_give_a_thousand_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for told in killed_and_resumed(tmp_path, 1000, "2", 3000):
        with capsys.disabled():
            print(told)
