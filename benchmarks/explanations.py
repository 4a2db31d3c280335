"""What explaining costs beside scoring, as ratios within one run.

    python -m benchmarks.explanations [--rounds 5] [--weights SPEC]

Sixteen crops are scored; scored, their maps drawn over them; and scored, the map of each held
against chance in twelve further passes. The three take turns on one machine with two threads, and
what is printed is the median of each over the rounds, in CPU seconds, and its ratio to the first.
The last line is what opening one frame takes, in seconds on the clock: the map, the test against
chance and every region covered. At most 1.2 times is wanted of the overlays, and about a second of
the opened frame.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from dfexplain import explain, hub
from dfexplain.engine import Engine
from dfexplain.explain.cover import variants
from dfexplain.explain.faithfulness import PASSES, judge, probes
from dfexplain.explain.regions import REGIONS
from dfexplain.structures import Heatmap

__all__ = ["OVERLAYS_WANTED", "main", "measure"]

CROPS = Path(__file__).resolve().parent.parent / "examples" / "crops" / "forged"
FRAMES = 16
OVERLAYS_WANTED = 1.2

Image = NDArray[np.uint8]


def _crops(size_px: int) -> Image:
    files = sorted(CROPS.glob("*.jpg"))[:FRAMES]
    crops = [cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) for file in files]
    resized = [cv2.resize(c, (size_px, size_px), interpolation=cv2.INTER_AREA) for c in crops]
    return np.asarray(np.stack(resized), np.uint8)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def measure(weights: hub.Weights, rounds: int) -> dict[str, float]:
    """Median CPU seconds of `score`, `overlays` and `faithfulness`, the last two with the scoring;
    `opened`, the seconds on the clock for one frame."""
    engine = Engine(weights.config, weights.state)
    crops, scale = _crops(weights.config.crop_px), weights.heat_scale

    def score() -> NDArray[np.float32]:
        return engine.run(crops).evidence

    def overlays() -> None:
        for crop, values in zip(crops, score(), strict=True):
            explain.overlay(crop, Heatmap(values, scale, "Grad-CAM"))

    def faithfulness() -> None:
        for crop, values in zip(crops, score(), strict=True):
            masks = probes(crop, values, toward_real=False)
            logits = engine.logits(variants(crop[None], masks))[:, 0]
            judge(logits, values, toward_real=False)

    def opened() -> None:
        masks = np.zeros((1 + PASSES + len(REGIONS), *crops.shape[1:3]), np.float32)
        masks[:, 10:40, 10:40] = 1.0
        engine.logits(variants(crops[:1], masks))

    sides: dict[str, Callable[[], object]] = {
        "score": score,
        "overlays": overlays,
        "faithfulness": faithfulness,
    }
    spent: dict[str, list[float]] = {name: [] for name in (*sides, "opened")}
    score()
    for _ in range(rounds):
        for name, work in sides.items():
            began = _cpu_s()
            work()
            spent[name].append(_cpu_s() - began)
        clock = time.perf_counter()
        opened()
        spent["opened"].append(time.perf_counter() - clock)
    return {name: median(seconds) for name, seconds in spent.items()}


def main() -> int:
    """Print the table; 1 if the overlays cost more than is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights")
    arguments = parser.parse_args()
    found = measure(hub.load(arguments.weights), arguments.rounds)
    for name in ("score", "overlays", "faithfulness"):
        print(f"{name:<14}{found[name]:8.3f} CPU s  {found[name] / found['score']:6.2f} x")
    print(f"{'opened frame':<14}{found['opened']:8.3f} s on the clock")
    return 0 if found["overlays"] <= OVERLAYS_WANTED * found["score"] else 1


if __name__ == "__main__":
    sys.exit(main())
