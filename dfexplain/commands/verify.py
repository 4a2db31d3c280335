"""The command `dfexplain verify`: is a bundle as it was written, and does its video still fit?"""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from dfexplain.commands import analyze
from dfexplain.commands.parsing import BAD_INPUT, DONE, add_weights
from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.report.verify import Checked

__all__ = ["EPILOG", "HELP", "TEXT", "arguments", "run"]

HELP = "check an evidence bundle, and score its video once more"
TEXT = """\
Hash every file of an evidence bundle and name those that are not as they were written. With VIDEO,
also hash the video, score it once more with the same weights and settings, and name what differs.
Without the digest that was noted, a bundle that somebody made anew is not noticed."""
EPILOG = (
    "exit status: 0 all is as it was; 2 something differs or could not be checked (a line each)."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle, its video, the weights and the digest."""
    parser.add_argument("bundle", metavar="BUNDLE", help="an evidence bundle")
    parser.add_argument("video", nargs="?", metavar="VIDEO", help="the video it is about")
    add_weights(parser)
    parser.add_argument("--digest", metavar="HEX", help="the digest shown when it was made")


def run(arguments: argparse.Namespace) -> int:
    """Check, and print a line for each finding."""
    from dfexplain.report import verify, words

    digest = arguments.digest
    if digest is not None and not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise SettingError(
            f"--digest must be 64 hex digits, but got {words.plain(digest)!r:.80}. Give the one "
            "that was printed when the bundle was made."
        )
    try:
        checked = verify.check(arguments.bundle, digest)
    except OSError as error:
        raise SettingError(
            f"BUNDLE must be a file that can be read, but got {words.plain(arguments.bundle)!r:.80}"
            f" ({error.strerror}). Check the path."
        ) from error
    if checked.findings:
        print(*checked.findings, sep="\n")
        return BAD_INPUT
    known = "as noted" if digest else "compare it with the one that was noted"
    print(f"{len(checked.files)} files are as they were written; digest {checked.digest}, {known}")
    return DONE if arguments.video is None else _again(checked, arguments)


def _again(checked: Checked, arguments: argparse.Namespace) -> int:
    from dfexplain.detector import Detector
    from dfexplain.report import verify, words

    other = verify.same_video(checked, arguments.video)
    if other is not None:
        print(other)
        return BAD_INPUT
    print("the video has the sha256 that the bundle names")
    sampling = verify.sampling_of(checked)
    if sampling is None:
        print("settings.json: names no sampling that dfexplain takes")
        return BAD_INPUT
    weights = verify.weights_of(checked, arguments.weights)
    name = words.plain(os.path.basename(arguments.video))
    found = analyze.analyzed(Detector(weights), arguments.video, sampling, name)
    again = verify.made_again(checked, found, arguments.video, weights)
    print(
        *again.findings, *again.notes, sep="\n", end="\n" if again.findings or again.notes else ""
    )
    if again.findings:
        return BAD_INPUT
    print(f"scored again with {weights.label}: {again.same} files are the same to the byte")
    return DONE
