"""`python -m train calibrate`: calibrate weights that are there already, on your own videos.

Scores labelled videos as the app does (a table, or a folder such as one of real/ and fake/), or
crops of them, or made clips of validation portraits, and writes the weights with what follows:
probabilities, threshold, the band of no answer and the limits beyond which no probability is given.
The network is not touched.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.material import Scoring

HELP = "calibrate weights on your own labelled videos"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from train.commands.export import calibration_arguments

    parser.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    parser.add_argument("--out", type=Path, required=True, help="weights folder to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--videos", type=Path, help="table or folder of labelled videos (docs/data.md)"
    )
    source.add_argument("--val-csv", type=Path, help="table of crops of labelled videos")
    source.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    parser.add_argument("--video-root", type=Path, help="folder of the videos [that of --videos]")
    parser.add_argument("--image-root", type=Path, help="folder of the crops [that of the table]")
    parser.add_argument(
        "--cache", type=Path, default=Path(".cache/evaluate"), metavar="DIR",
        help="keeps faces found in portraits [%(default)s]",
    )  # fmt: skip
    calibration_arguments(parser)


def _material(args: argparse.Namespace) -> Scoring:
    from train import importers, portraits, records
    from train.material import PortraitMaterial, TableMaterial, VideoMaterial

    if args.videos is not None:
        table = args.videos.is_file()
        root = args.videos.parent if table else args.videos
        videos = importers.read(args.videos, "table" if table else "auto", say=print)
        labelled = [video for video in videos if video.label is not None]
        return VideoMaterial(labelled, args.video_root or root)
    if args.val_csv is not None:
        rows = [r for r in records.read_crops(args.val_csv) if r.video.label is not None]
        return TableMaterial([], rows, args.image_root or args.val_csv.parent)
    root = portraits.data_root(args.data)
    return PortraitMaterial([], portraits.load(root, ("val",), args.cache))


def run(args: argparse.Namespace) -> None:
    """Calibrate one set of weights."""
    from dfexplain import hub
    from train import export
    from train.commands.export import print_made, target_fpr

    target = target_fpr(args)
    before = hub.load(args.weights)
    weights = export.recalibrate(
        before, _material(args), args.out, target_fpr=target, workers=args.workers
    )
    print_made(weights, args.out)
    if before.evaluation is not None:
        print(
            "The recorded evaluation was of the calibration before, and is left out: "
            "`python -m train evaluate --record` measures this one."
        )
