"""`python -m train evaluate`: what weights or a run are worth on labelled videos.

Scores crops tables (--csv), videos (--videos) or the labelled clips (--data), prints every number
that counts with its interval beside the chance line, and writes the dashboard with --out. Several
tables give the table across data sets as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.engine import Engine
    from dfexplain.hub import Weights
    from dfexplain.structures import Calibration
    from train.scores import ScoredVideo

HELP = "measure weights or a run on labelled videos, with figures"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--weights", default=None, help="folder, name or org/name[@revision]")
    what.add_argument("--run", type=Path, help="folder of a run: its averaged weights")
    parser.add_argument("--checkpoint", default="best", help="of the run [%(default)s]")
    parser.add_argument(
        "--val-csv", type=Path, help="crops to calibrate a run on and to choose its threshold"
    )
    parser.add_argument("--against", metavar="WEIGHTS", help="compare with these, video by video")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--csv", type=Path, nargs="+", help="tables of crops of labelled videos")
    source.add_argument("--videos", type=Path, help="table of labelled videos")
    source.add_argument("--data", type=Path, help="folder with clips.csv [DFEXPLAIN_DATA]")
    parser.add_argument("--image-root", type=Path, help="folder of the crops [that of the table]")
    parser.add_argument("--video-root", type=Path, help="folder of the videos [that of the table]")
    parser.add_argument("--out", type=Path, help="folder to write, such as outputs/test_figs")
    parser.add_argument(
        "--dashboard", choices=("val", "test"), default="test", help="6 or 8 figures [test]"
    )
    parser.add_argument(
        "--robustness", action="store_true", help="also score the crops worn, by degrees"
    )
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals [1000]")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="METRIC>NUMBER",
        help="exit with 2 unless the videos reach it, such as 'auc>0.85'",
    )  # fmt: skip


@contextmanager
def progress_bar(total: int, said: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for `total` videos."""
    from tqdm import tqdm

    with tqdm(total=total, unit="video", desc=said) as bar:

        def progress(done: int, _all: int) -> None:
            bar.update(done - bar.n)

        yield progress


def _fitted_on(
    engine: Weights | Engine, table: Path, against: list[Path], image_root: Path | None
) -> Calibration:
    """A calibration and a threshold from validation crops, whose people are in no test table."""
    import numpy as np

    from dfexplain import calibration
    from train import evaluate, leaks, records, scores

    rows = records.read_crops(table)
    for tested in against:
        leaks.check({"val": rows, "test": records.read_crops(tested)})
    with progress_bar(len({r.video.key for r in rows}), table.stem) as progress:
        scored = scores.score_crops(engine, rows, image_root or table.parent, progress=progress)
    kept = [s for s in scored if s.score is not None]
    return calibration.fit(
        np.array([s.score for s in kept], np.float64),
        np.array([s.record.label for s in kept], np.int64),
        evaluate.groups_of(kept),
        measured_on=f"{len(kept)} videos of {table.name}",
        weights_sha256="",
        min_face_px=0.0,
        max_distance=None,
    )


def _named(tables: list[Path]) -> dict[str, Path]:
    """Tables by a name that tells them apart."""
    alike = len({t.stem for t in tables}) < len(tables)
    return {(f"{t.parent.name}_{t.stem}" if alike else t.stem): t for t in tables}


def run(args: argparse.Namespace) -> None:
    """Evaluate one set of weights."""
    from dfexplain import hub
    from train import eval_report, evaluate, portraits, records, robustness, scores

    gates = [evaluate.Gate.parse(text) for text in args.gate]
    if args.robustness and not args.csv:
        raise SettingError("--robustness must come with --csv, for it is crops that are worn.")
    if args.run is not None and not args.csv:
        raise SettingError("--run must come with --csv. For videos export the run first.")
    weights: Weights | Engine
    fitted: Calibration | None = None
    if args.run is not None:
        weights = scores.engine_of_run(args.run, args.checkpoint)
    else:
        weights = hub.load(args.weights)
        fitted = weights.calibration
    if args.val_csv is not None:
        fitted = _fitted_on(weights, args.val_csv, args.csv or [], args.image_root)
        print(f"{fitted.method} scaling and threshold {fitted.threshold:.3f}, fitted on "
              f"{fitted.measured_on}")  # fmt: skip
    other = None if args.against is None else hub.load(args.against)

    def score(model: Weights | Engine, name: str, table: Path | None) -> list[ScoredVideo]:
        if args.csv and table is not None:
            rows = records.read_crops(table)
            root = args.image_root or table.parent
            with progress_bar(len({r.video.key for r in rows}), name) as progress:
                return scores.score_crops(model, rows, root, progress=progress)
        if args.videos is not None:
            videos, root = records.read_videos(args.videos), args.video_root or args.videos.parent
        else:
            root = portraits.data_root(args.data)
            videos = scores.clip_records(root)
        assert isinstance(model, hub.Weights)
        with progress_bar(len(videos), name) as progress:
            return scores.score_videos(model, videos, root, progress=progress)

    named: dict[str, Path | None] = {"clips": None}
    if args.csv:
        named = {**_named(args.csv)}
    elif args.videos is not None:
        named = {args.videos.stem: None}
    results = []
    for name, table in named.items():
        scored = score(weights, name, table)
        result = evaluate.evaluate(scored, calibration=fitted, name=name, resamples=args.resamples)
        results.append(result)
        print(*eval_report.lines(result), sep="\n", flush=True)
        worn, compared = [], None
        if args.robustness and table is not None:
            worn = robustness.robustness(
                weights, records.read_crops(table), args.image_root or table.parent, scored,
                threshold=result.threshold, resamples=args.resamples,
            )  # fmt: skip
        if other is not None:
            compared = evaluate.compare(scored, score(other, f"{name}, {args.against}", table))
            low, high = compared.interval
            print(f"  against {args.against}: auc {compared.difference:+.3f} ({low:+.3f} to "
                  f"{high:+.3f}), p = {compared.p_value:.3g}")  # fmt: skip
        if args.out is not None:
            out = args.out if len(named) == 1 else args.out / name
            eval_report.write(
                out, result, scored, fitted, figures=args.dashboard, robustness=worn,
                comparison=compared,
            )  # fmt: skip
            print(
                f"  {out}: figures, results.json, results.csv, results.md, videos.csv, frames.csv"
            )
    if len(results) > 1:
        print(eval_report.cross_dataset(results), end="")
        if args.out is not None:
            eval_report.write_cross_dataset(args.out, results)
    for gate in gates:
        for result in results:
            print(gate.check(result))
