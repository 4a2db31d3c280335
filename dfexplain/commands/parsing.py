"""What the parsers of several commands share, and how a command says that something is wrong."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dfexplain.cage import shown_name
from dfexplain.errors import DfExplainError, SettingError

if TYPE_CHECKING:
    from dfexplain.structures import Sampling

__all__ = [
    "BAD_INPUT",
    "DONE",
    "EXIT",
    "INTERRUPTED",
    "LINE",
    "SOME_FAILED",
    "Layout",
    "Parser",
    "add_sampling",
    "add_weights",
    "complain",
    "new_file",
    "sampling_of",
    "whole",
]

LINE = 160
"""So long is a line about a file that cannot be used, at most."""

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

EXIT = """\
exit status: 0 all done; 2 a bad argument, bad weights or a bad file (one line each on stderr,
and every good file is still written); 130 interrupted (what was finished is written)."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with the status for bad input."""
        self.exit(BAD_INPUT, f"error[setting]: {message}. See `{self.prog} --help`.\n")


class Layout(argparse.RawDescriptionHelpFormatter):
    """One width everywhere, so that docs/cli.md shows what is printed."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=96)


def whole(text: str) -> int:
    """A whole number of at least 1, for `type=`."""
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


def add_sampling(to: argparse.ArgumentParser) -> None:
    """--frames, --fps and --every: one of them at most."""
    sampling = to.add_mutually_exclusive_group()
    sampling.add_argument(
        "--frames", type=whole, metavar="N", help="look at N frames spread over the file (32)"
    )
    sampling.add_argument("--fps", type=_rate, metavar="F", help="look at F frames a second")
    sampling.add_argument("--every", type=whole, metavar="K", help="look at every K-th frame")


def add_weights(to: argparse.ArgumentParser) -> None:
    """--weights."""
    to.add_argument(
        "--weights",
        metavar="SPEC",
        help="a name under weights/, a folder, or org/name[@revision] on the Hub "
        "(DFEXPLAIN_WEIGHTS, else `default`)",
    )


def sampling_of(arguments: argparse.Namespace) -> Sampling:
    """What the options of `add_sampling` ask for. SettingError for more frames than are taken."""
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


def new_file(path: Path) -> Path:
    """The path, where a new file can be written at it. SettingError where it cannot, before an
    analysis is spent on it, and where there is one: evidence is not replaced."""
    if os.path.lexists(path) or not path.absolute().parent.is_dir():
        why = "it exists" if os.path.lexists(path) else "there is no such folder"
        raise SettingError(
            f"--out must be a new file in a folder that is there, but got {str(path)!r:.200}: "
            f"{why}. Choose another name."
        )
    return path


def complain(error: DfExplainError, file: str | None = None, shown: str = "") -> None:
    """One line on stderr, of at most LINE characters: the code, the file if one is named, and the
    message, which does not name that file again. Of a long path, `shown` as text, the end is there.
    """
    head, text = f"error[{error.code}]: ", str(error)
    if file is not None:
        text = text.removeprefix(f"{shown_name(file)} ")
        room = max(LINE - len(head) - len(text) - 2, 20)
        head += f"{shown if len(shown) <= room else '...' + shown[3 - room :]}: "
    print(head + text, file=sys.stderr)
