"""Two workers of a batch against one, on two cores; at least 1.7 times as fast is wanted.

    python -m benchmarks.batch [--rounds 3] [--files 16] [--weights SPEC] [--free]

Makes clips of a moving portrait (960 x 540, two seconds, no two of the same bytes) in a temporary
folder, then has a pool of one worker and a pool of two take turns on all of them (1 2 1 2 ...), as
`dfexplain batch --workers N --threads 1` does: 16 frames a clip, scores, JSON and HTML reports.
Both pools have loaded their weights and done a clip before. What counts is the time on the clock
from the first file given to the last one done. Each worker is held to one thread and, with its
decoding child, to one core; with --free the system may use both cores for one worker.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.pipeline import FPS, Image, moving_portrait
from dfexplain.batch.messages import Done, Failed, Lost, Task
from dfexplain.batch.pool import Pool
from dfexplain.structures import Sampling

WANTED = 1.7
FRAMES = 16
SIZE = (960, 540)
SECONDS = 2.0


def make_clips(folder: Path, count: int) -> list[Path]:
    """Clips of different bytes that cost the same."""
    from dfexplain import video

    pictures = list(moving_portrait(*SIZE, round(SECONDS * FPS)))

    def marked(number: int) -> Iterator[Image]:
        for picture in pictures:
            picture = picture.copy()
            picture[:8, :8] = np.uint8(number)
            yield picture

    return [
        video.write(folder / f"{number:03d}.mp4", marked(number), FPS, crf=23, preset="veryfast")
        for number in range(count)
    ]


def worked(pool: Pool, clips: list[Path], out: Path) -> float:
    """Have a pool do all clips; the seconds that it took."""
    waiting = list(enumerate(clips))
    began = time.perf_counter()
    left = len(waiting)
    while left:
        while pool.idle and waiting:
            number, clip = waiting.pop(0)
            name = f"{number:03d}"
            formats = ("json", "html")
            pool.give(Task(name, str(clip), Sampling(frames=FRAMES), str(out), name, formats))
        for event in pool.events(1.0):
            if isinstance(event, Failed | Lost):
                raise SystemExit(f"a worker failed: {event}")
            left -= isinstance(event, Done)
    return time.perf_counter() - began


def held(pool: Pool) -> None:
    """Put each worker on a core of its own; its children follow it."""
    if hasattr(os, "sched_setaffinity"):
        cores = itertools.cycle(sorted(os.sched_getaffinity(0)))
        for pid in pool.pids():
            os.sched_setaffinity(pid, {next(cores)})


def run(folder: Path, rounds: int, files: int, weights: str | None, free: bool = False) -> float:
    """Let the pools take turns, print; returns the median ratio of seconds."""
    clips, out = make_clips(folder, files), folder / "reports"
    out.mkdir()
    with Pool(1, weights, 1) as one, Pool(2, weights, 1) as two:
        if not free:
            held(one)
            held(two)
        for pool in (one, two):
            worked(pool, clips[:2], out)
        ratios = []
        for number in range(rounds):
            slow, fast = (worked(pool, clips, out) for pool in (one, two))
            ratios.append(slow / fast)
            print(
                f"round {number + 1}: {files} files, one worker {slow:.1f} s, two {fast:.1f} s, "
                f"ratio {ratios[-1]:.2f}, {3600 * files / fast:.0f} files an hour",
                flush=True,
            )
    print(f"median ratio {median(ratios):.2f}, at least {WANTED} is wanted")
    return median(ratios)


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--weights", help="folder, shipped name or org/name (default: the shipped)")
    parser.add_argument("--free", action="store_true", help="do not hold a worker to one core")
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as folder:
        ratio = run(Path(folder), chosen.rounds, chosen.files, chosen.weights, chosen.free)
    return int(ratio < WANTED)


if __name__ == "__main__":
    raise SystemExit(main())
