"""R5 and R6: no file of a weights folder runs code, and a folder that is wrong is refused by name.

A process of its own loads every folder of `tests.weights_corpus` under an audit hook (PEP 578),
after a good one has been loaded, so that what the library imports by itself is there.

    python -m benchmarks.trust.weights FOLDER [STEP]

is that process. It prints one JSON object.
"""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.trust.rows import Figure, Row

__all__ = ["DEEDS", "ROWS", "folders", "hearing", "load_all"]

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 900
LONGEST = 600
# What code that came with the weights would have to do first (Python's table of audit events).
DEEDS = frozenset({
    "pickle.find_class", "marshal.loads", "code.__new__", "compile", "exec", "import",
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.mkdir", "os.remove", "os.rename", "os.chmod", "os.link", "os.symlink", "os.truncate",
    "subprocess.Popen", "shutil.rmtree", "shutil.copyfile", "ctypes.dlopen", "webbrowser.open",
    "socket.__new__", "socket.connect", "socket.getaddrinfo", "urllib.Request",
})  # fmt: skip


def folders(place: Path) -> Iterator[tuple[str, Path, str]]:
    """Every folder that must be refused: its name in the corpus, where it is, what must be said."""
    from tests import small_weights as small
    from tests.weights_corpus import REFUSED, Bomb

    whole = small.files_of(place / "whole")
    for number, (name, (change, expected)) in enumerate(REFUSED.items()):
        yield name, small.write(place / f"x{number}", change(whole)), expected
    for suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"):
        files = {f"model{suffix}": pickle.dumps(Bomb()), "config.json": whole["config.json"]}
        folder = small.write(place / f"pickle{suffix}", files)
        yield f"only a {suffix}", folder, "safetensors"
        yield f"a {suffix} by its path", folder / f"model{suffix}", "safetensors"


def _whole(place: Path) -> None:
    from dfexplain import hub
    from tests import small_weights as small

    hub.save(
        place / "whole",
        config=small.CONFIG,
        state=dict(small.state()),
        heat_scale=1.5,
        card="# Card\n",
        calibration=small.calibration(max_distance=30.0),
        out_of_distribution=small.out_of_distribution(),
    )


def load_all(place: Path, step: int = 1) -> dict[str, Any]:
    """Load every folder, or each `step`-th; what was not refused as it must be, and what ran."""
    from dfexplain import hub

    _whole(place)
    made = list(folders(place))[::step]
    wrong, ran = [], 0
    _refusal(made[0][1])  # what this imports is there afterwards
    with hearing() as heard:
        hub.load(place / "whole")
        for name, path, expected in made:
            before = len(heard)
            text = _refusal(path)
            if not re.search(expected, text) or "\n" in text or len(text) > LONGEST:
                wrong.append(f"{name}: {text[:150] or 'it was loaded'}")
            wrong += [f"{name}: {each}" for each in heard[before:]]
        ran = len(heard)
    return {"folders": len(made), "wrong": wrong, "ran": ran}


def _refusal(path: Path) -> str:
    """What loading a folder is refused with; nothing where it is loaded."""
    from dfexplain import hub
    from dfexplain.errors import WeightsError

    try:
        hub.load(path)
    except WeightsError as error:
        return str(error)
    return ""


@contextmanager
def hearing() -> Iterator[list[str]]:
    """What is done of `DEEDS` inside of the block. The hook stays, but falls silent."""
    heard: list[str] = []
    state = {"listens": True}

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if state["listens"] and event in DEEDS:
            heard.append(f"{event} {str(arguments)[:100]}")

    sys.addaudithook(hear)
    try:
        yield heard
    finally:
        state["listens"] = False


def measure(full: bool) -> Figure:
    """All folders, in both forms."""
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.trust.weights", name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        burst = [path for path in (Path(name), ROOT) if (path / "burst").exists()]
    if done.returncode:
        return Figure(f"the loading process ended: {done.stderr[-200:]}", False)
    found = json.loads(done.stdout.splitlines()[-1])
    text = f"{found['folders']} folders, {len(found['wrong'])} not refused by name, "
    text += f"{found['ran'] + len(burst)} acts of code {found['wrong'][:1] or ''}"
    return Figure(text.rstrip(), not found["wrong"] and not found["ran"] and not burst)


ROWS = (
    Row(
        "R5/R6",
        "weights and their config are data",
        "0 code run (audit hook), each refused by its name",
        measure,
    ),
)


if __name__ == "__main__":
    print(json.dumps(load_all(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
