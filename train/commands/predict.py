"""`python -m train predict`: probabilities for videos without labels, in DFDC's format.

Writes filename,label with the probability that a video is fake. Videos that cannot be analysed are
left out and listed beside the table, unless --fill gives them a number.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write the CSV of probabilities for unlabelled videos"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input-dir", type=Path, help="folder of videos, searched to its depth")
    source.add_argument("--videos", type=Path, help="table of videos (docs/data.md)")
    parser.add_argument("--video-root", type=Path, help="folder of the table's paths [the table's]")
    parser.add_argument("--out", type=Path, default=Path("outputs/submission.csv"))
    parser.add_argument(
        "--frames-out", type=Path, help="also write every frame's score: video, track, time ..."
    )
    parser.add_argument(
        "--fill", type=float, metavar="P", help="the number for videos that cannot be analysed"
    )


def run(args: argparse.Namespace) -> None:
    """Score and write."""
    from dfexplain import hub
    from train import predict, records, scores
    from train.commands.evaluate import progress_bar

    weights = hub.load(args.weights)
    # Before an hour of scoring, not after it.
    predict.predict([], weights.calibration, args.fill)
    if args.videos is not None:
        videos, root = records.read_videos(args.videos), args.video_root or args.videos.parent
    else:
        videos, root = predict.videos_below(args.input_dir), args.input_dir
    with progress_bar(len(videos), "predict") as progress:
        scored = scores.score_videos(weights, videos, root, progress=progress)
    predictions = predict.predict(scored, weights.calibration, args.fill)
    written = predict.write(args.out, predictions)
    if args.frames_out is not None:
        scores.write_frames(args.frames_out, scored, weights.calibration)
        written.append(args.frames_out)
    told = f"{len(scored) - len(predictions.missing)} of {len(scored)} videos analysed"
    if predictions.missing and args.fill is not None:
        told += f"; the others carry {args.fill:g}, which says nothing of them"
    print(f"{told}: {', '.join(map(str, written))}")
