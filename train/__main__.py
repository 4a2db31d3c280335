"""`python -m train fit | export | evaluate`: from portraits to weights, and what they are worth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dfexplain.errors import DfExplainError

__all__ = ["main"]


def _fit(args: argparse.Namespace) -> None:
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


def _export(args: argparse.Namespace) -> None:
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


def _evaluate(args: argparse.Namespace) -> None:
    from dfexplain import hub
    from train import evaluate, portraits

    evaluate.evaluate(hub.load(args.weights), portraits.data_root(args.data))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train on self-blended faces; resumes a run that was cut")
    fit.add_argument("--config", type=Path, default=Path("train/configs/sbi_lite0.yaml"))
    fit.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    fit.add_argument("--init", type=Path, help="run whose weights are the start of this one")
    fit.set_defaults(run_command=_fit)
    export = commands.add_parser("export", help="calibrate a finished run and write its weights")
    export.add_argument("--out", type=Path, required=True, help="weights folder to write")
    export.set_defaults(run_command=_export)
    evaluate = commands.add_parser("evaluate", help="score labelled clips and print the AUC")
    evaluate.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    evaluate.set_defaults(run_command=_evaluate)
    for command in (fit, export, evaluate):
        command.add_argument("--data", type=Path, help="folder with portraits.csv [DFEXPLAIN_DATA]")
    for command in (fit, export):
        command.add_argument("--run", type=Path, required=True, help="folder of checkpoints")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad input with one line on stderr."""
    args = _parser().parse_args(argv)
    try:
        args.run_command(args)
    except DfExplainError as error:
        print(f"error[{error.code}]: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
