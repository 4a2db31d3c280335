"""The command `dfexplain explain-benchmark`: what the heatmaps of weights are worth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.commands.parsing import DONE, add_weights
from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.structures import HeatmapRecord

__all__ = ["HELP", "TEXT", "arguments", "run", "told"]

HELP = "measure what the heatmaps of weights are worth"
TEXT = """\
Hold heatmaps against forged crops of which it is known where they are forged: pointing game,
overlap, faithfulness, and what is left of them when the weights are made random. It needs a
clone, where the crops lie in examples/localisation, and some minutes."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Weights, methods, and where to leave what was found."""
    add_weights(parser)
    parser.add_argument(
        "--methods", metavar="LIST", help="methods, separated by commas, or all (the quick ones)"
    )
    parser.add_argument(
        "--figure", type=Path, default=Path("explain-benchmark.png"), metavar="FILE",
        help="where to draw the pointing game (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--record", action="store_true", help="write heatmaps.json and the card of the weights"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure the heatmaps of weights, print the tables and draw the figure; `--record` writes
    heatmaps.json and the card's tables into the weights folder.

    Raises SettingError for unknown methods, a place that cannot be written, or weights of the Hub,
    whose folder is a cache.
    """
    from dfexplain import hub, plots, weights_writing
    from dfexplain.explain import benchmark

    weights = hub.load(arguments.weights)
    if arguments.record and weights.info.revision != "local":
        raise SettingError(
            f"--record must come with a local weights folder, but got {weights.label}. Copy the "
            "weights to a folder first."
        )
    names = arguments.methods
    methods = None if names is None else [name for name in names.split(",") if name]
    found = benchmark.measure(
        weights, methods, say=lambda line: print(line, file=sys.stderr, flush=True)
    )
    print(*told(found), sep="\n")
    drawn = plots.figure_png(plots.pointing(found.tables[0]))
    try:
        arguments.figure.write_bytes(drawn)
    except OSError as error:
        raise SettingError(
            f"--figure must be a file that can be written, but got '{arguments.figure}' "
            f"({error.strerror}). Choose another place."
        ) from error
    print(f"figure: {arguments.figure}")
    if arguments.record:
        weights_writing.record_heatmaps(weights.folder, found)
        weights_writing.refresh_card(weights.folder)
        print(f"{weights.folder}: heatmaps.json and the card's tables")
    return DONE


def told(record: HeatmapRecord) -> list[str]:
    """A record for a terminal: on what, every table, the default method and what it is worth."""
    from dfexplain import evaluation

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
