"""The commands that explain, and measure explanations: what they print and write."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

from dfexplain import evaluation, hub, plots, report, weights_writing
from dfexplain.errors import SettingError
from dfexplain.explain import benchmark
from dfexplain.explain.explainer import Explainer
from dfexplain.structures import HeatmapRecord, VideoReport

__all__ = ["Asked", "explain_benchmark", "explained", "explainer_of", "told"]


@dataclass(frozen=True)
class Asked:
    """An explainer and the method that it is to draw by."""

    explainer: Explainer
    method: str


def told(record: HeatmapRecord) -> list[str]:
    """A record for a terminal: on what, every table, the default method and what it is worth."""
    low, high = record.gain_interval
    scales = ", ".join(f"{name} {scale:.3g}" for name, scale in record.scales.items())
    out = [record.measured_on]
    for table in record.tables:
        out += ["", *evaluation.lines(table)]
    return [
        *out,
        "",
        f"default method: {record.method}, {record.gain:+.3f} ({low:+.3f} to {high:+.3f}) of the "
        "off-centre crops over the better of a random map and the middle",
        f"drawn in full colour: {scales}",
    ]


def explain_benchmark(
    spec: str | None, names: str | None, figure: Path, *, record_it: bool
) -> None:
    """Measure the heatmaps of weights, print the tables and draw the figure; `record_it` writes
    heatmaps.json and the card's tables into the weights folder.

    Raises SettingError for unknown methods, a place that cannot be written, or weights of the Hub,
    whose folder is a cache.
    """
    weights = hub.load(spec)
    if record_it and weights.info.revision != "local":
        raise SettingError(
            f"--record must come with a local weights folder, but got {weights.label}. Copy the "
            "weights to a folder first."
        )
    methods = None if names is None else [name for name in names.split(",") if name]
    found = benchmark.measure(
        weights, methods, say=lambda line: print(line, file=sys.stderr, flush=True)
    )
    print(*told(found), sep="\n")
    drawn = plots.figure_png(plots.pointing(found.tables[0]))
    try:
        figure.write_bytes(drawn)
    except OSError as error:
        raise SettingError(
            f"--figure must be a file that can be written, but got '{figure}' ({error.strerror}). "
            "Choose another place."
        ) from error
    print(f"figure: {figure}")
    if record_it:
        weights_writing.record_heatmaps(weights.folder, found)
        weights_writing.refresh_card(weights.folder)
        print(f"{weights.folder}: heatmaps.json and the card's tables")


def explainer_of(weights: hub.Weights, method: str | None) -> Asked:
    """What `explained` asks. Raises SettingError for a method that the weights do not have."""
    explainer = Explainer(weights)
    return Asked(explainer, explainer.checked(method))


def explained(asked: Asked, found: VideoReport) -> VideoReport:
    """The report with the explanations of the frames that its page shows, and which region of each
    face carries the evidence when."""
    explainer = asked.explainer
    answers = [
        explainer.explain(found, shown.lane, shown.row, asked.method)
        for shown in report.shown_frames(found)
    ]
    spans = [span for lane in found.lanes for span in explainer.spans(found, lane)]
    return dataclasses.replace(found, explanations=tuple(answers), region_spans=tuple(spans))
