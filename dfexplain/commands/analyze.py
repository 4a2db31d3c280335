"""The command `dfexplain analyze`."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dfexplain.commands.parsing import (
    BAD_INPUT,
    DONE,
    EXIT,
    add_sampling,
    add_weights,
    complain,
    sampling_of,
)
from dfexplain.errors import InputError

if TYPE_CHECKING:
    from dfexplain.detector import Detector
    from dfexplain.structures import Progress, Sampling, VideoReport

    # The detector, and what is to be done with a report before it is written.
    Tools = tuple[Detector, Callable[[VideoReport], VideoReport]]

__all__ = [
    "EPILOG",
    "HELP",
    "TEXT",
    "analyzed",
    "arguments",
    "expanded",
    "run",
    "tools",
    "write_reports",
]

HELP = "score videos and write reports"
TEXT = """\
Score videos and write a report of each into a folder. One line a video is printed at the end:
the verdict, p with its band (or a score that is not calibrated), and the flagged spans."""
EPILOG = EXIT


def arguments(parser: argparse.ArgumentParser) -> None:
    """The videos, the folder for their reports, and how to look at them."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="a video or picture file")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the reports"
    )
    add_weights(parser)
    add_sampling(parser)
    parser.add_argument(
        "--format",
        default="json,csv,html",
        metavar="LIST",
        help="what to write, separated by commas: json, csv, html (these three), pdf, vtt, srt, "
        "edl",
    )


def run(arguments: argparse.Namespace) -> int:
    """Analyse every file and write its reports."""
    return write_reports(arguments, tools)


def tools(arguments: argparse.Namespace) -> Tools:
    """The detector; a report is written as it is."""
    from dfexplain import hub
    from dfexplain.detector import Detector

    return Detector(hub.load(arguments.weights)), lambda found: found


def write_reports(
    arguments: argparse.Namespace, tools: Callable[[argparse.Namespace], Tools]
) -> int:
    """Write the reports of all videos and print a line each; a bad file does not stop the rest.

    `tools` is asked once the other settings are known to be good.
    """
    from dfexplain import report
    from dfexplain.report import words

    sampling = sampling_of(arguments)
    formats = arguments.format.split(",")
    report.check_formats(formats)
    report.make_folder(arguments.out)
    detector, explain = tools(arguments)
    status = DONE
    lines: list[str] = []
    try:
        for path in expanded(arguments.videos):
            name = words.plain(os.path.basename(path))
            try:
                found = analyzed(detector, path, sampling, name)
            except InputError as error:
                complain(error, path, words.plain(path))
                status = BAD_INPUT
                continue
            report.write(explain(found), arguments.out, formats)
            lines.append(report.one_line(found))
    finally:
        for line in lines:
            print(line)
    return status


def expanded(videos: Sequence[str]) -> list[str]:
    """The files that are meant; patterns are expanded where the shell has left that to us."""
    paths: list[str] = []
    for video in videos:
        matches = [] if os.path.lexists(video) else sorted(glob.glob(video))
        paths += matches or [video]
    return paths


def analyzed(detector: Detector, path: str, sampling: Sampling, name: str) -> VideoReport:
    """Analyse one file under a progress bar, which shows on terminals only."""
    from tqdm import tqdm

    from dfexplain.structures import VideoReport

    # Closing the generator stops the decoding child, whatever ends the loop.
    steps = cast(
        "Generator[Progress | VideoReport]",
        detector.analyze(path, sampling),
    )
    quiet = not sys.stderr.isatty()
    with (
        closing(steps),
        tqdm(desc=name, unit=" frames", leave=False, disable=quiet, file=sys.stderr) as bar,
    ):
        for step in steps:
            if isinstance(step, VideoReport):
                return step
            bar.total, bar.n = step.total, step.done
            bar.set_postfix_str(step.stage)
    raise RuntimeError("Detector.analyze must end in a VideoReport.")
