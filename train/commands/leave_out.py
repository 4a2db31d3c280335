"""`python -m train leave-out`: what a detector says of forgeries by a recipe it never saw.

Fits a config on portraits once with all recipes and once without each, and measures on people that
were kept for the release, with forgeries by the recipe that was left out. A run that was cut goes
on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dfexplain.errors import SettingError

HELP = "fit without each recipe of forgery and measure on that recipe"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, default=Path("train/configs/first.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder of the runs and the table")
    parser.add_argument("--recipes", metavar="LIST", help="separated by commas [all]")
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")


def run(args: argparse.Namespace) -> None:
    """Fit, measure, print, and leave leave_out.md in the folder of the runs."""
    from train import config, portraits
    from train.datasets import PortraitsData
    from train.forgeries import RECIPES
    from train.leave_out import leave_out, lines

    settings = config.read(args.config, args.set)
    recipes = RECIPES if args.recipes is None else tuple(args.recipes.split(","))
    if unknown := [recipe for recipe in recipes if recipe not in RECIPES]:
        raise SettingError(
            f"--recipes must name some of {', '.join(RECIPES)}, but got {unknown[0]!r:.40}."
        )
    if settings.data.left_out:
        raise SettingError(
            "data.left_out must be empty here, where each recipe is left out in turn, but got "
            f"{settings.data.left_out!r}."
        )
    if settings.run.init:
        raise SettingError(
            "run.init must be empty here, for what comes before has seen every recipe, but got "
            f"{settings.run.init!r:.40}. Set run.init=."
        )
    if settings.loss.teacher:
        raise SettingError(
            "loss.teacher must be empty here, for a teacher has seen every recipe, but got "
            f"{settings.loss.teacher!r:.40}. Set loss.teacher= loss.specialist= loss.distil=0 "
            "loss.hint=0 run.from_teacher=false."
        )
    root = portraits.data_root(args.data)
    train, val, test = (
        portraits.load(root, (split,), args.run / "faces") for split in ("train", "val", "test")
    )

    def say(line: str) -> None:
        print(line, flush=True)

    found = leave_out(settings, PortraitsData(train, val), test, args.run, recipes, say)
    told = lines(found)
    (args.run / "leave_out.md").write_text("\n".join(told) + "\n", encoding="utf-8")
    print(*told, sep="\n")
