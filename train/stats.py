"""What a data set is made of: counts, imbalance, formats, sizes, how its folders look (A11, A17).

The chance line stands beside every count: on 493 real and 5,582 fake videos a program that always
answers "fake" is right 91.88 % of the time.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dfexplain.plots import figure_png
from dfexplain.plots.dataset import DatasetTable, dataset
from train.records import VideoRecord
from train.video_facts import FolderRow, VideoFacts, probe_facts, sample_frame, structure

__all__ = ["DatasetStats", "lines", "measure", "summarise", "table_of", "write"]

GROUPINGS = ("dataset", "split", "method", "compression")


@dataclass(frozen=True)
class DatasetStats:
    """The report. `counts` has one row a value of dataset, split, method, compression.

    Shares are of labelled videos; `always_fake_accuracy` is the chance line of answering fake,
    `best_constant_accuracy` that of the better constant answer. Sizes and formats count videos that
    could be read; `unreadable` names the others.
    """

    videos: int
    real: int
    fake: int
    unlabelled: int
    share_fake: float
    fakes_per_real: float
    always_fake_accuracy: float
    best_constant_accuracy: float
    counts: list[dict[str, object]]
    suffixes: dict[str, int]
    formats: dict[str, int]
    resolutions: dict[str, int]
    duration_s: dict[str, float]
    fps: dict[str, float]
    unreadable: list[dict[str, str]]
    folders: list[dict[str, object]]
    sample: dict[str, object] | None


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _counts(records: Sequence[VideoRecord]) -> list[dict[str, object]]:
    """One row for each value of each grouping, and one for all."""
    grouped: dict[tuple[str, str], list[VideoRecord]] = defaultdict(list)
    for record in records:
        grouped["all", "all"].append(record)
        for name in GROUPINGS:
            if value := getattr(record, name):
                grouped[name, value].append(record)
    rows: list[dict[str, object]] = []
    order = ("all", *GROUPINGS)
    for (name, value), found in sorted(
        grouped.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
    ):
        labels = Counter(r.label for r in found)
        labelled = labels[0] + labels[1]
        rows.append(
            {
                "by": name,
                "value": value,
                "videos": len(found),
                "real": labels[0],
                "fake": labels[1],
                "unlabelled": labels[None],
                "share_fake": _share(labels[1], labelled),
                "always_fake_accuracy": _share(labels[1], labelled),
            }
        )
    return rows


def _spread(values: Iterable[float]) -> dict[str, float]:
    known = np.array([v for v in values if math.isfinite(v)])
    if not len(known):
        return {}
    low, middle, high = np.percentile(known, [5, 50, 95])
    return {
        "least": float(known.min()),
        "p5": float(low),
        "median": float(middle),
        "p95": float(high),
        "most": float(known.max()),
        "total": float(known.sum()),
    }


def _most_first(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def summarise(
    records: Sequence[VideoRecord],
    facts: Mapping[str, VideoFacts],
    folders: Sequence[FolderRow] = (),
    sample: dict[str, object] | None = None,
) -> DatasetStats:
    """Put the report together from what is known; opens nothing."""
    labels = Counter(r.label for r in records)
    labelled = labels[0] + labels[1]
    read = [facts[r.key] for r in records if r.key in facts and not facts[r.key].error]
    lost = [r for r in records if r.key in facts and facts[r.key].error]
    fake = _share(labels[1], labelled)
    return DatasetStats(
        videos=len(records),
        real=labels[0],
        fake=labels[1],
        unlabelled=labels[None],
        share_fake=fake,
        fakes_per_real=_share(labels[1], labels[0]),
        always_fake_accuracy=fake,
        best_constant_accuracy=max(fake, 1.0 - fake),
        counts=_counts(records),
        suffixes=_most_first(Path(r.path).suffix.lower() or "none" for r in records),
        formats=_most_first(f"{f.container} {f.codec}" for f in read),
        resolutions=_most_first(f"{f.width_px} x {f.height_px}" for f in read),
        duration_s=_spread(f.duration_s for f in read),
        fps=_spread(f.fps for f in read),
        unreadable=[{"path": r.path, "reason": facts[r.key].error} for r in lost],
        folders=[asdict(f) for f in folders],
        sample=sample,
    )


def table_of(stats: DatasetStats, facts: Mapping[str, VideoFacts]) -> DatasetTable:
    """The numbers of the figure."""
    shown = [r for r in stats.counts if r["by"] != "all"] or stats.counts
    read = [f for f in facts.values() if not f.error]
    return DatasetTable(
        parts={
            f"{row['by']} {row['value']}": tuple(  # type: ignore[misc]
                row[name] for name in ("real", "fake", "unlabelled")
            )
            for row in shown
        },
        formats=stats.formats,
        resolutions=stats.resolutions,
        duration_s=np.array([f.duration_s for f in read], np.float64),
        fps=np.array([f.fps for f in read], np.float64),
        always_fake=stats.always_fake_accuracy,
    )


def lines(stats: DatasetStats) -> list[str]:
    """The report in words, one line a fact."""
    out = [
        f"{stats.videos} videos: {stats.real} real, {stats.fake} fake, {stats.unlabelled} "
        "unlabelled"
    ]
    if stats.real + stats.fake:
        out.append(
            f"always answering fake is right {stats.always_fake_accuracy:.2%}; "
            f"{stats.fakes_per_real:.2f} fakes a real video"
        )
    out += [
        f"  {row['by']} {row['value']}: {row['real']} real, {row['fake']} fake, "
        f"{row['unlabelled']} unlabelled"
        for row in stats.counts[1:]
    ]
    for name, counts in (
        ("suffixes", stats.suffixes),
        ("formats", stats.formats),
        ("sizes in px", stats.resolutions),
    ):
        if counts:
            out.append(f"{name}: " + ", ".join(f"{k} ({n})" for k, n in list(counts.items())[:8]))
    for name, spread in (("duration in s", stats.duration_s), ("frames a second", stats.fps)):
        if spread:
            out.append(
                f"{name}: {spread['least']:.2f} to {spread['most']:.2f}, median "
                f"{spread['median']:.2f}"
            )
    out += [f"  {'  ' * int(str(f['depth']))}{f['name']}/ {f['videos']}" for f in stats.folders]
    if stats.sample is not None:
        out.append(f"a frame of {stats.sample['video']} has the shape {stats.sample['shape']}")
    if stats.unreadable:
        out.append(f"videos that cannot be read: {len(stats.unreadable)} (stats.json names them)")
    return out


def write(stats: DatasetStats, facts: Mapping[str, VideoFacts], out: Path) -> None:
    """Write stats.json, stats.csv (the counts) and dataset.png into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    plain = json.dumps(_finite(asdict(stats)), indent=2, allow_nan=False)
    (out / "stats.json").write_text(plain + "\n", encoding="utf-8")
    with (out / "stats.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(stats.counts[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(stats.counts)
    (out / "dataset.png").write_bytes(figure_png(dataset(table_of(stats, facts))))


def _finite(value: object) -> object:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def measure(
    records: Sequence[VideoRecord],
    root: Path | None,
    out: Path,
    *,
    facts: Mapping[str, VideoFacts] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> DatasetStats:
    """Report on `records` into `out`; opens the videos below `root` where `facts` is None.

    With a root the folder tree and the first frame (sample_frame.png) are part of the report.
    """
    if facts is None:
        facts = {} if root is None else probe_facts(records, root, progress=progress)
    folders = [] if root is None else structure(root)
    sample = None if root is None else sample_frame(records, root)
    stats = summarise(records, facts, folders, sample[0] if sample else None)
    write(stats, facts, out)
    if sample is not None:
        (out / "sample_frame.png").write_bytes(sample[1])
    return stats
