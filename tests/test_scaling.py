"""scaling.py: calibrations judged on people and recipes that they were not fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import scaling
from dfexplain.errors import SettingError
from tests.test_calibration import fit


def recipes(
    people: int = 150, hard: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.str_]]:
    """A real and two fakes of each person, of recipes a and b; b scores `hard` lower."""
    rng = np.random.default_rng(7)
    kinds = np.tile(np.array(["", "a", "b"]), people)
    labels = (kinds != "").astype(np.int64)
    scores = rng.normal(3.0 * labels - 1.5 - hard * (kinds == "b"), 1.0)
    return scores, labels, np.repeat(np.arange(people), 3), kinds


def test_recipes_are_held_out_with_people_by_the_plain_definition() -> None:
    scores, labels, groups, kinds = recipes(people=20, hard=2.0)
    _, losses, held_out = scaling.choose(scores, labels, groups, ("platt",), kinds=kinds)
    fold = scaling._folds(labels, groups)
    loss, p = np.zeros(60), np.zeros(60)
    for i in range(60):
        left_out = [kinds[i]] if labels[i] else ["a", "b"]
        for kind in left_out:
            known = [j for j in range(60) if fold[j] != fold[i] and kinds[j] != kind]
            one = scaling.fit("platt", scores[known], labels[known])
            at = float(scaling.apply(one, scores[i : i + 1])[0])
            p[i] += at / len(left_out)
            loss[i] -= np.log(at if labels[i] else 1.0 - at) / len(left_out)
    np.testing.assert_allclose(held_out, p, atol=1e-12)
    assert losses["platt"] == pytest.approx(np.average(loss, weights=scaling.balance(labels)))


def test_an_unseen_recipe_costs_more_only_where_recipes_differ() -> None:
    for hard, least, most in ((0.0, -0.01, 0.01), (3.0, 0.02, 1.0)):
        scores, labels, groups, kinds = recipes(hard=hard)
        people = fit(scores, labels, groups)
        both = fit(scores, labels, groups, kinds=kinds)
        cost = {m: both.log_loss[m] - people.log_loss[m] for m in ("platt", "isotonic")}
        assert least < cost["platt"] < most
        assert least < cost["isotonic"] < most
    # What is fitted in the end, to all videos, and the rates, rest on the scores alone.
    assert both.threshold == people.threshold
    assert both.ece > people.ece
    low, high = both.ece_interval
    assert 0.0 < low < high < 1.0


@pytest.mark.parametrize(
    ("apart", "tied", "by_people", "chosen"),
    [(0.2, False, "platt", "platt"), (0.75, True, "platt", "platt"),
     (1.0, False, "platt", "temperature")],
)  # fmt: skip
def test_people_decide_where_unseen_recipes_do_not(
    apart: float, tied: bool, by_people: str, chosen: str
) -> None:
    """An offset that recipes share helps where both are known; where they lie `apart` it hurts on
    the one that was held out."""
    rng = np.random.default_rng(7)
    kinds = np.tile(np.array(["", "a", "", "b"]), 150)
    labels, groups = (kinds != "").astype(np.int64), np.repeat(np.arange(150), 4)
    fakes = 0.6 + np.where(kinds == "a", apart, -apart)
    scores = rng.normal(np.where(labels == 1, fakes, -1.0), 1.0)
    both = ("temperature", "platt")
    by_group, _ = scaling._judged(scores, labels, groups, both, kinds)
    assert (len(scaling._about_lowest(by_group)) > 1) is tied
    assert scaling.choose(scores, labels, groups, both)[0].method == by_people
    found, losses, _ = scaling.choose(scores, labels, groups, both, kinds=kinds)
    assert found.method == chosen
    assert scaling.held_out_losses(scores, labels, groups, both, kinds=kinds) == losses


def test_one_recipe_cannot_be_left_out() -> None:
    scores, labels, groups, kinds = recipes(people=4)
    one = np.where(kinds == "b", "a", kinds)
    with pytest.raises(SettingError, match="must be of two recipes at least, but got 1"):
        fit(scores, labels, groups, kinds=one)
