"""From the logits of a track's frames to one score: which rule does best on validation videos.

The rule is part of what is calibrated, so it is chosen on the same videos and on no others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfexplain import comparison, metrics, scaling
from dfexplain.aggregate import MIN_FRAMES, lane_score
from dfexplain.evaluation import in_words
from dfexplain.structures import EvaluationTable, Number
from train.evaluate import groups_of
from train.scores import ScoredVideo

__all__ = ["RULES", "TODAYS", "compare", "score", "write"]

Floats = NDArray[np.float64]
Rule = Callable[[Floats], float]

# Cut off at either end of the sorted logits.
TRIM = 0.1
TODAYS = "highest run (the app's)"
SCALINGS = ("temperature", "platt")
CHANCE_LOSS = math.log(2.0)


def _trimmed(logits: Floats) -> float:
    cut = int(TRIM * len(logits))
    return float(np.sort(logits)[cut : len(logits) - cut].mean())


def _top(share: float) -> Rule:
    """The mean of the highest `share` of the frames, one at least."""

    def rule(logits: Floats) -> float:
        return float(np.sort(logits)[-math.ceil(share * len(logits)) :].mean())

    return rule


# Logits (N,) of a track in time order, N >= 1, to its score.
RULES: Mapping[str, Rule] = {
    TODAYS: lane_score,
    "mean": lambda logits: float(logits.mean()),
    f"mean less {TRIM:.0%} at either end": _trimmed,
    "median": lambda logits: float(np.median(logits)),
    "mean of the highest 25 %": _top(0.25),
    "mean of the highest 10 %": _top(0.1),
    "highest frame": lambda logits: float(logits.max()),
}


def score(video: ScoredVideo, rule: Rule) -> float:
    """The video's highest track by `rule`. A track decides if it has MIN_FRAMES frames, as in the
    app; where none has so many, the longest ones do (`scores.score_crops`)."""
    names = np.array(video.frame_track)
    tracks = [np.flatnonzero(names == name) for name in dict.fromkeys(video.frame_track)]
    enough = min(MIN_FRAMES, max(map(len, tracks)))
    scores = []
    for rows in tracks:
        if len(rows) >= enough:
            # Frames that are not numbered stay in their order.
            order = np.argsort(video.frame_index[rows], kind="stable")
            scores.append(rule(video.frame_logits[rows][order]))
    return max(scores)


def compare(
    scored: Sequence[ScoredVideo], *, by_recipe: bool = False, resamples: int = 1000
) -> EvaluationTable:
    """Each rule's AUC over the videos that have a score, less today's (paired by video), and log
    loss after temperature and after Platt scaling.

    Intervals draw groups of shared people and sources; all rules are measured on the same
    resamples. Log losses are on people that the scaling was not fitted to, with `by_recipe` on
    recipes that it was not fitted to as well (`scaling.choose`); a temperature alone cannot move a
    rule's zero, as the highest of many frames needs. Raises SettingError for too few people, or
    fewer than two recipes.
    """
    kept = [s for s in scored if s.score is not None]
    labels = np.array([s.record.label for s in kept], np.int64)
    groups = groups_of(kept)
    kinds = np.array([s.record.method for s in kept]) if by_recipe else None
    by_rule = {name: np.array([score(s, rule) for s in kept]) for name, rule in RULES.items()}
    measured = {name: (metrics.auc, own) for name, own in by_rule.items()}
    intervals = metrics.bootstrap_intervals(measured, labels, groups, resamples=resamples)
    n, rows = len(kept), []
    for name, own in by_rule.items():
        less = None
        if name != TODAYS:
            pair = comparison.paired(own, by_rule[TODAYS], labels, groups, resamples=resamples)
            less = Number(pair.difference, *pair.interval, n, 0.0)
        losses = scaling.held_out_losses(own, labels, groups, SCALINGS, kinds=kinds)
        rows.append(
            (
                name,
                Number(metrics.auc(own, labels), *intervals[name], n, 0.5),
                less or "–",
                *(Number(loss, None, None, n, CHANCE_LOSS) for loss in losses.values()),
            )
        )
    unseen = "people and recipes" if by_recipe else "people"
    return EvaluationTable(
        key="aggregation",
        title="From frames to a score",
        note=(
            f"{n} validation videos ({n - int(labels.sum())} real, {int(labels.sum())} fake, "
            f"{len(np.unique(groups))} groups of people), each the highest of its tracks; 95 % "
            f"intervals drawn by group; log losses on unseen {unseen}, both classes alike."
        ),
        columns=("rule", "AUC", "less the app's", "log loss, temperature", "log loss, Platt"),
        rows=tuple(rows),
    )


def write(path: Path, table: EvaluationTable) -> None:
    """The table as a Markdown page."""
    cells = (table.columns, ["---"] * len(table.columns))
    rows = [[in_words(cell) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in (*cells, *rows)]
    text = "\n".join([f"# {table.title}", "", table.note, "", *lines])
    path.write_text(text + "\n", encoding="utf-8")
