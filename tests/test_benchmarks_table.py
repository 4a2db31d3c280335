"""benchmarks: what a row says and when it fails; the whole table in the slow suite."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks import __main__ as everything
from benchmarks import clips, races, table
from benchmarks.sides import SIDES, Spent
from benchmarks.table import Row
from dfexplain.structures import Sampling


def test_a_row_is_held_by_cpu_seconds_and_fails_only_beyond_the_slack() -> None:
    least = Row("work", "reference", 10.0, 9.0, 20.0)
    assert (least.value, least.held, least.failed) == (9.0, False, False)
    assert least._replace(cpu=8.4).failed
    assert least._replace(cpu=None).held
    most = Row("memory", "reference", 1.0, 1.1, at_most=True)
    assert (most.held, most.failed) == (False, False)
    assert most._replace(cpu=1.2).failed
    # Where a bar is missed, what was measured is held.
    assert not least._replace(cpu=6.5, last=7.0).failed
    assert least._replace(cpu=5.8, last=7.0).failed
    assert least._replace(cpu=None, wall=None).held is None


def test_the_table_is_written_for_people_and_for_programs(tmp_path: Path) -> None:
    rows = [Row("a", "b", 2.0, 3.0, None, "1 / 2 CPU s"), Row("c", "d", None, 0.5)]
    table.write(rows, tmp_path)
    lines = (tmp_path / "table.md").read_text("utf-8").splitlines()
    assert lines[2] == "| a | b | at least 2 | 3 |  | held | 1 / 2 CPU s |"
    said = json.loads((tmp_path / "table.json").read_text("utf-8"))
    assert [row["held"] for row in said["rows"]] == [True, None]
    assert set(said["machine"]) == {"date", "cpu", "system", "versions", "load", "GPU"}


def test_every_race_names_sides_clips_and_a_sampling_that_are_there() -> None:
    for race in races.RACES.values():
        assert {race.slow, race.fast} <= SIDES.keys()
        assert race.clip in clips.CLIPS
        assert Sampling(frames=race.frames, every=race.every)
    assert len(set(everything.NAMES)) == len(everything.NAMES)


def test_the_worst_of_the_peaks_is_the_one_that_counts() -> None:
    slow, fast = Spent(9.0, 9.0, 1000.0, 32), Spent(1.0, 1.0, 800.0, 32)
    row = races.peaks([(slow, fast), (slow, fast._replace(peak_mib=1100.0))])
    assert row is not None
    assert row.cpu == pytest.approx(1.1)
    assert races.peaks([(slow._replace(peak_mib=0.0), fast)]) is None


def test_several_portraits_move_and_are_the_same_each_time() -> None:
    first, *_, last = clips.several_portraits(320, 180, 12, (0.6, 0.5))
    again = next(clips.several_portraits(320, 180, 1, (0.6, 0.5)))
    assert first.shape == (180, 320, 3)
    assert (first == again).all()
    assert (first != last).any(axis=2).mean() > 0.02


@pytest.mark.slow
@pytest.mark.timeout(3600)  # on a slow machine; the usual limit is for tests of one thing
def test_no_benchmark_falls_below_its_ratio(tmp_path: Path) -> None:
    """About fifteen minutes on two idle cores."""
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip("the machine is too busy for ratios")
    rows = everything.measured(everything.NAMES, None, False, print)
    table.write(rows, tmp_path)
    assert [row.cells() for row in rows if row.failed] == []
