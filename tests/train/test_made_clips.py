"""Made clips: fixed, evenly forged, visibly forged, and the same whoever scores them."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain import aggregate, hub
from tests import small_weights as small
from tests.train.faces import portraits
from train.clips import CRFS
from train.detecting import detect
from train.forgeries import RECIPES
from train.made_clips import (
    CALIBRATION,
    FILMED,
    PLAIN,
    RELEASE,
    ClipSet,
    forged_visibly,
    tasks,
)
from train.samples import VISIBLE


def test_clips_follow_from_their_seed_and_take_turns() -> None:
    people = list(portraits())
    made, again = tasks(people, RELEASE), tasks(people, RELEASE)
    assert [(t.record, t.recipe, t.seed) for t in made] == [
        (t.record, t.recipe, t.seed) for t in again
    ]
    assert [t.record.label for t in made] == [0, 1] * RELEASE.each * len(people)
    assert len({t.record.key for t in made}) == len(made)
    assert Counter(t.record.method for t in made if t.record.label) == dict.fromkeys(RECIPES, 2)
    assert {t.record.method for t in made if not t.record.label} == {""}
    assert all(t.donor.identity != t.portrait.identity for t in made)
    assert all(CRFS[0] <= t.recipe.crf <= CRFS[1] for t in made)
    # Another set has other clips of the same people.
    other = tasks(people, CALIBRATION)
    assert not {t.recipe for t in made} & {t.recipe for t in other}
    np.testing.assert_array_equal(made[1].frames()[4], again[1].frames()[4])


def test_filmed_clips_are_those_of_cameras_and_of_people_who_pull_a_face() -> None:
    people = list(portraits())
    chosen = ClipSet(seed=1, each=10)
    plain, filmed = tasks(people, chosen), tasks(people, replace(chosen, filmed=True))
    for one, other in zip(plain, filmed, strict=True):
        assert (one.record.dataset, other.record.dataset) == (PLAIN, FILMED)
        assert one.recipe.wear.camera is None
        assert other.recipe.wear.camera is not None
        # All else is drawn as it was.
        assert replace(other.recipe, wear=one.recipe.wear) == one.recipe
    assert 0.3 < np.mean([t.grimace for t in filmed]) < 0.7
    still, moved = (next(t for t in filmed if t.grimace is way) for way in (False, True))
    assert still.shown() is still.portrait
    apart = np.abs(moved.shown().rgb.astype(int) - moved.portrait.rgb)
    assert apart.mean() > 1
    np.testing.assert_array_equal(moved.shown().rgb, moved.shown().rgb)
    without = replace(moved, grimace=False)
    assert (np.stack(moved.frames()) != np.stack(without.frames())).any()


def test_a_verdict_can_rest_on_a_forged_span() -> None:
    spans = []
    for task in tasks(list(portraits()), ClipSet(seed=1, each=20)):
        recipe = task.recipe
        assert recipe.frames >= aggregate.MIN_FRAMES
        if recipe.forged_s is not None:
            start, end = recipe.forged_s
            inside = [start <= i / recipe.fps < end for i in range(recipe.frames)]
            spans.append(sum(inside))
    assert min(spans) >= aggregate.shortest_span(recipe.frames)
    assert 0.3 < np.mean(np.array(spans) == recipe.frames) < 0.7


def test_what_is_called_forged_can_be_seen_after_the_codec() -> None:
    seen = []
    for task in tasks(list(portraits()), ClipSet(seed=2, each=4))[1::2]:
        assert task.recipe.forged_s is not None
        assert forged_visibly(task).recipe == task.record.method
        whole = replace(task, recipe=replace(task.recipe, flicker=False))
        plain = replace(whole, recipe=replace(whole.recipe, forged_s=None))
        middle = math.floor(sum(task.recipe.forged_s) / 2 * task.recipe.fps)
        change = whole.frames()[middle].astype(float) - plain.frames()[middle]
        changed = np.abs(change).max(axis=2) > 1
        seen.append(float(np.sqrt((change[changed] ** 2).mean())))
    assert min(seen) > VISIBLE / 2


def test_tasks_travel_and_share_what_they_share() -> None:
    made = tasks(list(portraits()), RELEASE)
    one, all_of_them = (len(pickle.dumps(part)) for part in (made[:1], made[:8]))
    assert all_of_them < 2 * one
    back = pickle.loads(pickle.dumps(made[3]))
    np.testing.assert_array_equal(back.frames()[0], made[3].frames()[0])


@pytest.mark.slow
def test_workers_do_not_change_made_clips(tmp_path: Path) -> None:
    weights = hub.save(
        tmp_path / "w", config=small.CONFIG, state=small.state(), heat_scale=1.0, card=""
    )
    alone, together = (
        [s.score for s in detect(weights.folder, tasks(list(portraits())), n)] for n in (1, 3)
    )
    assert alone == together
