"""`python -m train export`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "calibrate a finished run and write its weights"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, required=True, help="weights folder to write")
    parser.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints")


def run(args: argparse.Namespace) -> None:
    """Export one run."""
    from train import export, portraits

    root = portraits.data_root(args.data)
    train = portraits.load(root, ("train",), args.run / "faces")
    val = portraits.load(root, ("val",), args.run / "faces")
    weights = export.export(
        args.run, train, val, args.out, say=lambda line: print(line, flush=True)
    )
    measured = weights.calibration
    assert measured is not None
    print(f"{args.out}: {weights.info.sha256}")
    print(f"video AUC {measured.auc:.3f} {measured.auc_interval}, ECE {measured.ece:.3f}")
