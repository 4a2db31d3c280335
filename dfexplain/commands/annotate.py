"""The command `dfexplain annotate`: analyse a video and write it with boxes and scores on it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dfexplain.commands import analyze
from dfexplain.commands.parsing import DONE, add_sampling, add_weights, new_file, sampling_of

__all__ = ["HELP", "TEXT", "arguments", "run"]

HELP = "score a video and write it with boxes and scores on it"
TEXT = """\
Score a video and write a copy of it that browsers play (H.264, no sound, at most 30 minutes): each
frame shows the faces of the nearest analysed frame before it, their scores, and what the numbers
are. --every 1 analyses every frame, up to 3000."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The video, the file for the copy, and how to look at it."""
    parser.add_argument("video", metavar="VIDEO", help="a video file")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE.mp4", help="the copy, a new file"
    )
    add_weights(parser)
    add_sampling(parser)


def run(arguments: argparse.Namespace) -> int:
    """Analyse, draw, and print the verdict and where the copy is."""
    from dfexplain import annotated, hub, report
    from dfexplain.detector import Detector
    from dfexplain.report import words

    sampling = sampling_of(arguments)
    out = new_file(arguments.out)
    detector = Detector(hub.load(arguments.weights))
    name = words.plain(os.path.basename(arguments.video))
    found = analyze.analyzed(detector, arguments.video, sampling, name)
    annotated.write_annotated(found, arguments.video, out)
    print(report.one_line(found))
    print(words.plain(str(out)))
    return DONE
