"""The command `dfexplain compare`."""

from __future__ import annotations

import argparse

from dfexplain.commands.parsing import DONE, add_sampling, sampling_of
from dfexplain.errors import SettingError

__all__ = ["HELP", "TEXT", "arguments", "run"]

HELP = "hold two sets of weights against each other on one video"
TEXT = """\
Score one video by two sets of weights, or two revisions of one, and print what each says, how far
they differ, which frames only one of them flags, and whether they agree. Faces are looked for
once."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The video, and --weights twice."""
    parser.add_argument("video", metavar="VIDEO", help="a video or picture file")
    parser.add_argument(
        "--weights",
        action="append",
        required=True,
        metavar="SPEC",
        help="given twice: a name under weights/, a folder, or org/name[@revision] on the Hub",
    )
    add_sampling(parser)


def run(arguments: argparse.Namespace) -> int:
    """Analyse the file twice and print the comparison."""
    specs = arguments.weights
    if len(specs) != 2:
        raise SettingError(
            f"--weights must be given twice, but got {len(specs)}. Name the two sets to compare."
        )
    sampling = sampling_of(arguments)
    from dfexplain import hub
    from dfexplain.commands.analyze import analyzed
    from dfexplain.detector import Detector
    from dfexplain.finders import Memory
    from dfexplain.report import compared

    sets = [hub.load(spec) for spec in specs]
    look = Memory().finder_for
    first, second = (
        analyzed(Detector(one, look=look), arguments.video, sampling, one.info.name) for one in sets
    )
    print(*compared.lines(compared.compare(first, second)), sep="\n")
    return DONE
