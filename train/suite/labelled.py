"""Tables of labelled videos that nobody trained on: genuine clips, and the examples that ship."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfexplain import calibration as calibrations
from dfexplain.structures import Calibration, Cell, EvaluationTable, Number
from train.scores import ScoredVideo
from train.suite.numbers import UNMEASURED, Sample, share

__all__ = ["each", "pairs", "tables"]

LABELS = {0: "real", 1: "fake", None: "no face"}


def tables(
    scored: Sequence[ScoredVideo], fitted: Calibration | None, resamples: int
) -> list[EvaluationTable]:
    """What is measured on genuine labelled clips, and the clips one by one."""
    sample = Sample.of(scored, fitted, resamples)
    labels = [s.record.label for s in scored]
    coverage = Number(len(sample.scores) / len(labels), None, None, len(labels), None)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("AUC", sample.number("auc")),
        ("fakes above their own original", pairs(scored, resamples)),
        ("real clips at or above the threshold", sample.called_fake(0)),
        ("fake clips at or above the threshold", sample.called_fake(1)),
        ("fake clips at or below the band (misses)", sample.misses()),
        ("clips with a score", coverage),
    )
    overall = EvaluationTable(
        "clips",
        "Labelled clips, looked at once",
        f"{labels.count(0)} real and {labels.count(1)} fake clips that nothing was chosen by. So "
        "few clips make wide intervals. Chance is an AUC of 0.5 and half of the pairs.",
        ("measure", "value"),
        rows,
    )
    return [overall, each("clips_each", "Labelled clips one by one", scored, fitted)]


def pairs(scored: Sequence[ScoredVideo], resamples: int) -> Number:
    """How often a fake has a higher score than the real video that it was made from."""
    reals = {s.record.source_id: s.score for s in scored if s.record.label == 0}
    both = [
        (s.score, real, s.record.source_id)
        for s in scored
        if s.record.label == 1
        and s.score is not None
        and (real := reals.get(s.record.source_id)) is not None
    ]
    if not both:
        return UNMEASURED
    hits = np.array([fake > real for fake, real, _ in both])
    found = share(hits, np.array([source for *_, source in both]), resamples)
    return Number(found.value, found.low, found.high, found.n, 0.5)


def each(
    key: str, title: str, scored: Sequence[ScoredVideo], fitted: Calibration | None
) -> EvaluationTable:
    """One row a video: label, score, probability, answer."""
    rows: list[tuple[Cell, ...]] = []
    for item in scored:
        p = None
        if item.score is not None and fitted is not None and not item.withdrawn:
            p = float(calibrations.p_fake(fitted, np.array([item.score]))[0])
        said = item.reason or ("no answer" if item.verdict is None else str(item.verdict.outcome))
        rows.append(
            (
                item.record.path,
                LABELS[item.record.label],
                None if item.score is None else Number(item.score, None, None, 1, None),
                None if p is None else Number(p, None, None, 1, None),
                said,
            )
        )
    return EvaluationTable(
        key,
        title,
        "Each video as the app reads it. One video shows how the tool speaks and measures little.",
        ("video", "label", "score (logit)", "probability", "answer or reason"),
        tuple(rows),
    )
