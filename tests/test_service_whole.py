"""The service as it is started, with its worker: what comes out is what the command line writes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dfexplain import hub
from dfexplain.detector import Detector
from dfexplain.report import to_json
from dfexplain.service.serving import entry_of
from dfexplain.structures import Sampling, VideoReport
from tests import small_weights as small
from tests.clips import make_clip

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 240.0


@contextmanager
def served(folder: Path, *more: str, **environment: str) -> Iterator[str]:
    """`dfexplain serve` on a free port; its address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "dfexplain", "serve", "--port", str(port), *more]
    calm = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", **environment}
    log = folder / "log.txt"
    with log.open("wb") as file:
        run = subprocess.Popen(command, cwd=ROOT, env=os.environ | calm, stdout=file, stderr=file)
    try:
        end = time.monotonic() + DEADLINE_S
        address = f"http://127.0.0.1:{port}"
        while True:
            assert run.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield address
    finally:
        run.terminate()
        run.wait(60)


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    end = time.monotonic() + DEADLINE_S
    while job["finished_at"] is None:
        assert time.monotonic() < end, job
        time.sleep(0.2)
        job = client.get(f"/api/v1/jobs/{job['id']}").json()
    return job


@pytest.mark.timeout(900)
def test_the_service_answers_what_the_command_line_writes(tmp_path: Path) -> None:
    weights = small.publishable(tmp_path / "weights")
    clip = make_clip(tmp_path / "clip one.mp4", 12, size=(160, 120))
    key, entry = entry_of("tests")
    with (
        served(
            tmp_path, "--no-page", "--weights", str(weights),
            DFEXPLAIN_API_KEYS=entry,
            DFEXPLAIN_DATABASE=f"sqlite:///{tmp_path / 'jobs.sqlite'}",
            DFEXPLAIN_FILES=str(tmp_path / "files"),
        ) as address,
        httpx.Client(base_url=address, headers={"X-API-Key": key}) as client,
    ):  # fmt: skip
        asked = {"files": {"file": (clip.name, clip.read_bytes())}, "data": {"frames": 4}}
        job = ended(client, client.post("/api/v1/jobs", **asked).json())
        assert (job["state"], job["reason"]) == ("done", "no_face")
        document = client.get(f"/api/v1/jobs/{job['id']}/result").content
        assert "No face found" in client.get(f"/api/v1/jobs/{job['id']}/report").text
        bad = {"files": {"file": ("bad.mp4", b"no video")}}
        failed = ended(client, client.post("/api/v1/jobs", **bad).json())
        assert (failed["state"], failed["error"]["code"]) == ("failed", "not-a-video")
        assert httpx.get(address).status_code == 404
    *_, report = Detector(hub.load(weights)).analyze(clip, Sampling(frames=4))
    assert isinstance(report, VideoReport)
    assert document.decode() == to_json(report)


@pytest.mark.slow
def test_the_page_is_served_below_the_api(tmp_path: Path) -> None:
    weights = small.publishable(tmp_path / "weights")
    key, entry = entry_of("tests")
    with served(
        tmp_path, "--no-worker", "--weights", str(weights),
        DFEXPLAIN_API_KEYS=entry,
        DFEXPLAIN_WEIGHTS=str(weights),
        DFEXPLAIN_DATABASE=f"sqlite:///{tmp_path / 'jobs.sqlite'}",
        DFEXPLAIN_FILES=str(tmp_path / "files"),
    ) as address:  # fmt: skip
        page = httpx.get(address)
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert httpx.get(f"{address}/config").status_code == 200
        for closed in (
            "/docs",
            "/gradio_api/run/analyze",
            "/gradio_api/openapi.json",
            "/monitoring",
        ):
            assert httpx.get(address + closed).status_code in (404, 405)
        assert httpx.get(f"{address}/api/v1/jobs").status_code == 401
        asked = httpx.post(f"{address}/api/v1/none", headers={"X-API-Key": key})
        assert (asked.status_code, asked.json()["error"]["code"]) == (404, "request")
