"""The command `dfexplain bundle`: analyse a video and pack all that its report rests on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dfexplain.commands import analyze
from dfexplain.commands.parsing import DONE, add_sampling, add_weights, new_file, sampling_of

__all__ = ["HELP", "TEXT", "arguments", "run"]

HELP = "score a video and pack the evidence bundle"
TEXT = """\
Score a video and write its evidence bundle: one zip with the report, every figure and crop, the
settings, the versions, and a sha256 of each. Its digest is printed; note it outside of the bundle.
What a bundle shows and what it does not stands in docs/bundle.md."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The video, the file for its bundle, and how to look at it."""
    parser.add_argument("video", metavar="VIDEO", help="a video file")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE.zip", help="the bundle, a new file"
    )
    add_weights(parser)
    add_sampling(parser)


def run(arguments: argparse.Namespace) -> int:
    """Analyse, pack, and print the verdict and the digest."""
    from dfexplain import hub, provenance, report
    from dfexplain.detector import Detector
    from dfexplain.report import bundle, origin, words

    sampling = sampling_of(arguments)
    out = new_file(arguments.out)
    weights = hub.load(arguments.weights)
    name = words.plain(os.path.basename(arguments.video))
    found = analyze.analyzed(Detector(weights), arguments.video, sampling, name)
    digest = bundle.write_bundle(found, arguments.video, weights, out)
    print(report.one_line(found))
    print(origin.sentence(provenance.read(arguments.video)))
    print(f"{words.plain(str(out))}: digest {digest}")
    return DONE
