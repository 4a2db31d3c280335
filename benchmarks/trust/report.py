"""R7, R8, R9: what is said of a file that is cut or turned, and the same every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.trust.rows import Figure, Row
from benchmarks.trust.suite import ROOT, passed
from dfexplain import hub, report, video
from dfexplain.detector import Detector
from dfexplain.structures import Sampling, VideoReport
from tests.clips import make_clip

__all__ = ["ROWS", "hashes", "turned"]

CLIP = ROOT / "examples" / "untouched.mp4"
TURNS = (90, 180, -90)
LIMIT_P = 0.02
# Runs of each of three processes, with what their caller says of threads.
PROCESSES = ((4, "1"), (3, "2"), (3, "4"))
PARTIAL = (
    "tests/test_video_damage.py::test_a_truncated_mp4_says_what_is_missing",
    "tests/test_video_damage.py::test_a_truncated_mkv_says_what_is_missing",
    "tests/test_video_damage.py::test_damage_in_the_middle_costs_only_what_it_hit",
    "tests/test_aggregate.py",
)
TIMES = (
    "tests/test_video.py::test_every_format_gives_the_very_frames_at_their_times",
    "tests/test_video.py::test_a_variable_frame_rate_gives_true_times",
    "tests/test_video.py::test_a_rotated_video_is_turned_upright",
    "tests/test_video.py::test_a_phones_display_matrix_is_understood",
)


def _analysed(detector: Detector, path: Path, frames: int) -> VideoReport:
    *_, found = detector.analyze(path, Sampling(frames=frames))
    assert isinstance(found, VideoReport)
    return found


def turned(folder: Path, weights: str | None, frames: int) -> tuple[float, float]:
    """The greatest difference in p (in logits without a calibration) and in the time of a frame
    between a copy without loss and copies whose coded pictures lie on a side."""
    with video.sample(CLIP, Sampling(frames=frames)) as stream:
        pictures = [frame.rgb for frame in stream]
    height, width = pictures[0].shape[:2]

    def picture(number: int, _width: int, _height: int) -> NDArray[np.uint8]:
        return pictures[number]

    def copy(rotation: int) -> VideoReport:
        path = make_clip(
            folder / f"{rotation}.mp4", len(pictures), size=(width, height), fps=8,
            pix_fmt="yuv444p", rotation=rotation, options={"crf": "0", "preset": "ultrafast"},
            picture=picture,
        )  # fmt: skip
        return _analysed(detector, path, frames)

    detector = Detector(hub.load(weights))
    plain = copy(0)
    apart, late = 0.0, 0.0
    for rotation in TURNS:
        other = copy(rotation)
        assert other.info.rotation_deg == rotation % 360
        if plain.verdict.p_fake is not None and other.verdict.p_fake is not None:
            apart = max(apart, abs(plain.verdict.p_fake - other.verdict.p_fake))
        else:
            assert plain.verdict.score is not None
            assert other.verdict.score is not None
            apart = max(apart, abs(plain.verdict.score - other.verdict.score))
        for one, two in zip(plain.previews, other.previews, strict=True):
            late = max(late, abs(one.time_s - two.time_s))
    return apart, late


def hashes(weights: str | None, frames: int, processes: tuple[tuple[int, str], ...]) -> list[str]:
    """The sha256 of the JSON report of each run, in processes of their own."""
    told = []
    for runs, threads in processes:
        command = [sys.executable, "-m", "benchmarks.trust.report", str(runs), str(frames)]
        done = subprocess.run(
            [*command, *([weights] if weights else [])],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            check=True, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        told += done.stdout.split()
    return told


def _partial(full: bool) -> Figure:
    return passed(*PARTIAL)


def _turned(full: bool) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        apart, late = turned(Path(folder), None, 32 if full else 16)
    tests = passed(*TIMES)
    text = f"p {apart:.4f} apart at most, times {late:.4f} s; {tests.text}"
    return Figure(text, apart <= LIMIT_P and late < 1 / 8 and bool(tests.held))


def _same(full: bool) -> Figure:
    told = hashes(None, 32 if full else 8, PROCESSES)
    text = f"{len(told)} runs in {len(PROCESSES)} processes: {len(set(told))} sha256"
    return Figure(text, len(told) == 10 and len(set(told)) == 1)


ROWS = (
    Row("R7", "a damaged file is read as far as it goes, and says so",
        "\"x of y frames\"; too little is not analysable or uncertain", _partial),
    Row("R8", "a turned copy without loss is scored as it is, at its times",
        f"{LIMIT_P} in p, one frame", _turned),
    Row("R9", "the same file gives the same report", "10 runs, 3 processes, 1 sha256", _same),
)  # fmt: skip


def main() -> None:
    """The process of `hashes`: RUNS FRAMES [WEIGHTS]."""
    runs, frames, *weights = sys.argv[1:]
    for _ in range(int(runs)):
        # A model of its own each time: what was built before must not matter.
        detector = Detector(hub.load(*weights))
        text = report.to_json(_analysed(detector, CLIP, int(frames)))
        print(hashlib.sha256(text.encode()).hexdigest())


if __name__ == "__main__":
    main()
