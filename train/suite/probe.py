"""What picture quality alone gives away: a linear probe on blur, JPEG, noise and exposure.

Were real and forged crops worn unlike, a detector could learn the wear and not the forgery. The
probe sees six numbers a crop and no forgery; its AUC must stay near chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import metrics
from dfexplain.intervals import auc_interval
from dfexplain.models import ModelConfig
from dfexplain.structures import EvaluationTable, Number
from train.portraits import Portrait
from train.samples import PairDataset

__all__ = ["LIMIT", "STATISTICS", "held_out_scores", "statistics", "table"]

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEED = 8_401
# Pairs a portrait, folds of people, and the AUC above which wear gives forgeries away.
PAIRS, FOLDS, LIMIT = 4, 5, 0.65
STATISTICS = ("sharpness", "blockiness", "noise", "brightness", "contrast", "saturation")
RIDGE, STEPS = 1.0, 25


def statistics(rgb: Image) -> Floats:
    """STATISTICS of a crop (S, S, 3).

    Sharpness is the log variance of the Laplacian (Pech-Pacheco et al., ICPR 2000); blockiness how
    much more grey levels jump at the borders of 8 px blocks than elsewhere (Wang, Bovik and Evans,
    ICIP 2000), for the crop's own grid; noise the estimate of Immerkaer (CVIU 1996, eq. 3).
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64)
    laplacian = cv2.Laplacian(grey, cv2.CV_64F)
    jumps = []
    for steps in (
        np.abs(np.diff(grey, axis=1)).mean(axis=0),
        np.abs(np.diff(grey, axis=0)).mean(1),
    ):
        folded = np.array([steps[place::8].mean() for place in range(8)])
        jumps.append(folded.max() - np.median(folded))
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    residual = np.abs(cv2.filter2D(grey, -1, mask)[1:-1, 1:-1]).mean()
    saturation = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 1]
    return np.array(
        [
            np.log(laplacian.var() + 1e-3),
            np.mean(jumps),
            np.sqrt(np.pi / 2) / 6.0 * residual,
            grey.mean(),
            grey.std(),
            saturation.mean(),
        ]
    )


def _fit(x: Floats, labels: Ints) -> Floats:
    """Weights (D + 1,) of a logistic regression with a small ridge, by Newton's method."""
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.diag([*np.full(x.shape[1], RIDGE), 0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (labels - p) - ridge @ weights
        weights = weights + np.linalg.solve(
            (design.T * (p * (1 - p))) @ design + ridge + 1e-9 * np.eye(len(weights)), slope
        )
    return weights


def held_out_scores(x: Floats, labels: Ints, groups: NDArray[np.generic]) -> Floats:
    """Scores (N,) of samples x (N, D), each by a probe that was fitted to other people."""
    names, group = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(SEED).permutation(len(names))[group] % FOLDS
    out = np.zeros(len(x))
    for k in range(FOLDS):
        inside = fold == k
        if not inside.any():
            continue
        mean, spread = x[~inside].mean(axis=0), x[~inside].std(axis=0) + 1e-9
        weights = _fit((x[~inside] - mean) / spread, labels[~inside])
        # The steepness differs from fold to fold, and only the order within them is compared.
        out[inside] = ((x[inside] - mean) / spread) @ weights[:-1] + weights[-1]
    return out


def table(people: Sequence[Portrait], config: ModelConfig, resamples: int) -> EvaluationTable:
    """The AUC of the probe on training-style crops of `people`, whom it is fitted to by folds."""
    pairs = PairDataset(list(people), config, seed=SEED)
    rows, labels, groups = [], [], []
    for epoch in range(PAIRS):
        pairs.set_epoch(epoch)
        for index, portrait in enumerate(people):
            pair = pairs.pair(index)
            rows += [statistics(pair.real), statistics(pair.fake)]
            labels += [0, 1]
            groups += [portrait.identity] * 2
    x, y, who = np.stack(rows), np.array(labels, np.int64), np.array(groups)
    scores = held_out_scores(x, y, who)
    low, high = auc_interval(scores, y, who, resamples=resamples)
    alone = [
        (f"{name} alone", Number(metrics.auc(x[:, i], y), None, None, len(y), 0.5))
        for i, name in enumerate(STATISTICS)
    ]
    return EvaluationTable(
        "probe",
        "What picture quality gives away",
        f"AUC of a logistic regression on {len(STATISTICS)} quality statistics of real and forged "
        f"training-style crops of {len(set(groups))} validation people, held out by people. Chance "
        f"is 0.5; at {LIMIT} or more quality alone would give forgeries away.",
        ("statistics", "AUC"),
        (("all", Number(metrics.auc(scores, y), low, high, len(y), 0.5)), *alone),
    )
