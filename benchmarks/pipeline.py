"""The whole analysis against the naive reference, in CPU seconds; at least 15 times is wanted.

    python -m benchmarks.pipeline [--rounds 3] [--weights SPEC]

Makes a ten-second 1080p H.264 clip of a moving portrait in a temporary folder, then lets the naive
reference and `Detector.analyze` take turns on it (A B A B ...), each in a process of its own on two
cores: 32 frames, scores, and heatmaps drawn over each crop and frame. What counts is the user and
system time of the process and of its children, from the moment that the models are loaded and have
run once on two frames until the overlays are drawn; the time of the whole process, imports and
loading included, is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dfexplain.structures import VideoReport

Image = NDArray[np.uint8]

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "tests" / "data" / "portraits" / "B001278.jpg"
FRAMES = 32
FPS = 25
CORES = 2
WANTED = 15.0
SIDES = ("naive", "dfexplain")


def moving_portrait(width: int, height: int, frames: int) -> Iterator[Image]:
    """A portrait that sways and nods before a textured wall, with a little film grain."""
    random = np.random.default_rng(0)
    bgr = cv2.imread(str(PORTRAIT))
    head = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.float32)
    coarse = random.uniform(40, 200, (9, 16, 3)).astype(np.float32)
    wall = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    wall += cv2.resize(random.normal(0, 14, (height // 4, width // 4, 1)), (width, height))[
        ..., None
    ]
    grain = random.normal(0, 2.5, (8, height, width, 1)).astype(np.float32)
    inside = np.zeros(head.shape[:2], np.float32)
    middle = (head.shape[1] // 2, round(0.42 * head.shape[0]))
    cv2.ellipse(inside, middle, (round(0.4 * head.shape[1]), middle[1] - 6), 0, 0, 360, 1.0, -1)
    inside = cv2.GaussianBlur(inside, (0, 0), 6)
    size = 0.75 * height / head.shape[0]
    for number in range(frames):
        t = number / FPS
        scale = size * (1 + 0.06 * np.sin(0.9 * t))
        turn = cv2.getRotationMatrix2D(middle, 4 * np.sin(1.3 * t), scale)
        turn[:, 2] += [
            width * (0.5 + 0.12 * np.sin(0.7 * t)) - middle[0],
            height * (0.5 + 0.05 * np.sin(1.7 * t)) - middle[1],
        ]
        here = cv2.warpAffine(head, turn, (width, height), flags=cv2.INTER_LINEAR)
        mask = cv2.warpAffine(inside, turn, (width, height), flags=cv2.INTER_LINEAR)[..., None]
        picture = wall * (1 - mask) + here * mask + grain[number % len(grain)]
        yield np.clip(picture, 0, 255).astype(np.uint8)


def make_clip(path: Path, width: int = 1920, height: int = 1080, seconds: float = 10.0) -> Path:
    """Write the clip of the benchmark, or a smaller one."""
    from dfexplain import video

    pictures = moving_portrait(width, height, round(seconds * FPS))
    return video.write(path, pictures, FPS, crf=23, preset="veryfast", threads=CORES)


def naive(clip: Path) -> Callable[[int], int]:
    """Load the reference; the call does the work on so many frames and counts the faces."""
    from benchmarks.naive import NaiveDetector

    detector = NaiveDetector()
    return lambda frames: len(detector.analyze(clip, frames))


def dfexplain(clip: Path, weights: str | None) -> Callable[[int], int]:
    """Load the detector; the call does the work on so many frames and counts the faces."""
    from dfexplain import hub
    from dfexplain.detector import Detector
    from dfexplain.structures import Sampling, VideoReport

    detector = Detector(hub.load(weights))

    def work(frames: int) -> int:
        *_, report = detector.analyze(clip, Sampling(frames=frames))
        assert isinstance(report, VideoReport)
        return draw(report)

    return work


def draw(report: VideoReport) -> int:
    """Draw the map over each crop and each frame of a report; how many there were."""
    from dfexplain import explain, jpegs

    previews = {view.time_s: view for view in report.previews}
    for lane in report.lanes:
        for row in range(len(lane)):
            heat = explain.lane_heatmap(report, lane, row)
            explain.overlay(jpegs.decoded(lane.scores.crops_jpeg[row]), heat)
            view = previews[float(lane.track.time_s[row])]
            box = lane.track.box_xyxy[row] * np.float32(view.scale)
            explain.overlay_frame(view.picture.rgb, box, heat, report.weights.crop_margin)
    return sum(len(lane) for lane in report.lanes)


def cpu_s() -> float:
    """User and system time of this process and of its ended children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(side: str, clip: Path, weights: str | None) -> dict[str, float]:
    """Do the work of one side in this process."""
    work = naive(clip) if side == "naive" else dfexplain(clip, weights)
    work(2)
    began_cpu, began = cpu_s(), time.perf_counter()
    faces = work(FRAMES)
    wall = time.perf_counter() - began
    return {"faces": faces, "cpu_s": cpu_s() - began_cpu, "wall_s": wall, "process_s": cpu_s()}


def run_side(side: str, clip: Path, weights: str | None) -> dict[str, float]:
    """One side in a process of its own, on at most two cores."""
    command = [sys.executable, "-m", "benchmarks.pipeline", "--measure", side, str(clip)]
    command += ["--weights", weights] if weights else []
    # Threads that wait must not spin: on a busy machine it triples the CPU time of the reference.
    calm = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    answer = subprocess.run(command, cwd=ROOT, env=calm, check=True, capture_output=True, text=True)
    row: dict[str, float] = json.loads(answer.stdout)
    print(
        f"  {side:>9}: {row['faces']:.0f} faces, {row['cpu_s']:6.2f} s of CPU, "
        f"{row['wall_s']:6.2f} s on the clock, whole process {row['process_s']:6.2f} s of CPU",
        flush=True,
    )
    return row


def run(folder: Path, rounds: int, weights: str | None) -> float:
    """Make the clip, let the sides take turns, print; returns the median ratio of CPU seconds."""
    clip = make_clip(folder / "clip.mp4")
    print(f"clip: 10 s, 1920 x 1080, {clip.stat().st_size / 1e6:.1f} MB", flush=True)
    ratios, whole = [], []
    for number in range(rounds):
        print(f"round {number + 1}")
        slow, fast = (run_side(side, clip, weights) for side in SIDES)
        if min(slow["faces"], fast["faces"]) < FRAMES:
            raise SystemExit("a side missed faces: the ratio would mean nothing")
        ratios.append(slow["cpu_s"] / fast["cpu_s"])
        whole.append(slow["process_s"] / fast["process_s"])
        print(f"  ratio {ratios[-1]:.1f} (whole process {whole[-1]:.1f})", flush=True)
    print(f"median ratio {median(ratios):.1f}, at least {WANTED:.0f} is wanted")
    print(f"median ratio of whole processes {median(whole):.1f}")
    return median(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", help="folder, shipped name or org/name (default: the shipped)")
    parser.add_argument("--measure", nargs=2, metavar=("SIDE", "CLIP"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if chosen.measure:
        json.dump(measure(chosen.measure[0], Path(chosen.measure[1]), chosen.weights), sys.stdout)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return int(run(Path(folder), chosen.rounds, chosen.weights) < WANTED)


if __name__ == "__main__":
    raise SystemExit(main())
