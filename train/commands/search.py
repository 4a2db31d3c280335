"""`python -m train search`."""

from __future__ import annotations

import argparse
from pathlib import Path

from train.commands.fit import data_arguments, training_data

HELP = "search hyperparameters with Optuna; resumes a search that was cut"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder of the study")
    parser.add_argument("--trials", type=int, default=20, help="how many trials in all [20]")
    parser.add_argument(
        "--startup", type=int, default=2, help="trials that end before any is pruned [2]"
    )
    parser.add_argument(
        "--space",
        action="append",
        metavar="KEY=LOW..HIGH[:log]|A,B",
        help="what to search, once a setting [learning rate, batch size, dropout]",
    )
    data_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Search, or go on with a search."""
    from train import config
    from train.search import DEFAULT_SPACE, search

    settings = config.read(args.config, args.set)
    result = search(
        args.config,
        args.set,
        training_data(args, settings),
        args.run,
        space=args.space or DEFAULT_SPACE,
        trials=args.trials,
        startup=args.startup,
        say=lambda line: print(line, flush=True),
    )
    print(f"{result.finished} trials finished, {result.pruned} pruned")
    print(f"best: trial {result.number}, {settings.run.select} {result.value:.4f}")
    print(" ".join(f"--set {item}" for item in result.settings))
