"""What stands behind the page in tests: drawn reports instead of a detector, each step on a clock.

`served()` runs a page in a process of its own. `python -m tests.pages FOLDER S` is
such a process: it offers the clips of the folder, takes S seconds a step (and a second for `SLOW`),
and writes the end of each analysis into diary.txt.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from dfexplain import ui, video
from dfexplain.errors import HubUnavailable, NotAVideo, WeightsNotFound
from dfexplain.history import History
from dfexplain.hub import Weights
from dfexplain.recompress import Recompressed, Step, overlap, variants
from dfexplain.structures import (
    Outcome,
    Progress,
    Provenance,
    ProvenanceState,
    Sampling,
    VideoReport,
)
from dfexplain.ui.services import Services
from tests import planted
from tests.calibrations import CROP_PX, MARGIN, make_calibration, make_evaluation, make_weights
from tests.report_changes import as_picture, by_others
from tests.reports import REPORTS

__all__ = ["SLOW", "Drawn", "drawn_weights", "in_loop", "served", "write_clip", "write_examples"]

ROOT = Path(__file__).resolve().parent.parent

Made = TypeVar("Made")
SLOW = "crowd"
CARD = "---\nlicense: apache-2.0\n---\n# Drawn weights\n\nThey score drawn faces.\n"


def drawn_weights(calibrated: bool = True) -> Weights:
    """Weights of a page whose detector is replaced; they explain by a model that looks for
    magenta."""
    info = make_weights(calibrated)
    return Weights(
        info=info,
        config=replace(planted.CONFIG, crop_px=CROP_PX, crop_margin=MARGIN),
        state=planted.state(),
        heat_scale=REPORTS["two_faces"]().heat_scale,
        calibration=make_calibration(info.sha256) if calibrated else None,
        out_of_distribution=None,
        card=CARD,
        folder=Path("weights/default"),
        evaluation=make_evaluation(info.sha256) if calibrated else None,
        unevaluated_because=None if calibrated else "the weights came without evaluation.json",
    )


@dataclass
class Drawn:
    """A detector that answers with the drawn report of the file's name, step by step."""

    pause_s: float = 0.1
    started: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    diary: Path | None = None
    history: History | None = None
    first_load_s: float = 0.0

    def services(self) -> Services:
        return Services(
            load=self.load,
            analyze=self.analyze,
            playable_copy=video.reencode_for_playback,
            recompress=self.recompress,
            compare=self.compare,
            history=lambda: self.history,
            provenance=lambda path: Provenance(ProvenanceState.NONE),
        )

    def compare(
        self, path: Path, sets: tuple[Weights, Weights], sampling: Sampling
    ) -> Iterator[Progress | VideoReport]:
        """The second set contradicts the first."""
        for item in self.analyze(path, sets[0], sampling):
            yield item
        yield Progress("read", 8, 32)
        assert isinstance(item, VideoReport)
        yield by_others(item)

    def recompress(
        self, path: Path, weights: Weights, report: VideoReport
    ) -> Iterator[Step | Recompressed]:
        """Two encodings, of which the coarse one has lost the verdict."""
        for variant, outcome in zip(
            variants([23]), (report.verdict.outcome, Outcome.UNCERTAIN), strict=True
        ):
            yield Step(variant, "encode", Progress("encode", 3, 8))
            time.sleep(self.pause_s)
            verdict = replace(report.verdict, outcome=outcome)
            survives = outcome is report.verdict.outcome
            sampling, spans = report.sampling, report.segments[: 1 + survives]
            share = overlap(report.segments, spans)
            yield Recompressed(variant, "0" * 64, 900, sampling, verdict, spans, share, survives)

    def load(self, spec: str | None) -> Weights:
        if spec not in (None, "default", "plain"):
            raise WeightsNotFound(f"weights must be a folder, but got {spec!r}. Look again.")
        wait, self.first_load_s = self.first_load_s, 0.0
        time.sleep(wait)
        return drawn_weights(calibrated=spec != "plain")

    def analyze(
        self, path: Path, weights: Weights, sampling: Sampling
    ) -> Iterator[Progress | VideoReport]:
        self.started += 1
        if path.stem == "broken":
            raise NotAVideo("broken.mp4 must hold a readable video, but got: no index.")
        if path.stem == "offline":
            raise HubUnavailable("the Hub must answer, but it does not. Check the network.")
        if path.stem == "crash":
            raise RuntimeError("a mistake in the program")
        report = REPORTS.get(path.stem, REPORTS["two_faces"])()
        if path.suffix == ".jpg":
            report = as_picture(REPORTS["uncalibrated"]())
        end = "stopped"
        try:
            yield Progress("open", 0, 1)
            for number, preview in enumerate(report.previews, 1):
                if number % 4:
                    continue
                time.sleep(1.0 if path.stem == SLOW else self.pause_s)
                lanes = tuple(
                    (lane.track_id, lane.track.time_s[seen], lane.scores.logit[seen])
                    for lane in report.lanes
                    if (seen := lane.track.time_s <= preview.time_s).any()
                )
                yield Progress("read", number, report.coverage.wanted, preview, lanes)
            yield Progress("score", 1, 1)
            end = "finished"
            yield report
        finally:
            self.stopped.set()
            if self.diary is not None:
                with self.diary.open("a") as diary:
                    diary.write(f"{path.stem} {end}\n")


def write_examples(folder: Path, *names: str) -> Path:
    """A folder with a playable clip of each named report."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_clip(REPORTS[name](), folder / f"{name}.mp4")
    return folder


def write_clip(report: VideoReport, path: Path) -> None:
    """The report's previews as a video of its length."""
    fps = 8.0
    frames = [preview.picture.rgb for preview in report.previews]
    count = round((report.info.duration_s or 1.0) * fps)
    shown = [frames[min(len(frames) - 1, i * len(frames) // count)] for i in range(count)]
    video.write(path, shown, fps, preset="ultrafast")


def in_loop(make: Callable[[], Made]) -> Made:
    """Make parts of a page inside an event loop: outside of one, Gradio opens one and leaves it."""

    async def made() -> Made:
        return make()

    return asyncio.run(made())


@contextmanager
def served(command: list[str], cache: Path, cwd: Path = ROOT) -> Iterator[str]:
    """Run a program that serves a page; gives its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(cache),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "2",
        "no_proxy": "127.0.0.1,localhost",
    }
    log = cache.with_suffix(".log")
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=cwd, env=os.environ | settings, stdout=out, stderr=out
        )
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 240
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"the page's process ended: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"the page did not come up: {log.read_text()[-2000:]}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    kept = History(folder / "history.sqlite")
    drawn = Drawn(pause_s=float(sys.argv[2]), diary=folder / "diary.txt", history=kept)
    drawn.first_load_s = float(sys.argv[3]) if sys.argv[3:] else 0.0
    ui.launch(ui.build(drawn.services(), folder))
