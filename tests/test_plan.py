"""Planning which packets to decode, on time stamps alone."""

from __future__ import annotations

import math
from array import array
from fractions import Fraction
from random import Random

import pytest

from dfexplain.plan import KEY_ROUTE_FRAMES, KEY_ROUTE_NOTE, Plan, Request, Survey, make_plan


def _survey(ticks: list[int], key_every: int = 10, fps: int = 25) -> Survey:
    keys = bytearray(position % key_every == 0 for position in range(len(ticks)))
    empty = bytearray(len(ticks))
    return Survey(
        tick_s=Fraction(1, fps),
        ticks=array("q", ticks),
        key=keys,
        spare=bytearray(empty),
        hidden=bytearray(empty),
        last_ticks=1,
        data_end_s=len(ticks) / fps,
    )


def _plan(
    survey: Survey,
    frames: int | None = None,
    fps: float | None = None,
    every: int | None = None,
    most: int = 3000,
    until_s: float = math.inf,
) -> Plan:
    plan = make_plan(survey, Request(frames, fps, every, most, until_s))
    assert plan is not None
    return plan


def test_spread_frames_lie_in_the_middles_of_equal_parts() -> None:
    plan = _plan(_survey(list(range(100))), frames=4)
    assert plan.ranks == [12, 37, 62, 87]
    assert plan.wanted == 4
    assert plan.runs == [(10, 12), (30, 37), (60, 62), (80, 87)]


@pytest.mark.parametrize("frames", [49, 50, 51, 500])
def test_no_frame_is_wanted_twice(frames: int) -> None:
    plan = _plan(_survey(list(range(50))), frames=frames)
    assert len(set(plan.ranks)) == len(plan.ranks) == plan.wanted == min(frames, 50)


def test_fps_and_every() -> None:
    survey = _survey(list(range(100)))
    assert _plan(survey, fps=5).ranks == list(range(0, 100, 5))
    assert _plan(survey, fps=50).ranks == list(range(100))
    assert _plan(survey, every=30).ranks == [0, 30, 60, 90]
    assert _plan(survey, every=1 << 40).ranks == [0]


def test_absurd_wishes_cost_nothing() -> None:
    survey = _survey(list(range(0, 100_000, 1000)), fps=90_000)
    assert _plan(survey, fps=1e12).ranks == list(range(100))
    assert _plan(survey, frames=10**15).ranks == list(range(100))


@pytest.mark.parametrize("seed", range(5))
def test_nearest_agrees_with_a_search(seed: int) -> None:
    random = Random(seed)
    ticks = sorted(random.sample(range(5000), 60))
    plan = _plan(_survey(ticks), frames=17)
    step = (plan.end_tick - ticks[0]) / 17
    targets = [ticks[0] + step * (k + 0.5) for k in range(17)]
    expected = {min(range(60), key=lambda rank: abs(ticks[rank] - target)) for target in targets}
    assert plan.ranks == sorted(expected)


def test_time_decides_and_not_the_position_where_the_frame_rate_varies() -> None:
    ticks = [*range(0, 50), *range(50, 500, 50)]
    survey = _survey(ticks)
    survey.last_ticks = 50
    plan = _plan(survey, frames=5)
    assert [plan.grid[rank] for rank in plan.ranks] == [50, 150, 250, 350, 450]


def test_work_is_bounded_and_said() -> None:
    plan = _plan(_survey(list(range(1000))), every=1, most=10)
    assert plan.ranks == list(range(50, 1000, 100))
    assert plan.wanted == 10
    assert plan.notes == ["10 of 1000 wanted frames are read, evenly spread"]


def test_nothing_after_the_end_that_was_asked_for() -> None:
    plan = _plan(_survey(list(range(100))), every=1, until_s=1.0)
    assert plan.ranks == list(range(25))
    assert plan.wanted == 25


@pytest.mark.parametrize("wish", [(8, None, None), (None, 1.0, None), (None, None, 25)])
def test_a_truncated_file_owes_the_frames_it_promised(
    wish: tuple[int | None, float | None, int | None],
) -> None:
    survey = _survey(list(range(100)))
    survey.declared_s = 8.0
    plan = _plan(survey, *wish)
    assert plan.wanted == 8
    assert len(plan.ranks) == 4
    assert plan.notes == ["the file ends at 4.0 s of a declared 8.0 s"]


def test_an_absurd_declared_duration_is_not_believed() -> None:
    survey = _survey(list(range(100)))
    survey.declared_s = 1e9
    plan = _plan(survey, frames=8)
    assert plan.wanted == len(plan.ranks) == 8
    assert plan.notes[-1] == "the declared duration is not plausible and was ignored"


def test_sound_that_goes_on_is_no_truncation() -> None:
    survey = _survey(list(range(100)))
    survey.declared_s, survey.data_end_s = 8.0, 8.0
    assert _plan(survey, frames=8).notes == []


def test_a_leading_picture_is_decoded_from_the_key_frame_before() -> None:
    # decode order I0 P2 b1 | I6 b4 b5 P8 b7: 4 and 5 are shown before the key frame they follow
    survey = _survey([0, 2, 1, 6, 4, 5, 8, 7], key_every=3)
    survey.key = bytearray([1, 0, 0, 1, 0, 0, 0, 0])
    every = _plan(survey, every=1)
    assert list(every.grid) == [0, 1, 2, 4, 5, 6, 7, 8]
    plan = _plan(survey, every=4)
    assert [plan.grid[rank] for rank in plan.ranks] == [0, 5]
    assert plan.runs == [(0, 5)]


def test_pictures_that_cannot_be_decoded_do_not_count() -> None:
    survey = _survey(list(range(20)))
    survey.key = bytearray(position in {5, 15} for position in range(20))
    survey.hidden[7] = 1
    plan = _plan(survey, every=1)
    assert list(plan.grid) == [5, 6, *range(8, 20)]


def test_long_files_are_read_through_key_frames() -> None:
    survey = _survey(list(range(20 * KEY_ROUTE_FRAMES)), key_every=250)
    plan = _plan(survey, frames=32)
    assert plan.notes == [KEY_ROUTE_NOTE]
    assert plan.wanted == len(plan.ranks) == len(set(plan.ranks)) == 32
    assert all(first == last and first % 250 == 0 for first, last in plan.runs)
    step = 20 * KEY_ROUTE_FRAMES / 32
    assert all(abs(r - step * (k + 0.5)) <= 125 for k, r in enumerate(plan.ranks))
    assert _plan(survey, every=1000).ranks == list(range(0, 20 * KEY_ROUTE_FRAMES, 1000))


def test_few_key_frames_are_no_route() -> None:
    plan = _plan(_survey(list(range(3 * KEY_ROUTE_FRAMES)), key_every=KEY_ROUTE_FRAMES), frames=32)
    assert plan.notes == []
    assert len(plan.ranks) == 32


def test_an_empty_track_has_no_plan() -> None:
    assert make_plan(_survey([]), Request(32, None, None, 3000)) is None
