"""The tables of a benchmark of heatmaps, the default method, and by how much it beats chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain.evaluation import DEFAULT_MAP, LEFT, ON_FACE, POINTING
from dfexplain.explain.localisation import Localised
from dfexplain.explain.methods import METHODS
from dfexplain.explain.sanity import STAGES
from dfexplain.explain.truth import KnownForgeries
from dfexplain.intervals import mean_interval
from dfexplain.structures import EVIDENCE, MASK, Cell, EvaluationTable, HeatmapRecord, Number

__all__ = ["CENTRE", "COVERS", "RANDOM", "TRUTH", "Results", "record", "tells"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]

# The rivals that know nothing of a crop.
RANDOM, CENTRE = "random map", "middle of the crop"
# What a map would be that knew all.
TRUTH = "what was forged"
FAITHFUL = "faithful"
# Said of the ways of covering, in the order of `cover.HOW`.
COVERS = {
    "blur": "blurred",
    "noise": "noise",
    "texture": "texture",
    "inpaint": "filled from around",
    "mean": "flat colour",
}


@dataclass(frozen=True)
class Results:
    """What was measured on N known forgeries, of which the model has `found` (N,) some forged.

    `localised` holds methods and rivals by name. `beats` says for each way of
    covering and each method on which of the crops `faithful_rows` its map beats both rivals, and
    the same of TRUTH, and for RANDOM how often maps drawn at random do.
    `like` (stages, M) is how like a method's maps are to those of random weights on the crops
    `sane_rows` (M,).
    """

    known: KnownForgeries
    found: Bools
    localised: Mapping[str, Localised]
    beats: Mapping[str, Mapping[str, Floats]]
    faithful_rows: Rows
    like: Mapping[str, Floats]
    sane_rows: Rows

    def number(self, values: Floats, rows: Bools, chance: Floats | None = None) -> Number:
        """The mean of values (N,) over rows (N,), people drawn whole; nan is left out."""
        rows = rows & ~np.isnan(values)
        if not rows.any():
            return Number(None, None, None, 0, None)
        low, high = mean_interval(values[rows], self.known.people[rows])
        by_chance = None if chance is None else float(chance[rows].mean())
        return Number(float(values[rows].mean()), low, high, int(rows.sum()), by_chance)


def record(results: Results, scales: Mapping[str, float]) -> HeatmapRecord:
    """The record of all that was measured, not yet bound to weights."""
    off = results.known.off_centre
    hits = {name: found.hit[off] for name, found in results.localised.items()}
    method = _default(hits)
    rival = max((RANDOM, CENTRE), key=lambda name: hits[name].mean())
    gains = hits[method] - hits[rival]
    people = len(np.unique(results.known.people))
    on = (
        f"{len(off)} forged crops of {people} people who were not trained on, made by six recipes: "
        f"one eye, mouth or half of the face in {off.sum()}, all of it in {(~off).sum()}; "
        f"{results.found.sum()} of them have a score above 0. Not measured on genuine deepfakes."
    )
    return HeatmapRecord(
        weights_sha256="",
        measured_on=on,
        method=method,
        scales=dict(scales),
        gain=float(gains.mean()),
        gain_interval=mean_interval(gains, results.known.people[off], bounds=(-1.0, 1.0)),
        cover=_cover(results),
        tables=(
            _pointing(results),
            _overlap(results),
            _faithful(results),
            _sanity(results),
            _default_map(results, method),
        ),
    )


def tells(record: HeatmapRecord, how: str) -> bool:
    """Whether what was forged beat chance when places were covered by `how`: else no test of a map
    by that cover tells anything. True where it was not measured."""
    for table in record.tables:
        if table.key == FAITHFUL and COVERS[how] in table.columns:
            place = table.columns.index(COVERS[how])
            cells = [row[place] for row in table.rows if row[0] == TRUTH]
            return all(
                isinstance(cell, Number)
                and cell.low is not None
                and cell.chance is not None
                and cell.low > cell.chance
                for cell in cells
            )
    return True


def _default(hits: Mapping[str, Floats]) -> str:
    """The method that points best off the centre, of those whose maps come with the score and lie
    in every report, so that the desk, a report and the Explain tab draw the same one."""
    measured = [name for name in hits if name in METHODS]
    reported = [name for name in measured if name in (EVIDENCE, MASK)]
    return max(reported or measured, key=lambda name: hits[name].mean())


def _label(name: str) -> str:
    return METHODS[name].label if name in METHODS else name


def _pointing(results: Results) -> EvaluationTable:
    known, off = results.known, results.known.off_centre
    wanted = {
        "off the centre": off,
        "of these, found forged": off & results.found,
        "one eye": known.part == "eye",
        "mouth": known.part == "mouth",
        "half of the face": known.part == "half",
        "whole face": ~off,
    }
    rows: list[tuple[Cell, ...]] = []
    for name, one in results.localised.items():
        chance = one.elsewhere if name in METHODS else None
        rows.append(
            (_label(name), *(results.number(one.hit, where, chance) for where in wanted.values()))
        )
    return EvaluationTable(
        POINTING,
        "Where the heatmaps point",
        "How often the highest place of a map lies in what was forged (pointing game). Chance is "
        "how often the same maps hit what was forged in crops of other people, parts and whole "
        "faces apart. The default method was chosen on these very crops, of those that come with "
        "the score.",
        ("map", *wanted),
        tuple(rows),
    )


def _default_map(results: Results, method: str) -> EvaluationTable:
    own, off = results.localised[method], results.known.off_centre
    face = results.known.hulls.mean(axis=(1, 2))
    like = results.like.get(method)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("points at what was forged, off the centre", results.number(own.hit, off, own.elsewhere)),
        (
            "points at what was forged, off the centre, where found forged",
            results.number(own.hit, off & results.found, own.elsewhere),
        ),
        (
            "beats a random map and the middle of the crop",
            _beats(results, method, _best_cover(results)),
        ),
        (LEFT, None if like is None else _left(results, like[-1])),
        (ON_FACE, results.number(own.on_face, np.ones(len(off), bool), face)),
    )
    return EvaluationTable(
        DEFAULT_MAP,
        "What the default map is worth",
        f"{_label(method)}, from the tables above. Of the rank correlation 0 would be nothing, and "
        "weights of whose map half is left, or whose heat avoids the face, are not published.",
        ("measure", "value"),
        rows,
    )


def _overlap(results: Results) -> EvaluationTable:
    off = results.known.off_centre
    area, face = (masks.mean(axis=(1, 2)) for masks in (results.known.masks, results.known.hulls))
    every = np.ones(len(off), bool)
    rows = [
        (
            _label(name),
            results.number(one.iou, off),
            results.number(one.iou, ~off),
            results.number(one.inside, off, area),
            results.number(one.inside, ~off, area),
            results.number(one.on_face, every, face),
        )
        for name, one in results.localised.items()
    ]
    return EvaluationTable(
        "overlap",
        "How much of the heat lies in what was forged",
        "Intersection over union at each map's own best threshold, and the share of the heat in "
        "the forged part and on the face; maps without heat are left out of the shares. Chance is "
        "the share of the crop that the part or the face takes.",
        (
            "map",
            "IoU, off the centre",
            "IoU, whole face",
            "heat in the part, off the centre",
            "heat in the part, whole face",
            "heat on the face",
        ),
        tuple(rows),
    )


def _best_cover(results: Results) -> str:
    """The way of covering by which what was forged does best."""
    return max(results.beats, key=lambda how: results.beats[how][TRUTH].mean())


def _cover(results: Results) -> str | None:
    """The best way of covering, if what was forged beats chance by it; else no test tells."""
    how = _best_cover(results)
    found = _beats(results, TRUTH, how)
    assert found.low is not None
    assert found.chance is not None
    return how if found.low > found.chance else None


def _beats(results: Results, name: str, how: str) -> Number:
    hits = results.beats[how][name]
    people = results.known.people[results.faithful_rows]
    chance = None if name == RANDOM else float(results.beats[how][RANDOM].mean())
    return Number(float(hits.mean()), *mean_interval(hits, people), len(hits), chance)


def _left(results: Results, like: Floats) -> Number:
    people = results.known.people[results.sane_rows]
    interval = mean_interval(like, people, bounds=(-1.0, 1.0))
    return Number(float(like.mean()), *interval, len(like), 0.0)


def _faithful(results: Results) -> EvaluationTable:
    rows: list[tuple[Cell, ...]] = [
        (_label(name), *(_beats(results, name, how) for how in results.beats))
        for name in next(iter(results.beats.values()))
    ]
    return EvaluationTable(
        FAITHFUL,
        "Whether the score hangs on where a map is hot",
        "On how many of the crops found forged the score hangs more on the map's hottest places, "
        "covered or shown alone, than on those of a random map and of the middle of the crop. "
        "Chance is how often maps drawn at random do so on the same crops. No map can be expected "
        "to do better than what was forged itself: where that does no better than chance, a cover "
        "is to these weights a forgery of its own, and the test tells nothing of any map.",
        ("map", *(COVERS[how] for how in results.beats)),
        tuple(rows),
    )


def _sanity(results: Results) -> EvaluationTable:
    rows: list[tuple[Cell, ...]] = [
        (_label(name), *(_left(results, like) for like in stages))
        for name, stages in results.like.items()
    ]
    return EvaluationTable(
        "sanity",
        "What is left of the maps when the weights are made random",
        "Rank correlation of a map with that of weights dealt anew, more and more of them from the "
        "logit down, on crops found forged (Adebayo et al. 2018). 1 is the same map, 0 is nothing "
        "of it; a map that stays does not hang on what was learnt.",
        ("map", *STAGES),
        tuple(rows),
    )
