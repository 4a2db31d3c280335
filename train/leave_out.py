"""What a detector says of a recipe of forgery that it has never seen: a run without each recipe.

Forgeries of tomorrow are made by none of the recipes of today, so what counts is the AUC on one
that was left out of the training (Li et al., Face X-ray, CVPR 2020, test across manipulations in
this way). The same run with all recipes stands beside it: the difference is what not having seen it
costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfexplain import metrics
from dfexplain.engine import Engine
from dfexplain.evaluation import in_words
from dfexplain.intervals import auc_interval
from dfexplain.structures import Number
from train.config import Data, FitConfig
from train.datasets import PortraitsData
from train.forgeries import RECIPES
from train.loop import fit
from train.portraits import Portrait
from train.samples import PairDataset

__all__ = ["DRAWS", "Unseen", "leave_out", "lines"]

# Crops of a portrait by each recipe, and their seed: that of no other set.
DRAWS, SEED = 2, 8_601
RESAMPLES = 1_000
ALL = "all"
# Pairs that are scored in one go: an engine fills its batches up.
TOGETHER = 8

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Unseen:
    """AUC over pairs of a real and a forged crop by `recipe`: of the run that never saw it, and of
    the run that saw all recipes."""

    recipe: str
    unseen: Number
    seen: Number


def leave_out(
    config: FitConfig,
    data: PortraitsData,
    test: Sequence[Portrait],
    run_dir: Path,
    recipes: Sequence[str] = RECIPES,
    say: Callable[[str], None] = print,
) -> list[Unseen]:
    """Fit `config` with all recipes and without each of `recipes`, and measure on `test` people.

    Each run lies in a folder of `run_dir`, and one that was cut goes on. Forgeries of test people
    are made by the recipe in question alone, worn and cut as in training.
    """
    engines = {}
    for left in (ALL, *recipes):
        say(f"a run with {'all recipes' if left == ALL else f'all recipes but {left}'}")
        out = "" if left == ALL else left
        settings = replace(config, data=replace(config.data, left_out=out))
        model = fit(settings, data, run_dir / left, say).model
        engines[left] = Engine(config.model, model.state_dict())
    asked = Data(moving=config.data.moving)
    pairs = PairDataset(list(test), config.model, seed=SEED, data=asked)
    people = np.repeat([p.identity for _ in range(DRAWS) for p in test], 2)
    labels = np.tile([0, 1], len(people) // 2)
    found = []
    for recipe in recipes:
        say(f"crops of {len(test)} test portraits forged by {recipe}, {DRAWS} each")
        logits: dict[str, list[NDArray[np.float64]]] = {ALL: [], recipe: []}
        for crops in _crops(pairs, recipe):
            for name, told in logits.items():
                told.append(engines[name].run(crops).logit)
        unseen, seen = (
            _auc(np.concatenate(logits[name]), labels, people) for name in (recipe, ALL)
        )
        found.append(Unseen(recipe, unseen, seen))
    return found


def _crops(pairs: PairDataset, recipe: str) -> Iterator[Images]:
    """A real and a forged crop of each draw and portrait in turn, some at a time (N, S, S, 3)."""
    for draw in range(DRAWS):
        pairs.set_epoch(draw)
        for first in range(0, len(pairs), TOGETHER):
            some = range(first, min(first + TOGETHER, len(pairs)))
            made = [pairs.pair(index, recipe) for index in some]
            yield np.stack([crop for pair in made for crop in (pair.real, pair.fake)])


def _auc(
    logits: NDArray[np.float64], labels: NDArray[np.int64], people: NDArray[np.str_]
) -> Number:
    low, high = auc_interval(logits, labels, people, resamples=RESAMPLES)
    return Number(metrics.auc(logits, labels), low, high, len(labels), 0.5)


def lines(found: Sequence[Unseen]) -> list[str]:
    """The table in Markdown, with the mean over recipes as its last row."""
    means = [
        Number(float(np.mean([n.value for n in numbers])), None, None, 0, None)
        for numbers in ([row.unseen for row in found], [row.seen for row in found])
    ]
    rows: list[tuple[str | Number, ...]] = [(u.recipe, u.unseen, u.seen) for u in found]
    rows.append(("mean", *means))
    return [
        "| recipe | AUC of the run that never saw it | of the run that saw all |",
        "|---|---|---|",
        *(f"| {' | '.join(map(in_words, row))} |" for row in rows),
    ]
