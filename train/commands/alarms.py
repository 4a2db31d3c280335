"""`python -m train alarms`: how often genuine recordings are flagged, and deepfakes found.

Scores recordings that nobody forged, such as a folder of one's own footage, as the app does, and
says how many are at or above the threshold, beside what was promised when it was set, and which
threshold would keep that promise here. Sub-folders, or data sets of a table, are told apart. Where
a table holds deepfakes besides, it says how they are told from the recordings, by method.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.hub import Weights
    from dfexplain.structures import Evaluation
    from train.records import VideoRecord

HELP = "measure false alarms on your own genuine recordings, beside deepfakes"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    parser.add_argument(
        "--videos", type=Path, required=True,
        help="folder of genuine recordings, or table of videos (docs/data.md)",
    )  # fmt: skip
    parser.add_argument("--video-root", type=Path, help="folder of the table's paths [the table's]")
    parser.add_argument(
        "--target-fpr", type=float, default=0.05, metavar="RATE",
        help="share of false alarms that a threshold is looked for with [%(default)s]",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="processes [%(default)s]")
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals [1000]")
    parser.add_argument("--out", type=Path, help="folder to write, such as outputs/alarms")
    parser.add_argument(
        "--record", action="store_true",
        help="write the table into the weights folder, its card and so the app's Calibration tab",
    )  # fmt: skip


def _videos(args: argparse.Namespace) -> tuple[list[VideoRecord], Path]:
    """What is scored, and the folder of its paths. Raises SettingError where there is nothing."""
    from train import alarms, importers

    source: Path = args.videos
    if source.is_file():
        videos = alarms.unforged(importers.read(source, "table", say=print))
        root = args.video_root or source.parent
    else:
        videos, root = alarms.below(source), source
    if all(video.label for video in videos):
        raise SettingError(
            f"--videos must hold genuine recordings, but got none in '{source}'. Check the path, "
            "and the labels of a table."
        )
    return videos, root


def _to_record(args: argparse.Namespace, weights: Weights) -> Evaluation:
    """The evaluation that the table joins. Raises SettingError where there is no place for it."""
    from train.suite import written

    written.check_place(args.weights)
    if weights.evaluation is None:
        raise SettingError(
            "--record must come with weights that were evaluated, for alarms alone say nothing of "
            "what weights can do, but these were not. Run `python -m train evaluate --record`."
        )
    return weights.evaluation


def run(args: argparse.Namespace) -> None:
    """Score, say and write."""
    from tqdm import tqdm

    from dfexplain import hub
    from dfexplain.structures import Evaluation
    from train import alarms
    from train.material import VideoMaterial
    from train.suite import written
    from train.suite.measuring import Measured

    weights = hub.load(args.weights)
    # What is wrong with the settings is said before an hour of scoring, not after it.
    before = _to_record(args, weights) if args.record else None
    alarms.check(weights.calibration, args.target_fpr)
    videos, root = _videos(args)
    scoring = VideoMaterial(videos, root).score(weights, args.workers)
    scored = tuple(tqdm(scoring, total=len(videos), desc="genuine", unit="video"))
    tables = alarms.measure(
        scored, weights.calibration, target=args.target_fpr, resamples=args.resamples
    )
    for table in tables:
        print(*written.table_lines(table), sep="\n")
    if args.out is not None:
        alone = Evaluation(weights.info.sha256, alarms.measured_on(scored), tables)
        written.write(args.out, Measured(alone, scored), weights.calibration)
        print(f"{args.out}: evaluation.json and .md, tables/*.csv, videos.csv")
    if before is not None:
        written.record(weights, alarms.recorded(before, tables))
