"""How long one waits: for the first byte of the page, and for a first result.

python -m benchmarks.starts CLIP    (times of a first and of a second analysis in this process)
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import pipeline, sides
from benchmarks.table import Row

__all__ = ["app_start", "first_result"]

PATIENCE_S = 300.0
EXAMPLE = pipeline.ROOT / "examples" / "forged.mp4"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _cpu_of(process: int) -> float:
    """CPU seconds of a process that runs and of its ended children; 0 where there is no /proc."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _app() -> tuple[float, float]:
    """CPU and clock seconds from `python app.py` to the first byte of its page."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as home:
        here = {"HOME": home, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
        began = time.perf_counter()
        app = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=pipeline.ROOT,
            env=sides.calm() | here,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not _answers(port):
                if app.poll() is not None or time.perf_counter() - began > PATIENCE_S:
                    raise SystemExit("the app did not start")
                time.sleep(0.02)
            return _cpu_of(app.pid), time.perf_counter() - began
        finally:
            app.terminate()
            app.wait(timeout=60)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/")
        return bool(connection.getresponse().read(1))
    except ConnectionError:
        return False
    finally:
        connection.close()


def _imports() -> tuple[float, float]:
    began_cpu, began = pipeline.cpu_s(), time.perf_counter()
    command = [sys.executable, "-c", "import torch, gradio"]
    subprocess.run(command, env=sides.calm(), check=True, capture_output=True)
    return pipeline.cpu_s() - began_cpu, time.perf_counter() - began


def app_start(rounds: int, say: Callable[[str], None], last: float | None) -> Row:
    """The app's start against the import of what it cannot do without."""
    _imports()  # files that are read for the first time
    pairs = [(_imports(), _app()) for _ in range(rounds)]
    for least, app in pairs:
        say(f"  import {least[0]:.2f} CPU s, {least[1]:.2f} s; app {app[0]:.2f}, {app[1]:.2f}")
    cpu, wall = (median(app[k] / least[k] for least, app in pairs) for k in (0, 1))
    words = f"{pairs[-1][1][0]:.1f} / {pairs[-1][0][0]:.1f} CPU s"
    return Row("app start to first byte", "import torch, gradio", 1.3, cpu, wall, words, True, last)


def first_result(rounds: int, say: Callable[[str], None]) -> Row:
    """A first result, interpreter and imports included, less a second one; in seconds."""
    more = []
    for _ in range(rounds):
        began = time.time()
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.starts", str(EXAMPLE)],
            cwd=pipeline.ROOT,
            env=sides.calm(),
            check=True,
            capture_output=True,
            text=True,
        )
        first, cold_cpu, warm, warm_cpu = json.loads(answer.stdout.splitlines()[-1])
        cold = first - began
        say(f"  cold {cold_cpu:.2f} CPU s, {cold:.2f} s; warm {warm_cpu:.2f}, {warm:.2f}")
        more.append((cold_cpu - warm_cpu, cold - warm))
    cpu, wall = (median(row[k] for row in more) for k in (0, 1))
    words = f"{warm_cpu:.2f} CPU s warm"
    return Row("first result after a cold start, s more", "warm", 4, cpu, wall, words, True)


def main() -> int:
    from dfexplain import hub
    from dfexplain.detector import Detector

    detector = Detector(hub.load(None))
    for _ in detector.analyze(sys.argv[1]):
        pass
    first, cold_cpu = time.time(), pipeline.cpu_s()
    for _ in detector.analyze(sys.argv[1]):
        pass
    warm, warm_cpu = time.time() - first, pipeline.cpu_s() - cold_cpu
    print(json.dumps([first, cold_cpu, warm, warm_cpu]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
