"""`python -m train compare`."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.fit import data_arguments, training_data

HELP = "fit several configs on one split and say which to take"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--configs", type=Path, nargs="+", required=True, help="YAML files")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder of the runs and the table")
    parser.add_argument(
        "--no-aug-twins", action="store_true", help="fit each config without augmentation as well"
    )
    data_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Compare."""
    from dfexplain.errors import SettingError
    from train import config
    from train.compare import compare
    from train.loop import CropsData

    settings = [config.read(path, args.set) for path in args.configs]
    data = training_data(args, settings[0])
    if not isinstance(data, CropsData):
        raise SettingError(
            "compare must have --train-csv and --val-csv, but got portraits. Extract crops first."
        )
    compare(
        settings,
        data,
        args.run,
        twins=args.no_aug_twins,
        say=lambda line: print(line, flush=True),
    )
