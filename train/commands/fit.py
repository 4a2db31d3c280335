"""`python -m train fit`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "train on self-blended faces; resumes a run that was cut"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, default=Path("train/configs/sbi_lite0.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--init", type=Path, help="run whose weights are the start of this one")
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints")


def run(args: argparse.Namespace) -> None:
    """Fit, or resume."""
    from train import config, loop, portraits

    settings = config.read(args.config, args.set)
    root = portraits.data_root(args.data)
    train = portraits.load(root, ("train",), args.run / "faces")
    val = portraits.load(root, ("val",), args.run / "faces")
    print(f"{len(train)} training and {len(val)} validation portraits", flush=True)
    loop.fit(
        settings,
        train,
        val,
        args.run,
        say=lambda line: print(line, flush=True),
        init=args.init,
    )
