"""An evaluation as files: JSON, CSV, Markdown, the scores of videos and frames, dashboards."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dfexplain import calibration as calibrations
from dfexplain.comparison import Comparison
from dfexplain.plots import figure_png
from dfexplain.plots.dashboards import dashboard
from dfexplain.plots.panels import BarRow, Judged, Panel, Tile
from dfexplain.structures import Calibration
from train.evaluate import EvalResult
from train.measures import Level, Measure
from train.robustness import RobustnessRow
from train.scores import ScoredVideo, write_frames, write_videos

__all__ = ["cross_dataset", "lines", "markdown", "write", "write_cross_dataset"]

# What the bars of metrics_bar show, and the columns of the table of several data sets.
BARS = (
    "auc", "ap", "eer", "tpr@1%fpr", "tpr@5%fpr", "accuracy@threshold",
    "balanced_accuracy@threshold", "f1@threshold", "accuracy@0.5", "brier", "ece15",
)  # fmt: skip
ACROSS = ("auc", "ap", "eer", "tpr@5%fpr", "accuracy@threshold", "fpr@threshold", "log_loss")
IN_SLICES = ("auc", "tpr@threshold", "fpr@threshold", "log_loss", "ece15")


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table, a line a row."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *cells)]


def coverage_line(result: EvalResult) -> str:
    """How many videos have a score, and why the others have none."""
    video = result.video
    line = (
        f"{video.n} of {result.total} videos scored ({result.coverage:.1%}; {video.real} real, "
        f"{video.fake} fake, {video.groups} groups of people and sources)"
    )
    if result.reasons:
        line += "; not scored: " + ", ".join(f"{n} {why}" for why, n in result.reasons.items())
    if result.unread:
        line += f"; {result.unread} crops could not be read"
    if result.undecided is not None:
        line += f"; {result.undecided} in the band of no answer"
    return line


def lines(result: EvalResult) -> list[str]:
    """What a terminal shows: coverage, the numbers that count, and the chance line."""
    video, frame = result.video, result.frame
    shown = [name for name in ("auc", "ap", "eer", "tpr@5%fpr") if name in video.measures]
    told = ", ".join(f"{name} {video.measures[name]}" for name in shown)
    out = [
        f"{result.name}: {coverage_line(result)}",
        f"  videos: {told}",
        f"  frames: auc {frame.measures['auc']}, n = {frame.n}",
    ]
    out += [
        f"  accuracy at {at}: {accuracy}, balanced {video.measures[f'balanced_accuracy@{at}']}"
        for at in ("threshold", "0.5")
        if (accuracy := video.measures.get(f"accuracy@{at}")) is not None
    ]
    if (loss := video.measures.get("log_loss")) is not None:
        out.append(f"  log loss {loss}, ECE {video.measures['ece15']}")
    out.append(f'  chance: auc 0.500; always answering "fake" has accuracy {video.prevalence:.3f}')
    return out


def markdown(
    result: EvalResult,
    robustness: Sequence[RobustnessRow] = (),
    comparison: Comparison | None = None,
) -> str:
    """The whole result as a Markdown page."""
    page = [f"# Evaluation on {result.name}", "", coverage_line(result) + ".", ""]
    page.append(
        "Numbers are followed by their 95 % bootstrap interval, drawn by groups of people and "
        'sources. Accuracy and F1 of chance are those of always answering "fake".'
    )
    if result.threshold is not None:
        page.append(f"The threshold, {result.threshold:.4f}, was chosen on validation videos.")
    page.append(
        f"Probabilities come from {result.method} scaling; `_balanced` counts both classes alike."
        if result.method
        else "There is no calibration, so nothing that needs a probability is measured."
    )
    header = ["metric", f"videos, n = {result.video.n}", f"frames, n = {result.frame.n}", "chance"]
    rows = []
    for name, value in result.video.measures.items():
        chance = result.chance.get(name)
        told = "–" if chance is None else f"{chance:.3f}"
        rows.append([name, value, result.frame.measures.get(name, Measure(None)), told])
    page += ["", *_table(header, rows)]
    if result.slices:
        page += ["", "## By slice", "", "A method is measured against all real videos.", ""]
        page += _table(
            ["slice", "", "real", "fake", *IN_SLICES],
            (
                [s.kind, s.name, s.level.real, s.level.fake]
                + [s.level.measures.get(n, Measure(None)) for n in IN_SLICES]
                for s in result.slices
            ),
        )
    if robustness:
        page += ["", "## Robustness", "", "Wear put on the crops before the model saw them.", ""]
        page += _table(
            ["wear", "strength", "videos", "auc", "change of real scores", "of fake scores",
             "decisions changed"],
            (
                [r.wear, r.strength, r.n, r.auc, f"{r.real_change:+.3f}", f"{r.fake_change:+.3f}",
                 "–" if r.flipped is None else f"{r.flipped:.1%}"]
                for r in robustness
            ),
        )  # fmt: skip
    if comparison is not None:
        low, high = comparison.interval
        page += ["", "## Against other weights", "", (
            f"AUC {comparison.a:.3f} against {comparison.b:.3f}: difference "
            f"{comparison.difference:+.3f} ({low:+.3f} to {high:+.3f}), p = "
            f"{comparison.p_value:.3g}, paired by video, drawn by group."
        )]  # fmt: skip
    return "\n".join(page) + "\n"


def _rows(result: EvalResult) -> Iterable[list[object]]:
    levels: list[tuple[str, str, Level]] = [
        ("video", "all", result.video),
        ("frame", "all", result.frame),
        *((s.kind, s.name, s.level) for s in result.slices),
    ]
    for kind, name, level in levels:
        for metric, m in level.measures.items():
            chance = result.chance.get(metric) if kind in ("video", "frame") else None
            cells = [m.value, m.low, m.high, chance]
            yield [result.name, kind, name, metric, *("" if c is None else c for c in cells),
                   level.n, level.real, level.fake, level.groups]  # fmt: skip


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def judged(result: EvalResult, scored: Sequence[ScoredVideo], fitted: Calibration | None) -> Judged:
    """What the dashboards are drawn from."""
    kept = [s for s in scored if s.score is not None]
    scores = np.array([s.score for s in kept], np.float64)
    p_fake = None if fitted is None else calibrations.p_fake(fitted, scores)
    tiles = []
    for i, item in enumerate(kept):
        low, high = np.percentile(item.frame_logits, (5, 95))
        said = [f"score {scores[i]:.2f}", f"frames {low:.2f} to {high:.2f}"]
        if p_fake is not None:
            said[0] += f", p {p_fake[i]:.2f}"
        tiles.append(Tile(item.record.path, item.crop_jpeg, tuple(said)))
    bars = [
        BarRow(name, m.value, m.low, m.high, result.chance.get(name))
        for name in BARS
        if (m := result.video.measures.get(name)) is not None
    ]

    def three(name: str) -> tuple[float, float | None, float | None]:
        m = result.video.measures[name]
        return (float("nan") if m.value is None else m.value, m.low, m.high)

    return Judged(
        title=result.name,
        scores=scores,
        labels=np.array([s.record.label for s in kept], np.int64),
        p_fake=p_fake,
        threshold=result.threshold,
        auc=three("auc"),
        ap=three("ap"),
        bars=bars,
        tiles=tiles,
    )


def _write_panels(out: Path, panels: dict[str, Panel]) -> None:
    """The PNGs, and below `tables` the numbers of each."""
    (out / "tables").mkdir(exist_ok=True)
    for name, panel in panels.items():
        (out / name).write_bytes(figure_png(panel.plot()))
        frame = panel.frame()
        table = (out / "tables" / name).with_suffix(".csv")
        _write_csv(table, list(frame), zip(*frame.values(), strict=True))


def write(
    out: Path,
    result: EvalResult,
    scored: Sequence[ScoredVideo],
    fitted: Calibration | None,
    *,
    figures: str = "test",
    robustness: Sequence[RobustnessRow] = (),
    comparison: Comparison | None = None,
) -> None:
    """Write the figures (`figures` is "val" for six of them, "test" for eight), results.json,
    results.csv, results.md, videos.csv, frames.csv and tables/ into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    _write_panels(out, dashboard(judged(result, scored, fitted), figures))
    data = result.to_dict()
    if robustness:
        data["robustness"] = [r.to_dict() for r in robustness]
    if comparison is not None:
        data["comparison"] = vars(comparison)
    (out / "results.json").write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", "utf-8")
    header = ["table", "level", "name", "metric", "value", "low", "high", "chance", "n", "real",
              "fake", "groups"]  # fmt: skip
    _write_csv(out / "results.csv", header, _rows(result))
    (out / "results.md").write_text(markdown(result, robustness, comparison), "utf-8")
    write_videos(out / "videos.csv", scored, fitted)
    write_frames(out / "frames.csv", scored, fitted)


def cross_dataset(results: Sequence[EvalResult]) -> str:
    """One row a test table, as Markdown."""
    rows = [
        [r.name, f"{r.coverage:.1%}", r.video.real, r.video.fake]
        + [r.video.measures.get(name, Measure(None)) for name in ACROSS]
        for r in results
    ]
    return "\n".join(_table(["table", "coverage", "real", "fake", *ACROSS], rows)) + "\n"


def write_cross_dataset(out: Path, results: Sequence[EvalResult]) -> None:
    """cross_dataset.md, .csv and .json of several tables that the same weights were measured on."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "cross_dataset.md").write_text(cross_dataset(results), "utf-8")
    data = [r.to_dict() for r in results]
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    (out / "cross_dataset.json").write_text(text, "utf-8")
    header = ["table", "level", "name", "metric", "value", "low", "high", "chance", "n", "real",
              "fake", "groups"]  # fmt: skip
    _write_csv(
        out / "cross_dataset.csv",
        header,
        (row for r in results for row in _rows(r) if row[1] == "video"),
    )
