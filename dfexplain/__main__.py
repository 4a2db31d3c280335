"""The command line: `dfexplain analyze`, `dfexplain weights`, `dfexplain app` (see docs/cli.md).

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import glob
import math
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from dfexplain import __version__
from dfexplain.errors import DfExplainError, InputError, SettingError

if TYPE_CHECKING:
    from dfexplain.detector import Detector
    from dfexplain.structures import Progress, Sampling, VideoReport

__all__ = ["main", "parser"]

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130

_ANALYZE = """\
Score videos and write a report of each into a folder. One line a video is printed at the end:
the verdict, p with its band (or a score that is not calibrated), and the flagged spans."""
_EXPLAIN = """\
As analyze, and asks of the frames that a report shows why they got their scores: the map, whether
it beats chance, and what each region of the face is worth. What is printed is the same."""
_BENCHMARK = """\
Hold heatmaps against forged crops of which it is known where they are forged: pointing game,
overlap, faithfulness, and what is left of them when the weights are made random. It needs a
clone, where the crops lie in examples/localisation, and some minutes."""
_EXIT = """\
exit status: 0 all done; 2 a bad argument, bad weights or a bad file (one line each on stderr,
and every good file is still written); 130 interrupted (what was finished is written)."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"error[setting]: {message}. See `{self.prog} --help`.\n")


class _Layout(argparse.RawDescriptionHelpFormatter):
    """One width everywhere, so that docs/cli.md shows what is printed."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=96)


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, but got {text!r}")
    return value


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, but got {text!r}")
    return value


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _Parser(
        "dfexplain",
        description="Score videos for deepfakes and see why, with numbers that are measured.",
        formatter_class=_Layout,
    )
    top.add_argument("--version", action="version", version=f"dfexplain {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    for name, said, text in (
        ("analyze", "score videos and write reports", _ANALYZE),
        ("explain", "score videos and say why, frame by frame", _EXPLAIN),
    ):
        command = commands.add_parser(
            name, help=said, description=text, epilog=_EXIT, formatter_class=_Layout
        )
        _add_analysis(command)
        command.set_defaults(run=_run_analyze, explained=name == "explain", method=None)
        if name == "explain":
            command.add_argument(
                "--method", metavar="M", help="how to draw the maps (the default of the weights)"
            )

    weights = commands.add_parser(
        "weights",
        help="show which weights would speak, and what they are worth",
        description="Check a set of weights and print its facts: name, revision, sha256, "
        "calibration, evaluation.",
        formatter_class=_Layout,
    )
    _add_weights(weights)
    weights.set_defaults(run=_run_weights)

    bench = commands.add_parser(
        "explain-benchmark",
        help="measure what the heatmaps of weights are worth",
        description=_BENCHMARK,
        formatter_class=_Layout,
    )
    _add_weights(bench)
    bench.add_argument(
        "--methods", metavar="LIST", help="methods, separated by commas, or all (the quick ones)"
    )
    bench.add_argument(
        "--figure", type=Path, default=Path("explain-benchmark.png"), metavar="FILE",
        help="where to draw the pointing game (%(default)s)",
    )  # fmt: skip
    bench.add_argument(
        "--record", action="store_true", help="write heatmaps.json and the card of the weights"
    )
    bench.set_defaults(run=_run_explain_benchmark)

    app = commands.add_parser(
        "app",
        help="start the app in the browser",
        description="Start the app. DFEXPLAIN_WEIGHTS chooses its weights.",
        formatter_class=_Layout,
    )
    app.set_defaults(run=_run_app)
    return top


def _add_analysis(to: argparse.ArgumentParser) -> None:
    to.add_argument("videos", nargs="+", metavar="VIDEO", help="a video file")
    to.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the reports")
    _add_weights(to)
    sampling = to.add_mutually_exclusive_group()
    sampling.add_argument(
        "--frames", type=_whole, metavar="N", help="look at N frames spread over the file (32)"
    )
    sampling.add_argument("--fps", type=_rate, metavar="F", help="look at F frames a second")
    sampling.add_argument("--every", type=_whole, metavar="K", help="look at every K-th frame")
    to.add_argument(
        "--format",
        default="json,csv,html",
        metavar="LIST",
        help="what to write, separated by commas: json, csv, html (all three)",
    )


def _add_weights(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--weights",
        metavar="SPEC",
        help="a name under weights/, a folder, or org/name[@revision] on the Hub "
        "(DFEXPLAIN_WEIGHTS, else `default`)",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal's encoding lacks must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except DfExplainError as error:
        _complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _complain(error: DfExplainError, file: str | None = None) -> None:
    where = "" if file is None else f"{file}: "
    print(f"error[{error.code}]: {where}{error}", file=sys.stderr)


def _tools(
    arguments: argparse.Namespace,
) -> tuple[Detector, Callable[[VideoReport], VideoReport]]:
    """The detector, and what is to be done with a report before it is written."""
    from dfexplain import hub
    from dfexplain.detector import Detector

    weights = hub.load(arguments.weights)
    if not arguments.explained:
        return Detector(weights), lambda found: found
    from dfexplain.explain_commands import explained, explainer_of

    return Detector(weights), partial(explained, explainer_of(weights, arguments.method))


def _expanded(videos: Sequence[str]) -> list[str]:
    """The files that are meant; patterns are expanded where the shell has left that to us."""
    paths: list[str] = []
    for video in videos:
        matches = [] if os.path.lexists(video) else sorted(glob.glob(video))
        paths += matches or [video]
    return paths


def _sampling(arguments: argparse.Namespace) -> Sampling:
    from dfexplain.structures import Sampling

    if arguments.fps is not None or arguments.every is not None:
        return Sampling(frames=None, fps=arguments.fps, every=arguments.every)
    chosen = Sampling() if arguments.frames is None else Sampling(frames=arguments.frames)
    if arguments.frames is not None and arguments.frames > chosen.max_frames:
        raise SettingError(
            f"--frames must be at most {chosen.max_frames}, but got {arguments.frames}. "
            "Ask for fewer frames."
        )
    return chosen


def _run_analyze(arguments: argparse.Namespace) -> int:
    from dfexplain import report
    from dfexplain.report import words

    sampling = _sampling(arguments)
    formats = arguments.format.split(",")
    report.check_formats(formats)
    report.make_folder(arguments.out)
    detector, explain = _tools(arguments)
    status = DONE
    lines: list[str] = []
    try:
        for path in _expanded(arguments.videos):
            name = words.plain(os.path.basename(path))
            try:
                found = _analyzed(detector, path, sampling, name)
            except InputError as error:
                _complain(error, words.plain(path))
                status = BAD_INPUT
                continue
            report.write(explain(found), arguments.out, formats)
            lines.append(report.one_line(found))
    finally:
        for line in lines:
            print(line)
    return status


def _analyzed(detector: Detector, path: str, sampling: Sampling, name: str) -> VideoReport:
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


def _run_weights(arguments: argparse.Namespace) -> int:
    from dfexplain.weights_command import told

    print(*told(arguments.weights), sep="\n")
    return DONE


def _run_explain_benchmark(arguments: argparse.Namespace) -> int:
    from dfexplain.explain_commands import explain_benchmark

    explain_benchmark(
        arguments.weights, arguments.methods, arguments.figure, record_it=arguments.record
    )
    return DONE


def _run_app(arguments: argparse.Namespace) -> int:
    from dfexplain.ui import build, launch

    launch(build())
    return DONE


if __name__ == "__main__":
    sys.exit(main())
