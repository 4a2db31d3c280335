"""`python -m train stats`: what a data set is made of, with the accuracy of answering fake always.

Takes a data set's folder (--input-dir), what `extract` wrote (--image-root) or a table alone
(--label-file), and the tables of `split` (--split-dir) for counts by split. Writes stats.json,
stats.csv, dataset.png and, where there are videos, sample_frame.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "count classes, formats, sizes and lengths; draw the imbalance"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--input-dir", type=Path, help="a data set's folder of videos")
    parser.add_argument("--layout", default="auto", help="of --input-dir (docs/data.md)")
    parser.add_argument("--image-root", type=Path, help="folder that `extract` wrote")
    parser.add_argument("--label-file", type=Path, help="a table of videos")
    parser.add_argument("--split-dir", type=Path, help="folder of metadata_train.csv and so on")
    parser.add_argument("--out", type=Path, default=Path("outputs/stats"), help="[%(default)s]")


def run(args: argparse.Namespace) -> None:
    """Count, print, write."""
    from dataclasses import replace

    from dfexplain.errors import SettingError
    from train import importers, splitting, stats, video_facts
    from train.records import SPLITS, read_videos

    sources = (args.input_dir, args.image_root, args.label_file)
    if sum(source is not None for source in sources) != 1:
        raise SettingError(
            "stats must be given one of --input-dir, --image-root and --label-file, but has "
            f"{sum(source is not None for source in sources)} of them."
        )
    facts = None
    if args.image_root is not None:
        records = read_videos(args.image_root / "videos.csv")
        records += video_facts.read_skipped(args.image_root)
        facts = video_facts.read_facts(args.image_root)
    elif args.label_file is not None:
        records = splitting.read_label_file(args.label_file)
    else:
        records = importers.read(args.input_dir, args.layout, say=print)
    if args.split_dir is not None:
        tables = {name: args.split_dir / splitting.table_name(name) for name in SPLITS}
        place = {
            key: name
            for name, path in tables.items()
            if path.is_file()
            for key in splitting.keys_of(splitting.read_split(path))
        }
        records = [replace(r, split=place.get(r.key, "")) for r in records]
    result = stats.measure(records, args.input_dir, args.out, facts=facts)
    for line in stats.lines(result):
        print(line)
    print(f"{args.out}: stats.json, stats.csv, dataset.png")
