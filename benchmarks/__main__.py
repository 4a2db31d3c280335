"""All benchmarks as one table of ratios: `python -m benchmarks`.

Each row is measured in one interleaved run, every side in a process of its own on two cores. CPU
seconds count children too; on an idle machine the clock agrees with them. The table is printed, and
written as Markdown and JSON to `--out`. Status 1 if a bar is missed. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import clips, pipeline, races, table
from benchmarks.sides import Spent
from benchmarks.table import Row

__all__ = ["NAMES", "main", "measured"]

# Rows in the order of the table; those that are no race come with what makes them.
OTHERS = (
    "peak",
    "floor",
    "ten-minutes",
    "long-file",
    "app-start",
    "cold-start",
    "training",
    "grad-cam",
    "quality",
    "batch",
)
NAMES = (*races.RACES, *OTHERS)
QUICK_FRAMES = 8
# What was measured where a bar is missed; see docs/performance.md for why.
LAST = {"mobilenetv3_small_100": 1.44}


def measured(
    names: tuple[str, ...], rounds: int | None, quick: bool, say: Callable[[str], None]
) -> list[Row]:
    """The rows of these names. `quick`: 8 frames instead of 32, one round, no long files."""
    rows: list[Row] = []
    spent: list[tuple[Spent, Spent]] = []

    def add(name: str, *made: Row) -> None:
        for row in made:
            rows.append(row)
            say("  " + " | ".join(cell for cell in row.cells() if cell))

    count = rounds or (1 if quick else 2)
    for name in names:
        began = time.perf_counter()
        say(name)
        if name in races.RACES:
            race = races.RACES[name]
            turns = rounds or (1 if quick else race.rounds)
            add(name, races.run(race, turns, QUICK_FRAMES if quick else None, say, spent))
        elif name == "peak":
            if (row := races.peaks(spent)) is not None:
                add(name, row)
        elif name == "floor":
            add(name, races.floor(count, say))
        elif name == "ten-minutes" and not quick:
            add(name, races.ten_minutes(say))
        elif name == "long-file" and not quick:
            add(name, _long_file())
        elif name in {"app-start", "cold-start"}:
            starts = importlib.import_module("benchmarks.starts")
            if name == "app-start":
                add(name, starts.app_start(count, say, LAST.get(name)))
            else:
                add(name, starts.first_result(count, say))
        elif name == "training":
            learning = importlib.import_module("benchmarks.learning")
            for backbone in ("tf_efficientnet_lite0", "mobilenetv3_small_100"):
                add(name, learning.training(backbone, count, say, LAST.get(backbone)))
        elif name == "grad-cam":
            add(name, importlib.import_module("benchmarks.learning").explaining(count, say))
        elif name == "quality":
            quality = importlib.import_module("benchmarks.quality")
            add(name, *quality.rows(say, QUICK_FRAMES if quick else quality.FRAMES))
        elif name == "batch" and importlib.util.find_spec("benchmarks.batch") is not None:
            add(name, _batch(count))
        say(f"  took {time.perf_counter() - began:.0f} s")
    return rows


def _long_file() -> Row:
    import tempfile

    from benchmarks import long_file

    with tempfile.TemporaryDirectory() as folder:
        ratio = long_file.run(Path(folder))
    return Row("peak memory, two hours", "five minutes", long_file.LIMIT, ratio, at_most=True)


def _batch(rounds: int) -> Row:
    """What `benchmarks.batch` says, by the clock: its workers are held to a core each."""
    command = [sys.executable, "-m", "benchmarks.batch", "--rounds", str(rounds)]
    answer = subprocess.run(command, cwd=pipeline.ROOT, capture_output=True, text=True)
    found = re.search(r"median ratio (\d+\.?\d*)", answer.stdout)
    if found is None:
        raise SystemExit(f"benchmarks.batch said no ratio: {answer.stderr[-300:]}")
    ratio = float(found[1])
    return Row("`batch` on two cores", "one worker held to one thread", 1.7, None, ratio)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", default=NAMES,
                        help=f"some rows: {', '.join(NAMES)}")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="fewer frames, one round")
    parser.add_argument("--rounds", type=int, help="turns of each side (default: 2, or 1)")
    parser.add_argument("--out", type=Path, default=clips.CACHE, help="folder of the written table")
    chosen = parser.parse_args()

    def say(text: str) -> None:
        print(text, flush=True)

    rows = measured(tuple(chosen.only), chosen.rounds, chosen.quick, say)
    table.write(rows, chosen.out)
    print(table.markdown(rows, table.machine()))
    return int(any(row.held is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
