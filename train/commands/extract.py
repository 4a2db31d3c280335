"""`python -m train extract`: cut the faces of a data set's videos once, for all that follows.

Recognises DFDC, Celeb-DF, FaceForensics++, plain real/ and fake/ folders and tables. Can be stopped
and started again at any time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "cut face crops out of a data set's videos; resumes a run that was cut"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--input-dir", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder to write")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--fps", type=float, help="frames a second of video [5]")
    how.add_argument("--frames", type=int, help="that many frames, spread evenly")
    how.add_argument("--every", type=int, metavar="K", help="every K-th frame")
    parser.add_argument("--crop-px", type=int, default=224, help="side of a crop [%(default)s]")
    parser.add_argument(
        "--margin", type=float, default=0.3, help="share of the box added on each side [0.3]"
    )
    parser.add_argument("--align", action="store_true", help="level and scale by five landmarks")
    parser.add_argument("--format", choices=("png", "jpg"), default="png")
    parser.add_argument("--layout", default="auto", help="auto, dfdc, celeb-df ... (docs/data.md)")
    parser.add_argument("--label-file", type=Path, help="a table that names the videos instead")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N videos a class")
    parser.add_argument("--workers", type=int, default=1, help="processes [%(default)s]")
    parser.add_argument("--device", default="cpu", help="of the face detector [cpu]")


def run(args: argparse.Namespace) -> None:
    """Extract, or resume."""
    from tqdm import tqdm

    from train import importers, splits
    from train.extract import ExtractSettings, extract

    records = importers.read(
        args.label_file or args.input_dir,
        "table" if args.label_file and args.layout == "auto" else args.layout,
        say=print,
    )
    if args.limit is not None:
        records = splits.balanced(records, args.limit)
    chosen = args.frames is not None or args.every is not None
    settings = ExtractSettings(
        fps=args.fps if args.fps is not None or chosen else 5.0,
        frames=args.frames,
        every=args.every,
        crop_px=args.crop_px,
        margin=args.margin,
        align=args.align,
        format=args.format,
    )
    with tqdm(total=len(records), unit="video", desc="extract") as bar:

        def progress(done: int, _all: int) -> None:
            bar.update(done - bar.n)

        result = extract(
            records,
            args.input_dir,
            args.output_dir,
            settings,
            workers=args.workers,
            device=args.device,
            progress=progress,
        )
    print(
        f"{args.output_dir}: {len(result.crops)} crops of {len(result.videos)} videos, "
        f"{len(result.skipped)} skipped (skipped.csv says why)"
    )
