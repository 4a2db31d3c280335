"""All tables of one set of weights: made clips of test people, or what ships in examples/."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from dfexplain.detector import Detector
from dfexplain.evaluation import POINTING
from dfexplain.hub import Weights
from dfexplain.structures import Evaluation, EvaluationTable, HeatmapRecord
from train import gate_material, made_clips, portraits, scores
from train.detecting import detect
from train.scores import ScoredVideo
from train.suite import changed, gates, labelled, people, probe, shipped, worn
from train.suite.kept import kept, key

__all__ = ["Bar", "Measured", "Options", "measure"]

Result = TypeVar("Result")
# Portraits that the robustness table and the gates take: every second and every fifth.
EVERY_WORN, EVERY_GATE = 2, 5


class Bar(Protocol):
    """Shows how far `results` have come that arrive one by one, and gives them on."""

    def __call__(self, results: Iterable[Result], total: int, said: str) -> Iterable[Result]: ...


@dataclass(frozen=True)
class Options:
    """How to measure: `every` n-th portrait alone (1: all), in `workers` processes. `made_only`
    leaves the labelled clips out. Faces found in portraits, and the results of a measurement that
    was cut, are kept in `cache`."""

    workers: int = 1
    every: int = 1
    made_only: bool = False
    resamples: int = 1000
    cache: Path = Path(".cache/evaluate")


@dataclass(frozen=True)
class Measured:
    """The tables, and the videos or crops that most of them rest on."""

    evaluation: Evaluation
    scored: tuple[ScoredVideo, ...]


def measure(weights: Weights, data: Path | None, options: Options, bar: Bar) -> Measured:
    """Measure weights on the portraits in `data`, or on what ships where there is no such folder.

    The same weights, portraits and options give the same numbers, whatever the workers.
    """
    if data is None:
        tables, scored = shipped.tables(weights, options.resamples)
        measured_on = (
            "The clips and the held-out crops that ship in examples/. Not measured on made clips "
            "of portraits (set DFEXPLAIN_DATA) or on genuine deepfakes."
        )
    else:
        tables, scored = _portraits(weights, data, options, bar)
        test = len({s.record.identities for s in scored})
        measured_on = f"{len(scored)} made clips of {test} test people, and the sets named below"
        if options.every > 1:
            measured_on += f" (a quick look: every {options.every}th portrait only)"
        if not options.made_only and (data / "clips.csv").is_file():
            tables += _clips(weights, data, options, bar)
            measured_on += "; the labelled clips come last."
        else:
            measured_on += ". Not measured on genuine deepfakes."
    tables.append(changed.table(weights, options.resamples))
    tables.append(_pointing(weights.heatmaps))
    return Measured(Evaluation(weights.info.sha256, measured_on, tuple(tables)), tuple(scored))


def _portraits(
    weights: Weights, data: Path, options: Options, bar: Bar
) -> tuple[list[EvaluationTable], list[ScoredVideo]]:
    fitted, resamples = weights.calibration, options.resamples

    def of(split: str) -> list[portraits.Portrait]:
        return portraits.load(data, (split,), options.cache)[:: options.every]

    def run(tasks: Sequence[Callable[[Detector], Result]], said: str) -> list[Result]:
        def rest(left: Sequence[Callable[[Detector], Result]]) -> Iterator[Result]:
            return detect(weights.folder, left, options.workers)

        name = f"{said.replace(' ', '_')}-{key(weights.info.sha256, data, len(tasks))}.results"
        return list(bar(kept(options.cache / name, tasks, rest), len(tasks), said))

    test = of("test")
    clips = made_clips.tasks(test, made_clips.RELEASE)
    scored = run(clips, "made clips")
    tables = people.tables(clips, scored, fitted, resamples)
    cameras = made_clips.tasks(test, made_clips.FILMED_RELEASE)
    filmed = list(zip(cameras, run(cameras, "filmed clips"), strict=True))
    # As many plain ones of each portrait.
    each, of_each = 2 * made_clips.FILMED_RELEASE.each, 2 * made_clips.RELEASE.each
    made = zip(clips, scored, strict=True)
    plain = [one for i, one in enumerate(made) if i % of_each < each]
    *overall, groups = people.filmed(filmed, plain, fitted, resamples)
    tables = [tables[0], *overall, *tables[1:], groups]
    worn_tasks = worn.tasks(test[::EVERY_WORN])
    tables.append(worn.table(worn_tasks, run(worn_tasks, "worn clips"), fitted, resamples))
    gate_tasks = gate_material.tasks(test[::EVERY_GATE] if options.every == 1 else test)
    gated = run(gate_tasks, "gate")
    tables.append(gates.table(gate_tasks, gated, scored, fitted is not None, resamples))
    tables.append(probe.table(of("val"), weights.config, resamples))
    return tables, scored


def _clips(weights: Weights, data: Path, options: Options, bar: Bar) -> list[EvaluationTable]:
    records = scores.clip_records(data)
    detector = Detector(weights)
    results = (scores.score_video(detector, r, data / r.path) for r in records)
    scored = list(bar(results, len(records), "labelled clips"))
    return labelled.tables(scored, weights.calibration, options.resamples)


def _pointing(record: HeatmapRecord | None) -> EvaluationTable:
    """The table that `dfexplain explain-benchmark --record` measured."""
    for table in () if record is None else record.tables:
        if table.key == POINTING:
            return table
    return EvaluationTable(
        POINTING,
        "Where the heatmaps point",
        "How often the highest point of a heatmap lies in what was forged.",
        ("measure", "value"),
        (("pointing game of the heatmaps", "not measured yet"),),
    )
