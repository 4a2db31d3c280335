"""Tables of made clips of people who were neither trained nor calibrated on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dfexplain.structures import Calibration, Cell, EvaluationTable, Number
from train import evaluate
from train.forgeries import RECIPES
from train.made_clips import ClipTask
from train.measures import TOLD_FROM
from train.scores import ScoredVideo
from train.suite import skin
from train.suite.numbers import UNMEASURED, Sample, share

__all__ = ["filmed", "tables"]

Bools = NDArray[np.bool_]
# Lower edges of the face sizes, in pixels of the clip.
FACE_PX = (0, 80, 120, 160)
NO_LABELS = "not measured: no labels of persons are used"


def tables(
    tasks: Sequence[ClipTask],
    scored: Sequence[ScoredVideo],
    fitted: Calibration | None,
    resamples: int,
) -> list[EvaluationTable]:
    """All tables of clips that were made by `tasks` and scored, in the same order."""
    kept = [t for t, s in zip(tasks, scored, strict=True) if s.score is not None]
    sizes = [s.face_px or 0.0 for s in scored if s.score is not None]
    sample = Sample.of(scored, fitted, resamples)
    return [
        _overall(
            "made", "Made clips of unseen people", scored, sample,
            "A portrait that moves is easier than video: only half of what calibrates is plain.",
        ),
        _by_recipe(kept, sample),
        _by_kind(kept, sample),
        _sliced(
            "made_crf", "By compression", "compression of the clip", sample,
            [t.record.compression for t in kept],
        ),
        _sliced("made_face_px", "By size of the face", "width of the face", sample, _named(sizes)),
    ]  # fmt: skip


def filmed(
    clips: Sequence[tuple[ClipTask, ScoredVideo]],
    plain: Sequence[tuple[ClipTask, ScoredVideo]],
    fitted: Calibration | None,
    resamples: int,
) -> list[EvaluationTable]:
    """The tables of clips that cameras filmed, made and scored, of people unseen like those of
    `tables`: alone, and together with as many `plain` ones, for such clips calibrate; then false
    positives by group, for of plain clips alone hardly any is flagged."""
    alone, both = [scored for _, scored in clips], [scored for _, scored in (*plain, *clips)]
    sample = Sample.of(both, fitted, resamples)
    kept = [task for task, scored in (*plain, *clips) if scored.score is not None]
    return [
        _overall(
            "filmed", "Filmed clips of unseen people", alone, Sample.of(alone, fitted, resamples),
            "Moving portraits as drawn video cameras take them, which remove detail and raise "
            "edges; half of the people pull a face.",
        ),
        _overall(
            "both", "Plain and filmed clips of unseen people", both, sample,
            "Half of them plain, half filmed, as the clips that calibrate: probabilities and "
            "threshold promise what this table measures.",
        ),
        _groups(kept, sample),
    ]  # fmt: skip


def _overall(
    key: str, title: str, scored: Sequence[ScoredVideo], sample: Sample, what: str
) -> EvaluationTable:
    reals = sum(s.record.label == 0 for s in scored)
    groups = evaluate.groups_of(scored)
    analysed = np.array([s.score is not None for s in scored])
    shown = sample.only(~sample.withdrawn)

    def withdrawn(label: int) -> Number:
        own = sample.labels == label
        return share(sample.withdrawn[own], sample.groups[own], sample.resamples)

    measured = sample.fitted is not None
    rows = (
        ("AUC", sample.number("auc")),
        ("equal error rate", sample.number("eer")),
        ("average precision", sample.number("ap")),
        ("log loss", shown.number("log_loss")),
        ("ECE, 15 bins", shown.number("ece15")),
        ("the same, if each probability were true", shown.ece_if_true()),
        ("untouched clips at or above the threshold (false positives)", sample.called_fake(0)),
        ("forged clips at or above the threshold", sample.called_fake(1)),
        ("forged clips at or below the band (misses)", sample.misses()),
        ("clips in the band of no answer", sample.undecided()),
        ("clips with a score (coverage)", share(analysed, groups, sample.resamples)),
        (
            "untouched clips whose probability is withdrawn",
            withdrawn(0) if measured else UNMEASURED,
        ),
        ("forged clips whose probability is withdrawn", withdrawn(1) if measured else UNMEASURED),
    )
    return EvaluationTable(
        key,
        title,
        f"{reals} untouched and {len(scored) - reals} forged clips of {len(np.unique(groups))} test"
        " people, who were neither trained nor calibrated on; forged by all recipes in turn, H.264 "
        f"CRF 18 to 30. {what} Chance is an AUC of 0.5. Log loss and ECE are of the clips whose "
        "probability is shown, rates and AUC of all that have a score. Even if each probability "
        "were true, so few clips would not show an ECE of 0.",
        ("measure", "value"),
        rows,
    )  # fmt: skip


def _by_recipe(kept: Sequence[ClipTask], sample: Sample) -> EvaluationTable:
    found = np.array([t.record.method for t in kept])
    return EvaluationTable(
        "made_recipes",
        "By recipe of the forgery",
        f"The forged clips of each recipe against all {int((found == '').sum())} untouched ones. "
        "Chance is an AUC of 0.5.",
        ("recipe", "AUC", "at or above the threshold", "at or below the band"),
        tuple(_against_all(name, found == name, sample) for name in RECIPES),
    )


def _by_kind(kept: Sequence[ClipTask], sample: Sample) -> EvaluationTable:
    forged = sample.labels == 1
    flickers = np.array([t.recipe.flicker for t in kept], bool)
    length = [t.recipe.frames / t.recipe.fps for t in kept]
    spans = [t.recipe.forged_s or (0.0, 0.0) for t in kept]
    whole = np.array([e - s > x - 1e-6 for (s, e), x in zip(spans, length, strict=True)], bool)
    parts = {
        "the same in all frames": forged & ~flickers,
        "flickering": forged & flickers,
        "forged throughout": forged & whole,
        "forged for a span of 45 to 75 %": forged & ~whole,
    }
    return EvaluationTable(
        "made_kinds",
        "Steady and flickering, whole and partial forgeries",
        f"The forged clips of each kind against all {int((~forged).sum())} untouched ones. Chance "
        "is an AUC of 0.5.",
        ("forgery", "AUC", "at or above the threshold", "at or below the band"),
        tuple(_against_all(name, inside, sample) for name, inside in parts.items()),
    )


def _against_all(name: str, inside: Bools, sample: Sample) -> tuple[Cell, ...]:
    part = sample.only(inside | (sample.labels == 0))
    return name, part.number("auc"), part.called_fake(1), part.misses()


def _named(sizes: Iterable[float]) -> list[str]:
    edges = [*FACE_PX, None]
    names = [
        f"{low} px and more" if high is None else f"{low} to {high - 1} px"
        for low, high in pairwise(edges)
    ]
    return [names[int(np.searchsorted(FACE_PX, size, side="right")) - 1] for size in sizes]


def _sliced(
    key: str, title: str, column: str, sample: Sample, names: Sequence[str]
) -> EvaluationTable:
    found = np.array(names)
    rows: list[tuple[Cell, ...]] = []
    for name in sorted(set(names), key=_leading_number):
        part = sample.only(found == name)
        reals, fakes = (int((part.labels == label).sum()) for label in (0, 1))
        rows.append(
            (
                name,
                part.number("auc") if min(reals, fakes) >= TOLD_FROM else "too few of a class",
                part.called_fake(0) if reals >= TOLD_FROM else f"too few untouched ones ({reals})",
                part.misses() if fakes >= TOLD_FROM else f"too few forged ones ({fakes})",
            )
        )
    return EvaluationTable(
        key,
        title,
        "The same clips, parted; untouched and forged ones of each part. Chance is an AUC of 0.5.",
        (column, "AUC", "untouched at or above the threshold", "forged at or below the band"),
        tuple(rows),
    )


def _leading_number(name: str) -> int:
    return int(next(word for word in name.split() if word.isdigit()))


def _groups(kept: Sequence[ClipTask], sample: Sample) -> EvaluationTable:
    classes = {id(t.portrait): skin.tone(skin.ita_deg(t.portrait)) for t in kept}
    tones = np.array([classes[id(t.portrait)] for t in kept])
    measured = [
        (f"apparent skin tone: {name}", sample.only(tones == name).called_fake(0))
        for _, name in skin.TONES
    ]
    return EvaluationTable(
        "groups",
        "False positives by group",
        "Untouched clips at or above the threshold, half of them plain, half filmed. Apparent skin "
        "tone is the individual typology angle of the cheeks' pixels in the portrait (Chardon et "
        "al. 1991), which light and camera change too: it says nothing of a person. Few people "
        "make wide intervals.",
        ("group", "untouched clips at or above the threshold"),
        (*measured, ("sex", NO_LABELS), ("age", NO_LABELS)),
    )
