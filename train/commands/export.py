"""`python -m train export`: from a finished run, or an old checkpoint, to weights.

Calibrates the run on its validation videos and writes a weights folder. `--formats` writes the
model for other programs beside it, each file reloaded and compared. `--from` takes a checkpoint of
another program in place of a run; without tables its weights stay uncalibrated.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.errors import SettingError
from train.commands import fit

if TYPE_CHECKING:
    from dfexplain.hub import Weights
    from train.material import Material

HELP = "calibrate a finished run and write its weights"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, required=True, help="weights folder to write")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, help="folder of the run")
    source.add_argument(
        "--from",
        type=Path,
        dest="source",
        metavar="FILE",
        help="best.pt, best.ckpt, best_model.pth",
    )
    parser.add_argument("--checkpoint", default="best", help="of the run [%(default)s]")
    parser.add_argument("--config", type=Path, help="with --from: config whose model it is of")
    fit.data_arguments(parser)
    parser.add_argument(
        "--formats", default="", metavar="LIST",
        help="of torchscript,onnx,state_dict: also into <out>_formats",
    )  # fmt: skip
    parser.add_argument(
        "--video-root", type=Path, help="score the validation videos below it, not their crops"
    )
    calibration_arguments(parser)
    parser.add_argument(
        "--terms", action="append", default=[], metavar="DATASET=TEXT",
        help="under which terms a data set was handed out, for the card",
    )  # fmt: skip
    parser.add_argument(
        "--licence", default="other", help="of weights from labelled videos [other]"
    )


def calibration_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a calibration is made."""
    parser.add_argument(
        "--target-fpr", type=float, metavar="SHARE", help="of real videos at the threshold [0.05]"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that score [%(default)s]")


def target_fpr(args: argparse.Namespace) -> float:
    """The share of real videos that may lie at the threshold. Raises SettingError."""
    from dfexplain.calibration import TARGET_RATE

    target = TARGET_RATE if args.target_fpr is None else float(args.target_fpr)
    if not 0.0 < target < 0.5:
        raise SettingError(f"--target-fpr must lie in 0..0.5, but got {target:g}.")
    return target


def print_made(weights: Weights, out: Path) -> None:
    """Say which weights stand in `out` now, and what their calibration measured."""
    from dfexplain.release_checks import stated

    print(f"{out}: {weights.info.sha256}")
    measured = weights.calibration
    if measured is None:
        print("not calibrated: scores, no probabilities")
    else:
        words = stated(measured)
        print(f"video AUC {words['roc_auc']}, ECE {words['expected_calibration_error']}")


def _terms(args: argparse.Namespace) -> dict[str, str]:
    terms = dict(text.split("=", 1) if "=" in text else (text, "") for text in args.terms)
    if not all(terms.values()):
        raise SettingError(f"--terms must be DATASET=TEXT, but got {args.terms}.")
    return terms


def _of_run(args: argparse.Namespace) -> Material:
    """The data of the run, with what the card has to say about them."""
    from train import card_data, config, portraits
    from train.datasets import PortraitsData
    from train.loop import load_checkpoint
    from train.material import PortraitMaterial, TableMaterial

    settings = config.read(args.run / "config.yaml")
    data = fit.training_data(args, settings)
    last = load_checkpoint(args.run, "last")
    if last is not None and last["data"] != data.digest():
        raise SettingError(
            f"the data must be those that '{args.run}' was trained on, but they differ. Give the "
            "same tables, or the same folder of portraits."
        )
    if isinstance(data, PortraitsData):
        test = card_data.test_people(portraits.data_root(args.data))
        return PortraitMaterial(data.train, data.val, test, settings.data.left_out)
    own = (data.image_root, args.video_root, _terms(args), args.licence)
    return TableMaterial(data.train, data.val, *own)


def _convert(args: argparse.Namespace, target: float) -> Weights:
    """Weights of a checkpoint from elsewhere, calibrated where there is a table."""
    from train import config, convert, export, records
    from train.material import TableMaterial

    if args.train_csv or args.data:
        raise SettingError("--from must come with --val-csv only: its training data are not known.")
    model = None if args.config is None else config.read(args.config).model
    checkpoint = convert.open_checkpoint(args.source, model)
    material = None
    if args.val_csv is not None:
        own = (args.image_root or args.val_csv.parent, args.video_root, _terms(args), args.licence)
        material = TableMaterial([], records.read_crops(args.val_csv), *own)
    return export.export_checkpoint(
        checkpoint,
        args.out,
        material,
        source=args.source.name,
        target_fpr=target,
        workers=args.workers,
    )


def _write_formats(weights: Weights, kinds: list[str], out: Path) -> None:
    from dfexplain.models import build
    from train import formats

    model = build(weights.config)
    model.load_state_dict(weights.state)
    for path in formats.write(model, out.with_name(f"{out.name}_formats"), kinds):
        print(f"{path}: loaded again, the same logits")


def run(args: argparse.Namespace) -> None:
    """Export one run or checkpoint."""
    from train import export, formats

    target = target_fpr(args)
    kinds = [kind for kind in args.formats.split(",") if kind]
    if unknown := [kind for kind in kinds if kind not in formats.KINDS]:
        raise SettingError(
            f"--formats must be of {', '.join(formats.KINDS)}, but got {unknown[0]!r}."
        )
    if args.source is not None:
        weights = _convert(args, target)
    else:
        weights = export.export(
            args.run,
            _of_run(args),
            args.out,
            which=args.checkpoint,
            target_fpr=target,
            workers=args.workers,
            say=lambda line: print(line, flush=True),
        )
    if kinds:
        _write_formats(weights, kinds, args.out)
    print_made(weights, args.out)
