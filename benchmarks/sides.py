"""What the benchmarks let take turns: ways of analysing a clip, each in a process of its own.

The naive ones are written from public knowledge of how such scripts go. `naive` is in `naive.py`;
`naive without seeks` reads all frames in their order instead; `half resolution` is how the winner
of the Deepfake Detection Challenge finds faces (MTCNN with thresholds 0.7, 0.8, 0.8 on frames of
half the size, one at a time; frames that are not wanted are grabbed and not converted), with one B0
on all faces of a frame and no heatmaps. `floor` is what no way can avoid: decoding the frames that
the wanted ones need.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import pipeline

__all__ = ["SIDES", "Spent", "Task", "run"]

Image = NDArray[np.uint8]
Work = Callable[["Task"], int]


class Task(NamedTuple):
    """`frames` spread over a clip, or every `every`-th, or `fps` a second."""

    clip: str
    frames: int | None = 32
    every: int | None = None
    fps: float | None = None


class Spent(NamedTuple):
    """Seconds of CPU time (children too) and on the clock, peak MiB (children too), faces."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    faces: int


def _in_order(task: Task, grab: bool) -> list[tuple[int, Image]]:
    """The wanted frames, all frames read in their order."""
    import cv2

    capture = cv2.VideoCapture(task.clip)
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    if task.every:
        wanted = set(range(0, total, task.every))
    else:
        count = task.frames or total
        wanted = {int((k + 0.5) * total / count) for k in range(count)}
    frames: list[tuple[int, Image]] = []
    for index in range(total):
        if grab and index not in wanted:
            capture.grab()
            continue
        read, bgr = capture.read()
        if read and index in wanted:
            frames.append((index, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)))
    capture.release()
    return frames


def _naive() -> Work:
    from benchmarks.naive import NaiveDetector

    detector = NaiveDetector()
    return lambda task: len(detector.analyze(task.clip, task.frames or 32))


def _naive_in_order() -> Work:
    from benchmarks import naive

    detector = naive.NaiveDetector()

    def work(task: Task) -> int:
        frames = _in_order(task, grab=False)
        # The same work on frames that are there already.
        reader, naive.read_frames = naive.read_frames, lambda path, count: frames
        try:
            return len(detector.analyze(task.clip, len(frames)))
        finally:
            naive.read_frames = reader

    return work


def _half_resolution() -> Work:
    import cv2
    import torch
    from facenet_pytorch import MTCNN

    from benchmarks import naive

    finder = MTCNN(margin=0, thresholds=[0.7, 0.8, 0.8], keep_all=True)
    model = naive.build_b0()

    def work(task: Task) -> int:
        count = 0
        for _, rgb in _in_order(task, grab=True):
            half = cv2.resize(rgb, (rgb.shape[1] // 2, rgb.shape[0] // 2))
            boxes = 2 * naive.find_faces(finder, np.asarray(half, np.uint8))
            if not len(boxes):
                continue
            crops = np.stack([naive.cut_out(rgb, box)[0] for box in boxes])
            pixels = (crops.astype(np.float32) / 255 - naive.MEAN) / naive.STD
            with torch.no_grad():
                torch.sigmoid(model(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
            count += len(boxes)
        return count

    return work


def _dfexplain(overlays: bool) -> Work:
    from dfexplain import hub
    from dfexplain.detector import Detector
    from dfexplain.structures import Sampling, VideoReport

    detector = Detector(hub.load(None))

    def work(task: Task) -> int:
        *_, report = detector.analyze(task.clip, Sampling(task.frames, task.fps, task.every))
        assert isinstance(report, VideoReport)
        if overlays:
            return pipeline.draw(report)
        return sum(len(lane) for lane in report.lanes)

    return work


def _floor() -> Work:
    """Decoding alone, in this process, without a conversion to RGB."""
    from dfexplain.caged import Channel
    from dfexplain.decode import _Decoder
    from dfexplain.packets import Reader
    from dfexplain.plan import Request, make_plan

    class Silent(Channel):
        def beat(self) -> None:
            """Nobody waits."""

    def work(task: Task) -> int:
        reader = Reader(task.clip, Silent())
        plan = make_plan(reader.look(), Request(task.frames, task.fps, task.every, 1 << 30))
        assert plan is not None
        return sum(rank >= 0 for rank, _ in _Decoder(reader, plan, 1 << 26).wanted())

    return work


SIDES: dict[str, Callable[[], Work]] = {
    "naive": _naive,
    "naive without seeks": _naive_in_order,
    "half resolution": _half_resolution,
    "dfexplain": lambda: _dfexplain(overlays=True),
    "dfexplain, scores only": lambda: _dfexplain(overlays=False),
    "floor": _floor,
}


class _Peak(threading.Thread):
    """Watches the peak memory of the children of this process; its own is asked for at the end.

    `ru_maxrss` would count what this process held when a child was started; /proc does not.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.children: dict[str, float] = {}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.2):
            listed = Path(f"/proc/self/task/{os.getpid()}/children")
            for child in listed.read_text().split() if listed.exists() else []:
                # The last one counts: until it runs its own program, a child shows its parent's.
                self.children[child] = peak_mib(child) or self.children.get(child, 0.0)

    def mib(self) -> float:
        """Of this process and of the largest of its children."""
        self._over.set()
        self.join()
        return peak_mib("self") + max(self.children.values(), default=0.0)


def peak_mib(process: str) -> float:
    """Peak resident memory of a process in MiB; 0 where there is no /proc, or it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def measure(side: str, task: Task) -> Spent:
    """Do the work of one side here, once its models are loaded and have run on two frames."""
    work, peak = SIDES[side](), _Peak()
    peak.start()
    if side != "floor":
        work(Task(task.clip, 2))
    began_cpu, began = pipeline.cpu_s(), time.perf_counter()
    faces = work(task)
    wall = time.perf_counter() - began
    return Spent(pipeline.cpu_s() - began_cpu, wall, peak.mib(), faces)


def run(side: str, task: Task) -> Spent:
    """One side in a process of its own, on at most two cores."""
    command = [sys.executable, "-m", "benchmarks.sides", side, json.dumps(task)]
    answer = subprocess.run(
        command, cwd=pipeline.ROOT, env=calm(), check=True, capture_output=True, text=True
    )
    return Spent(*json.loads(answer.stdout.splitlines()[-1]))


def calm() -> dict[str, str]:
    """The environment of every side: threads that wait must not spin, which on a busy machine
    triples the CPU time of the reference."""
    return dict(os.environ) | {"OMP_WAIT_POLICY": "PASSIVE"}


def main() -> int:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: pipeline.CORES])
    print(json.dumps(measure(sys.argv[1], Task(*json.loads(sys.argv[2])))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
