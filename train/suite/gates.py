"""How often the probability is withdrawn: where it must be, and where it should not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfexplain.structures import EvaluationTable, Number
from train import evaluate, gate_material
from train.gate_material import GateTask
from train.scores import ScoredVideo
from train.suite.numbers import UNMEASURED, share

__all__ = ["table"]

WORDS = {
    "cartoon": "cartoons",
    "small": "faces 20 px wide",
    "inverted": "upside-down faces",
    "noise": "noise, over a face or alone",
}


def table(
    tasks: Sequence[GateTask],
    scored: Sequence[ScoredVideo],
    good: Sequence[ScoredVideo],
    calibrated: bool,
    resamples: int,
) -> EvaluationTable:
    """The share of the clips of each kind, and of `good` ones, that are given no probability."""

    def withdrawn(some: Sequence[ScoredVideo]) -> Number:
        if not calibrated:
            return UNMEASURED
        hits = np.array([s.withdrawn for s in some], bool)
        return share(hits, evaluate.groups_of(some), resamples)

    sets = {
        WORDS.get(kind, kind): [s for t, s in zip(tasks, scored, strict=True) if t.kind == kind]
        for kind in gate_material.KINDS
    }
    sets |= {
        f"good clips: {name} made clips": [s for s in good if s.record.label == label]
        for label, name in enumerate(("untouched", "forged"))
    }
    return EvaluationTable(
        "gate",
        "Withdrawn probabilities",
        f"Share of the clips that get no probability, because no face is found or it is unlike what"
        f" was measured: {len(scored)} clips of test people that must get none, beside the made "
        "clips that should get one.",
        ("clips", "probability withdrawn"),
        tuple((name, withdrawn(some)) for name, some in sets.items()),
    )
