"""The app under load: 50 uploads at once, visitors who leave, and memory over many jobs.

    python -m benchmarks.soak [--short]

Serves the page in a process of its own with small random weights, so that what is measured is the
app and not the network. The long form has 100 visitors who leave and 500 analyses, and took four
and a half minutes on two cores; --short has 6 and 24, and after the first analysis hands out copies
of its report. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from dfexplain.hub import Weights
from dfexplain.structures import Progress, Sampling, VideoReport

__all__ = ["App", "Finding", "busy", "growth", "leaving", "main", "served"]

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "examples" / "untouched.mp4"
FRAMES = 8
UPLOADS, TAKEN = 50, 21
LEAVERS, LEAVERS_SHORT = 100, 6
JOBS, JOBS_SHORT, WARM_UP = 500, 24, 30
FREE_S, MB_A_JOB = 3.0, 0.2
PATIENCE_S = 120.0
# Files of the folder that the served process and this one share.
GATE, DIARY = "gate", "diary.txt"


@dataclass(frozen=True)
class Finding:
    """What was measured of one promise, and whether it is kept."""

    text: str
    held: bool


class App:
    """The served app, as its visitors and its operator see it."""

    def __init__(self, folder: Path, address: str, pid: int) -> None:
        self.folder, self.address, self.pid = folder, address, pid

    @contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        """A browser of its own, with its cookie."""
        with httpx.Client(base_url=self.address, timeout=PATIENCE_S) as client:
            events = client.get("/config").json()["dependencies"]
            self.endpoint = next(one["id"] for one in events if one["api_name"] == "analyze")
            yield client

    def upload(self, client: httpx.Client, name: str = "clip.mp4") -> str:
        answer = client.post("/gradio_api/upload", files={"files": (name, CLIP.read_bytes())})
        return str(answer.raise_for_status().json()[0])

    def ask(self, client: httpx.Client, path: str, session: str) -> httpx.Response:
        """Join the queue."""
        video = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = {"data": [video, FRAMES], "fn_index": self.endpoint, "session_hash": session}
        return client.post("/gradio_api/queue/join", json=body)

    def follow(self, client: httpx.Client, session: str) -> bool:
        """Stay until the end; whether it was a good one."""
        asked = {"session_hash": session}
        with client.stream("GET", "/gradio_api/queue/data", params=asked) as events:
            for line in events.iter_lines():
                if "process_completed" in line:
                    return '"success":true' in line.replace(" ", "")
        return False

    def diary(self) -> list[str]:
        """A line whenever an analysis began, and one when it was over."""
        path = self.folder / DIARY
        return path.read_text("utf-8").split() if path.exists() else []

    def wait_for(self, what: str, number: int, within_s: float = PATIENCE_S) -> float:
        """Seconds until the diary holds that line so often; AssertionError if it never does."""
        begin = time.monotonic()
        while self.diary().count(what) < number:
            assert time.monotonic() - begin < within_s, f"no {what} number {number}"
            time.sleep(0.02)
        return time.monotonic() - begin

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8").splitlines()
        return next(float(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1e3

    @contextmanager
    def held(self) -> Iterator[None]:
        """The worker waits in its analysis."""
        gate = self.folder / GATE
        gate.touch()
        try:
            yield
        finally:
            gate.unlink()


@contextmanager
def served(folder: Path, short: bool) -> Iterator[App]:
    """The app in a process of its own, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "DFEXPLAIN_HISTORY": "off",
        "OMP_WAIT_POLICY": "PASSIVE",
        "no_proxy": "127.0.0.1",
    }
    command = [sys.executable, "-m", "benchmarks.soak", "--serve", str(folder)]
    command += ["--short"] if short else []
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 2 * PATIENCE_S
            while True:
                with suppress(httpx.TransportError):
                    httpx.get(f"{address}/config", timeout=5)
                    break
                alive = process.poll() is None and time.monotonic() < end
                assert alive, (folder / "log.txt").read_text("utf-8")[-2000:]
                time.sleep(0.2)
            yield App(folder, address, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def serve(folder: Path, short: bool) -> None:
    """The process of `served`."""
    from dfexplain import hub, ui
    from dfexplain.detector import Detector
    from dfexplain.models import ModelConfig, build
    from dfexplain.ui.services import Services

    config = ModelConfig(backbone="mobilenetv3_small_100", crop_px=64)
    state = build(config).state_dict()
    hub.save(folder / "w", config=config, state=state, heat_scale=1.0, card="random numbers")
    small = hub.load(folder / "w")
    kept: list[VideoReport] = []

    def note(what: str) -> None:
        with (folder / DIARY).open("a", encoding="utf-8") as diary:
            diary.write(f"{what}\n")

    def analyze(
        path: Path, weights: Weights, sampling: Sampling
    ) -> Iterator[Progress | VideoReport]:
        note("begun")
        try:
            yield Progress("open", 0, 1)
            while (folder / GATE).exists():
                time.sleep(0.05)
                yield Progress("open", 0, 1)
            if short and kept:
                yield dataclasses.replace(kept[0])
                return
            for item in Detector(weights).analyze(path, sampling):
                if isinstance(item, VideoReport):
                    kept[:] = [item]
                yield item
        finally:
            note("over")

    page = ui.build(Services(load=lambda spec: small, analyze=analyze), folder)
    ui.launch(page)


def busy(app: App) -> Finding:
    """50 uploads at once while the worker is held: who is taken, who is told to come again."""
    with app.held(), ThreadPoolExecutor(UPLOADS) as crowd, app.visitor() as client:
        begun = app.diary().count("begun")

        def send(number: int) -> tuple[int, int]:
            path = app.upload(client, f"{number}.mp4")
            return number, app.ask(client, path, f"busy-{number}").status_code

        first = send(0)
        app.wait_for("begun", begun + 1)
        answers = dict([first, *crowd.map(send, range(1, UPLOADS))])
        told = Counter(answers.values())
    with ThreadPoolExecutor(TAKEN) as crowd, app.visitor() as client:
        taken = [f"busy-{n}" for n, status in answers.items() if status == 200]
        ended = list(crowd.map(lambda session: app.follow(client, session), taken))
    errors = sum(count for status, count in told.items() if status not in (200, 503))
    text = (
        f"{told[200]} of {UPLOADS} taken, {told[503]} told that it is busy, {errors} other "
        f"answers, {sum(ended)} of those taken analysed"
    )
    held = (told[200], told[503], errors) == (TAKEN, UPLOADS - TAKEN, 0) and all(ended)
    return Finding(text, held)


def leaving(app: App, visitors: int) -> Finding:
    """Visitors who cancel, or close their tab, in the middle: until the worker is free again."""
    longest = 0.0
    for number in range(visitors):
        with app.held(), app.visitor() as client:
            begun, over = app.diary().count("begun"), app.diary().count("over")
            session = f"leaving-{number}"
            path = app.upload(client)
            event = app.ask(client, path, session).raise_for_status().json()["event_id"]
            asked = {"session_hash": session}
            with client.stream("GET", "/gradio_api/queue/data", params=asked) as events:
                # Held by a name: an iterator that nobody holds closes the stream, and with it the
                # visitor would be gone before the analysis begins.
                lines = events.iter_lines()
                for line in lines:
                    if "process_generating" in line or "process_starts" in line:
                        break
                app.wait_for("begun", begun + 1)
                if number % 2:
                    body = asked | {"fn_index": app.endpoint, "event_id": event}
                    client.post("/gradio_api/cancel", json=body).raise_for_status()
                    longest = max(longest, app.wait_for("over", over + 1))
            if not number % 2:
                longest = max(longest, app.wait_for("over", over + 1))
    text = f"{visitors} left, half by Cancel; the worker was free after {longest:.2f} s at most"
    return Finding(text, longest <= FREE_S)


def growth(app: App, jobs: int, warm_up: int) -> Finding:
    """Resident memory over analyses, each of a new visitor: its slope after the first ones."""
    resident = []
    for number in range(warm_up + jobs):
        with app.visitor() as client:
            session = f"job-{number}-{jobs}"
            app.ask(client, app.upload(client), session).raise_for_status()
            assert app.follow(client, session), f"job {number} failed"
        resident.append(app.resident_mb())
    after = np.array(resident[warm_up:])
    slope = float(np.polyfit(np.arange(jobs), after, 1)[0])
    text = f"{slope:+.3f} MB a job over {jobs} jobs after {warm_up}, {after[-1]:.0f} MB in the end"
    return Finding(text, slope <= MB_A_JOB)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="6 who leave and 24 analyses")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        serve(chosen.serve, chosen.short)
        return 0
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), chosen.short) as app,
    ):
        found = [
            busy(app),
            leaving(app, LEAVERS_SHORT if chosen.short else LEAVERS),
            growth(app, JOBS_SHORT if chosen.short else JOBS, WARM_UP),
        ]
        for finding in found:
            print(finding.text, "" if finding.held else "MISSED", flush=True)
    return int(not all(finding.held for finding in found))


if __name__ == "__main__":
    raise SystemExit(main())
