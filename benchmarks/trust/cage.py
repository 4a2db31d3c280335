"""R4: what a decoder that was taken over does in the cage ends soon, and the next file is read."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.trust.films import film
from benchmarks.trust.foreign import listening
from benchmarks.trust.rows import Figure, Row
from dfexplain import video
from dfexplain.cage import Cage, Limits
from dfexplain.errors import InputError
from dfexplain.structures import Sampling

__all__ = ["DEEDS", "LATEST_S", "ROWS", "overrun_s"]

LATEST_S = 3.0
SILENCE_S = 0.5
STARTED_S = 60.0
# What tests/hostile.py does once it has said that it is ready, and the limit that ends it, in
# seconds of what: of silence, of waiting in all, of CPU time; 0 where it ends by itself.
DEEDS: dict[str, tuple[str, float]] = {
    "die": ("", 0.0),
    "abort": ("", 0.0),
    "large": ("", 0.0),
    "write": ("", 0.0),
    "hang": ("silence_s", SILENCE_S),
    "trickle": ("silence_s", SILENCE_S),
    "hoard": ("silence_s", SILENCE_S),
    "scribble": ("silence_s", SILENCE_S),
    "connect": ("silence_s", SILENCE_S),
    "fork": ("silence_s", SILENCE_S),
    "leave": ("silence_s", SILENCE_S),
    "strike": ("silence_s", SILENCE_S),
    "beat": ("wait_s", 1.0),
    "spin": ("cpu_s", 1.0),
}


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def overrun_s(deed: str, folder: Path, port: int) -> float:
    """How long after its limit a hostile child was stopped; seconds of CPU time where that is the
    limit, else of the clock. It must end in an InputError."""
    kind, limit_s = DEEDS[deed]
    request = {"deed": deed, "file": str(folder / "scribble"), "port": port, "ready": True}
    with Cage("tests.hostile", request, Limits(silence_s=STARTED_S), "clip.mp4") as cage:
        cage.read()  # it is ready: the start of an interpreter is not what is measured
        if kind == "silence_s":
            cage._limits = Limits(silence_s=limit_s)
        elif kind == "wait_s":
            cage._limits = Limits(wait_s=cage._waited_s + limit_s)
        begin, before = time.monotonic(), _children_cpu_s()
        try:
            while True:
                cage.read()
        except InputError:
            took_s = time.monotonic() - begin
        if kind == "cpu_s":
            took_s = _children_cpu_s() - before
    return took_s - limit_s


def measure(full: bool) -> Figure:
    """Every deed once, ten times in the full form; after each, a whole video is read."""
    latest, worst, wrong, runs = 0.0, "", [], 0
    with tempfile.TemporaryDirectory() as name, listening() as (port, calls):
        folder = Path(name)
        good = film(folder / "good.mp4")
        for deed in list(DEEDS) * (10 if full else 1):
            late_s = overrun_s(deed, folder, port)
            if late_s >= latest:
                latest, worst = late_s, deed
            with video.sample(good, Sampling(frames=2)) as stream:
                if len(list(stream)) != 2:
                    wrong.append(f"nothing was read after {deed}")
            runs += 1
        log = folder / "scribble"
        if log.exists() and log.stat().st_size:
            wrong.append("a child wrote")
        if calls:
            wrong.append("a child connected")
    text = f"{runs} hostile children, the latest ({worst}) stopped {max(latest, 0):.1f} s after "
    text += f"its limit, a video read after each, {len(wrong)} wrong {wrong[:1] or ''}"
    return Figure(text.rstrip(), latest <= LATEST_S and not wrong)


ROWS = (
    Row(
        "R4",
        "a child that crashes, hoards, spins, writes, forks or connects is stopped",
        f"within {LATEST_S:.0f} s of its limit, and the app goes on",
        measure,
    ),
)
