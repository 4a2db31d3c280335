"""The command `dfexplain explain`: as `analyze`, and why each shown frame got its score."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from dfexplain.commands import analyze

if TYPE_CHECKING:
    from dfexplain.explain.explainer import Explainer
    from dfexplain.hub import Weights
    from dfexplain.structures import VideoReport

__all__ = ["EPILOG", "HELP", "TEXT", "arguments", "explained", "explainer_of", "run", "tools"]

HELP = "score videos and say why, frame by frame"
TEXT = """\
As analyze, and asks of the frames that a report shows why they got their scores: the map, whether
it beats chance, and what each region of the face is worth. What is printed is the same."""
EPILOG = analyze.EPILOG


def arguments(parser: argparse.ArgumentParser) -> None:
    """As `analyze`, and the method."""
    analyze.arguments(parser)
    parser.add_argument(
        "--method", metavar="M", help="how to draw the maps (the default of the weights)"
    )
    parser.add_argument(
        "--exact", action="store_true", help="test the maps by ROAD: some seconds a frame"
    )


def run(arguments: argparse.Namespace) -> int:
    """Analyse and explain every file and write its reports."""
    return analyze.write_reports(arguments, tools)


def tools(arguments: argparse.Namespace) -> analyze.Tools:
    """The detector, and what explains a report."""
    from dfexplain import hub
    from dfexplain.detector import Detector

    weights = hub.load(arguments.weights)
    asked = explainer_of(weights, arguments.method)
    return Detector(weights), partial(explained, *asked, exact=arguments.exact)


def explainer_of(weights: Weights, method: str | None) -> tuple[Explainer, str]:
    """What `explained` asks. Raises SettingError for a method that the weights do not have."""
    from dfexplain.explain.explainer import Explainer

    explainer = Explainer(weights)
    return explainer, explainer.checked(method)


def explained(
    explainer: Explainer, method: str, found: VideoReport, *, exact: bool = False
) -> VideoReport:
    """The report with the explanations of the frames that its page shows, and which region of each
    face carries the evidence when."""
    from dfexplain.report.explained import explaining
    from dfexplain.structures import VideoReport

    *_, done = explaining(explainer, method, found, exact=exact)
    assert isinstance(done, VideoReport)
    return done
