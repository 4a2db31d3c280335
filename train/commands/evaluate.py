"""`python -m train evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "score labelled clips and print the AUC"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    parser.add_argument("--data", type=Path, help="folder with clips.csv [DFEXPLAIN_DATA]")


def run(args: argparse.Namespace) -> None:
    """Evaluate one set of weights."""
    from dfexplain import hub
    from train import evaluate, portraits

    evaluate.evaluate(hub.load(args.weights), portraits.data_root(args.data))
