"""`python -m train fit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from train.config import FitConfig
    from train.datasets import TrainingData

HELP = "train a config on crops or portraits; resumes a run that was cut"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, default=Path("train/configs/default.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--init",
        type=Path,
        help="run or weights folder whose weights are the start of this one [run.init]",
    )
    data_arguments(parser)


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the training data lie."""
    crops = parser.add_argument_group("crops of labelled videos")
    crops.add_argument("--train-csv", type=Path, help="table of training crops")
    crops.add_argument("--val-csv", type=Path, help="table of validation crops")
    crops.add_argument("--image-root", type=Path, help="folder of the pictures [that of the table]")
    crops.add_argument(
        "--allow-official-leaks",
        action="store_true",
        help="fit even where the data set's own split shares people",
    )
    portraits = parser.add_argument_group("or portraits, from which forgeries are made")
    portraits.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")


def training_data(args: argparse.Namespace, settings: FitConfig) -> TrainingData:
    """The crops or portraits that the options name.

    Raises SettingError for options or settings that do not go together, DataError for tables that
    cannot be read, and IdentityLeak or SourceLeak for ones that share a person or a source.
    """
    from train import leaks, portraits, records
    from train.datasets import CropsData, PortraitsData

    if not args.train_csv and not args.val_csv:
        root = portraits.data_root(args.data)
        if settings.model.clip_frames != 1:
            raise SettingError(
                f"model.clip_frames must be 1 with portraits, but got {settings.model.clip_frames}."
                " Give --train-csv and --val-csv."
            )
        cache = args.run / "faces"
        train, val = (portraits.load(root, (split,), cache) for split in ("train", "val"))
        return PortraitsData(train, val)
    if not args.train_csv or not args.val_csv or args.data:
        raise SettingError(
            "--train-csv and --val-csv must come together and without --data, but got "
            f"{args.train_csv}, {args.val_csv} and {args.data}."
        )
    tables = {"train": records.read_crops(args.train_csv), "val": records.read_crops(args.val_csv)}
    image_root = args.image_root or args.train_csv.parent
    leaks.check(tables, image_root, allow_official=args.allow_official_leaks)
    return CropsData(tables["train"], tables["val"], image_root)


def run(args: argparse.Namespace) -> None:
    """Fit, or resume."""
    from train.before import fit_all

    def data(settings: FitConfig) -> TrainingData:
        return training_data(args, settings)

    def say(line: str) -> None:
        print(line, flush=True)

    fit_all(args.config, args.set, data, args.run, say, init=args.init)
