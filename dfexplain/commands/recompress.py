"""The command `dfexplain recompress`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dfexplain.commands import analyze
from dfexplain.commands.parsing import DONE, add_sampling, add_weights, sampling_of
from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Generator

    from dfexplain.recompress import Recompressed, Step

__all__ = ["HELP", "TEXT", "arguments", "run"]

HELP = "compress a video again and see whether the verdict survives"
TEXT = """\
Encode a video again (H.264, at each CRF and at half size), analyse each copy as the video itself,
and print a table: the verdict, p and score of each, and the time that flagged spans share with
those of the original. <stem>.recompress.json in the folder holds the same."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The video, the folder, and how to encode and to look."""
    parser.add_argument("video", metavar="VIDEO", help="a video file")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the table"
    )
    add_weights(parser)
    add_sampling(parser)
    parser.add_argument(
        "--crf", default="23,28,35,40", metavar="LIST",
        help="x264's CRF, separated by commas; 23 is its default, 40 is coarse (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", action="store_true", help="keep the encoded videos, in the same folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Analyse the video, then each copy of it, and print what becomes of the verdict."""
    from tqdm import tqdm

    from dfexplain import evaluation, hub, recompress
    from dfexplain.detector import Detector
    from dfexplain.report import files, recompressed, words

    sampling = sampling_of(arguments)
    try:
        crfs = [int(text) for text in arguments.crf.split(",")]
    except ValueError as error:
        raise SettingError(
            f"--crf must be whole numbers, but got {arguments.crf!r:.60}. Try 23,28,35,40."
        ) from error
    chosen = recompress.variants(crfs)
    files.make_folder(arguments.out)
    detector = Detector(hub.load(arguments.weights))
    name = words.plain(os.path.basename(arguments.video))
    original = analyze.analyzed(detector, arguments.video, sampling, name)
    place = arguments.out / files.safe_stem(original.info.file)
    steps = cast(
        "Generator[Step | Recompressed]",
        recompress.recompress(
            arguments.video, detector, original, chosen, place if arguments.keep else None
        ),
    )
    found: list[Recompressed] = []
    quiet = not sys.stderr.isatty()
    with closing(steps), tqdm(leave=False, disable=quiet, file=sys.stderr, unit=" frames") as bar:
        for step in steps:
            if isinstance(step, recompress.Recompressed):
                found.append(step)
                continue
            bar.total, bar.n = step.progress.total, step.progress.done
            bar.set_description(f"{step.variant.name}, {step.doing}")
    written = place.with_name(f"{place.name}.recompress.json")
    try:
        files.write_whole(written, recompressed.to_json(original, found))
    except OSError as error:
        raise files.not_writable(arguments.out, error) from error
    print(*evaluation.lines(recompressed.table(original, found)), sep="\n")
    print(recompressed.survival(original, found))
    return DONE
