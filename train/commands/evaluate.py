"""`python -m train evaluate`: what weights or a run are worth.

With --weights alone it makes the release measurement (`train.suite`): all tables that weights ship
with, on made clips of test people where DFEXPLAIN_DATA names the portraits, else on what ships in
examples/. --record writes them into the weights folder.

Otherwise it scores crops tables (--csv), videos (--videos) or the labelled clips (--data), prints
every number that counts with its interval beside the chance line, and writes the dashboard with
--out. Several tables give the table across data sets as well. Validation crops (--val-csv)
calibrate weights that are not, or are measured themselves where nothing else is named.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.comparison import Comparison
    from dfexplain.engine import Engine
    from dfexplain.hub import Weights
    from dfexplain.structures import Calibration
    from train.evaluate import EvalResult
    from train.robustness import RobustnessRow
    from train.scores import ScoredVideo
    from train.suite.measuring import Result

HELP = "measure weights: all tables of a release, or labelled videos with figures"
# With --quick every so many-th portrait.
QUICK = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    what.add_argument("--run", type=Path, help="folder of a run: its averaged weights")
    parser.add_argument(
        "--with", dest="members", nargs="+", default=[], metavar="WEIGHTS",
        help="an ensemble: the mean score of these and the first",
    )  # fmt: skip
    parser.add_argument("--checkpoint", default="best", help="of the run [%(default)s]")
    parser.add_argument(
        "--val-csv",
        type=Path,
        help="validation crops: they give a calibration and threshold, or alone are measured",
    )
    parser.add_argument("--against", metavar="WEIGHTS", help="compare with these, video by video")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--csv", "--test-csv", type=Path, nargs="+", help="tables of crops of labelled videos"
    )
    source.add_argument("--videos", type=Path, help="table of labelled videos")
    source.add_argument("--data", type=Path, help="folder with clips.csv [DFEXPLAIN_DATA]")
    parser.add_argument(
        "--allow-official-leaks", action="store_true",
        help="measure even where the data set's own split shares people",
    )  # fmt: skip
    parser.add_argument("--image-root", type=Path, help="folder of the crops [that of the table]")
    parser.add_argument("--video-root", type=Path, help="folder of the videos [that of the table]")
    parser.add_argument("--out", type=Path, help="folder to write, such as outputs/test_figs")
    parser.add_argument(
        "--dashboard", choices=("val", "test"), help="6 or 8 figures [val for --val-csv alone]"
    )
    parser.add_argument(
        "--robustness", action="store_true", help="also score the crops worn, by degrees"
    )
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals [1000]")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="METRIC>NUMBER",
        help="exit with 2 unless the videos reach it, such as 'auc>0.85'",
    )  # fmt: skip
    release = parser.add_argument_group("release measurement (--weights alone)")
    release.add_argument("--record", action="store_true", help="write it into the weights folder")
    release.add_argument("--workers", type=int, default=1, help="processes [%(default)s]")
    release.add_argument(
        "--made-only", action="store_true", help="leave the labelled clips out, which come last"
    )
    release.add_argument(
        "--quick", action="store_true", help=f"every {QUICK}th portrait only: a look, no measure"
    )
    release.add_argument(
        "--cache", type=Path, default=Path(".cache/evaluate"), metavar="DIR",
        help="keeps faces found in portraits, and results: a cut run goes on [%(default)s]",
    )  # fmt: skip


@contextmanager
def progress_bar(total: int, said: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for `total` videos."""
    from tqdm import tqdm

    with tqdm(total=total, unit="video", desc=said) as bar:

        def progress(done: int, _all: int) -> None:
            bar.update(done - bar.n)

        yield progress


def _model(args: argparse.Namespace) -> tuple[Weights | Engine, Calibration | None]:
    """What is measured, and its calibration if it has one."""
    from dfexplain import hub
    from train import scores

    if args.run is not None:
        return scores.engine_of_run(args.run, args.checkpoint), None
    weights = hub.load(args.weights)
    # A mean of scores has another scale than the calibration of one member.
    return weights, None if args.members else weights.calibration


def _tables(args: argparse.Namespace) -> dict[str, Path]:
    """The tables to measure on, by names that tell them apart; `clips` is no crops table."""
    tables: list[Path] = args.csv or ([] if args.videos or args.data else [args.val_csv])
    if tables in ([], [None]):
        return {args.videos.stem: args.videos} if args.videos else {"clips": Path("clips.csv")}
    alike = len({t.stem for t in tables}) < len(tables)
    return {(f"{t.parent.name}_{t.stem}" if alike else t.stem): t for t in tables}


def _score(
    args: argparse.Namespace, model: Weights | Engine, name: str, table: Path
) -> list[ScoredVideo]:
    """Score a table by the model, or by the mean of all members of an ensemble."""
    from dfexplain import hub
    from train import ensemble

    members = [model, *(hub.load(member) for member in args.members)]
    return ensemble.mean([_score_by(args, member, name, table) for member in members])


def _score_by(
    args: argparse.Namespace, model: Weights | Engine, name: str, table: Path
) -> list[ScoredVideo]:
    """Score a table of crops, a table of videos or the labelled clips."""
    from dfexplain import hub
    from train import portraits, records, scores

    if table in (*(args.csv or ()), args.val_csv):
        rows = records.read_crops(table)
        root = args.image_root or table.parent
        with progress_bar(len({r.video.key for r in rows}), name) as progress:
            return scores.score_crops(model, rows, root, progress=progress)
    if args.videos is not None:
        videos, root = records.read_videos(table), args.video_root or table.parent
    else:
        root = args.data or portraits.data_root(None)
        videos = scores.clip_records(root)
    if not isinstance(model, hub.Weights):
        raise SettingError("--run must come with --csv or --val-csv. For videos export it first.")
    with progress_bar(len(videos), name) as progress:
        return scores.score_videos(model, videos, root, progress=progress)


def _fitted(scored: list[ScoredVideo], name: str) -> Calibration:
    """A calibration and a threshold from scored validation videos."""
    import numpy as np

    from dfexplain import calibration
    from train import evaluate

    kept = [s for s in scored if s.score is not None]
    fitted = calibration.fit(
        np.array([s.score for s in kept], np.float64),
        np.array([s.record.label for s in kept], np.int64),
        evaluate.groups_of(kept),
        measured_on=f"{len(kept)} videos of {name}",
        weights_sha256="",
        min_face_px=0.0,
        max_distance=None,
    )
    losses = ", ".join(f"{method} {loss:.3f}" for method, loss in fitted.log_loss.items())
    print(
        f"threshold {fitted.threshold:.3f} and {fitted.method} scaling from {len(kept)} videos "
        f"of {name} (log loss on held-out groups: {losses})"
    )
    return fitted


def _further(
    args: argparse.Namespace,
    model: Weights | Engine,
    table: Path,
    scored: list[ScoredVideo],
    result: EvalResult,
) -> tuple[list[RobustnessRow], Comparison | None]:
    """The wear and the comparison with other weights, where they are asked for."""
    from dfexplain import hub
    from train import evaluate, records, robustness

    worn: list[RobustnessRow] = []
    compared = None
    if args.robustness:
        worn = robustness.robustness(
            model,
            records.read_crops(table),
            args.image_root or table.parent,
            scored,
            threshold=result.threshold,
            resamples=args.resamples,
        )
    if args.against is not None:
        name = f"{result.name}, {args.against}"
        compared = evaluate.compare(scored, _score(args, hub.load(args.against), name, table))
        low, high = compared.interval
        print(f"  against {args.against}: auc {compared.difference:+.3f} ({low:+.3f} to "
              f"{high:+.3f}), p = {compared.p_value:.3g}")  # fmt: skip
    return worn, compared


def _release(args: argparse.Namespace) -> None:
    """The release measurement: printed, written with --out, recorded with --record."""
    from dfexplain import hub
    from train import portraits
    from train.suite import measuring, written

    if args.members or args.against or args.robustness or args.gate or args.dashboard:
        raise SettingError(
            "--with, --against, --robustness, --gate and --dashboard must come with --csv, --videos"
            " or --data. The release measurement has all of its tables."
        )
    if args.record and args.quick:
        raise SettingError("--record must come without --quick. A look is not what ships.")
    if args.record:
        written.check_place(args.weights)
    weights = hub.load(args.weights)
    # Set and wrong is an error; not set is a clean clone.
    data = portraits.data_root(None) if os.environ.get("DFEXPLAIN_DATA") else None
    options = measuring.Options(
        workers=args.workers,
        every=QUICK if args.quick else 1,
        made_only=args.made_only,
        resamples=args.resamples,
        cache=args.cache,
    )
    measured = measuring.measure(weights, data, options, _bar)
    print(*written.lines(measured.evaluation), sep="\n", flush=True)
    if args.out is not None:
        written.write(args.out, measured, weights.calibration)
        print(f"{args.out}: evaluation.json and .md, tables/*.csv, videos.csv")
    if args.record:
        written.record(weights, measured.evaluation)


def _bar(results: Iterable[Result], total: int, said: str) -> Iterable[Result]:
    from tqdm import tqdm

    bar: Iterable[Result] = tqdm(results, total=total, desc=said)
    return bar


def run(args: argparse.Namespace) -> None:
    """Evaluate one set of weights."""
    if not (args.run or args.csv or args.videos or args.data or args.val_csv):
        _release(args)
        return
    if args.record or args.quick or args.made_only:
        raise SettingError(
            "--record, --quick and --made-only must come with --weights alone. They belong to the "
            "release measurement."
        )
    from train import eval_report, evaluate, leaks, records

    gates = [evaluate.Gate.parse(text) for text in args.gate]
    tables = _tables(args)
    # Validation crops alone are measured themselves.
    alone = args.val_csv is not None and not (args.csv or args.videos or args.data)
    if args.robustness and not args.csv and not alone:
        raise SettingError("--robustness must come with --csv, for it is crops that are worn.")
    if args.members and (args.against is not None or args.robustness):
        raise SettingError("--with must come without --against and --robustness. Run them apart.")
    model, fitted = _model(args)
    threshold = None
    if args.val_csv is not None and not alone:
        for table in args.csv or ():
            splits = {"val": args.val_csv, "test": table}
            tables_of = {name: records.read_crops(path) for name, path in splits.items()}
            leaks.check(tables_of, allow_official=args.allow_official_leaks)
        fitted = _fitted(_score(args, model, "val", args.val_csv), args.val_csv.name)
    results = []
    for name, table in tables.items():
        scored = _score(args, model, name, table)
        if alone and fitted is None:
            # Its threshold is that of these videos; its probabilities would be fitted to them.
            threshold = _fitted(scored, name).threshold
        result = evaluate.evaluate(
            scored, threshold=threshold, calibration=fitted, name=name, resamples=args.resamples
        )
        results.append(result)
        print(*eval_report.lines(result), sep="\n", flush=True)
        worn, compared = _further(args, model, table, scored, result)
        if args.out is not None:
            out = args.out if len(tables) == 1 else args.out / name
            figures = args.dashboard or ("val" if alone else "test")
            eval_report.write(
                out, result, scored, fitted, figures=figures, robustness=worn, comparison=compared
            )
            print(f"  {out}: figures, results.json, .csv and .md, videos.csv, frames.csv")
    if len(results) > 1:
        print(eval_report.cross_dataset(results), end="")
        if args.out is not None:
            eval_report.write_cross_dataset(args.out, results)
    for gate in gates:
        for result in results:
            print(gate.check(result))
