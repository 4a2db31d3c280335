"""`python -m train split`: train, validation and test, without a person or a source in two of them.

Takes what `extract` wrote (--image-root), a Kaggle sheet with its crops (--label-file and
--image-root), a table alone (--label-file), or a data set's folder (--input-dir). Writes
metadata_train.csv, metadata_val.csv, metadata_test.csv: rows of crops where there are crops, of
videos otherwise. A leak is an error that names two videos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "split videos by people and sources, and check that nothing leaks"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--label-file", type=Path, help="a table of videos, metadata34.csv")
    parser.add_argument("--image-root", type=Path, help="folder of crops, archive/images")
    parser.add_argument("--input-dir", type=Path, help="a data set's folder of videos instead")
    parser.add_argument("--layout", default="auto", help="of --input-dir (docs/data.md)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the tables [.]")
    parser.add_argument("--into", default="train,val,test", help="the splits [%(default)s]")
    parser.add_argument("--split-ratio", type=float, default=0.8, help="share of train [0.8]")
    parser.add_argument("--seed", type=int, default=42, help="[%(default)s]")
    parser.add_argument(
        "--max-videos-per-class",
        type=int,
        nargs="?",
        const=100,
        metavar="N",
        help="a balanced subset: at most N [100] real and N fake videos",
    )
    parser.add_argument(
        "--official",
        choices=("keep", "ignore"),
        default="keep",
        help="what to do with a data set's own split [keep]",
    )
    parser.add_argument(
        "--allow-official-leaks", action="store_true", help="keep it even where it shares people"
    )
    parser.add_argument(
        "--drop-bridges", action="store_true", help="leave out fakes that join two splits' people"
    )
    parser.add_argument(
        "--check-frames",
        action="store_true",
        help="with --input-dir: open each video and compare first frames",
    )
    parser.add_argument(
        "--most-bits",
        type=int,
        default=24,
        help="frames nearly the same differ in so many of 255 bits at most [%(default)s]",
    )


def run(args: argparse.Namespace) -> None:
    """Split, check, write."""
    from train.splitting import SplitRequest, split_tables

    request = SplitRequest(
        label_file=args.label_file,
        image_root=args.image_root,
        input_dir=args.input_dir,
        layout=args.layout,
        out=args.out,
        into=tuple(name.strip() for name in args.into.split(",")),
        split_ratio=args.split_ratio,
        seed=args.seed,
        max_videos_per_class=args.max_videos_per_class,
        official=args.official == "keep",
        allow_official_leaks=args.allow_official_leaks,
        drop_bridges=args.drop_bridges,
        check_frames=args.check_frames,
        most_bits=args.most_bits,
    )
    split_tables(request, say=print)
