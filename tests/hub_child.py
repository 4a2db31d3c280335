"""The genuine Hub client in a process of its own, which loads and pushes what it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dfexplain import hub
from tests.hub_store import TOKEN

__all__ = ["CHILD", "CROWD", "PATIENT_S", "Child", "child", "environment"]

CHILD = """
import json, os, sys, time
from pathlib import Path
from dfexplain import hub, publish, pushing, space
from dfexplain.errors import DfExplainError

def load(**asked):
    weights = hub.load(**asked)
    return {"label": weights.label, "sha256": weights.info.sha256, "card": weights.card}

def push(**asked):
    made = publish.push(**asked)
    return {"spec": made.spec, "commit": made.commit, "url": made.url, "notes": made.notes}

def push_space(weights=None, **asked):
    planned = space.plan(weights, Path(asked.pop("root", space.ROOT)))
    made = space.push(planned, **asked)
    return {"commit": made.commit, "url": made.url, "named": planned.named}

time.sleep = lambda seconds: None  # the client pauses between its tries
for line in sys.stdin:
    asked = json.loads(line)
    os.environ["HF_TOKEN"] = asked.pop("token")
    hub.ANSWER_S = pushing.ANSWER_S = asked.pop("answer_s")
    try:
        answer = {"load": load, "push": push, "push_space": push_space}[asked.pop("call")](**asked)
    except DfExplainError as error:
        answer = {"error": type(error).__name__, "code": error.code, "message": str(error)}
    print(json.dumps(answer), flush=True)
"""

# Eight copies of one process, which has done the slow imports, let loose together.
CROWD = """
import json, multiprocessing, sys
from dfexplain import hub

hub.ANSWER_S = 120.0
context = multiprocessing.get_context("fork")
start = context.Barrier(8)

def load(_):
    start.wait()
    return hub.load(sys.argv[1], cache_dir=sys.argv[2]).label

with context.Pool(8) as pool:
    print(json.dumps(pool.map(load, range(8), chunksize=1)))
"""

# The product's own limit is for a Hub; a busy machine that runs tests may take longer.
PATIENT_S = 120.0


@dataclass
class Child:
    """A process with the genuine client, pointed at an endpoint."""

    process: subprocess.Popen[str]

    def load(
        self,
        spec: str,
        cache_dir: Path,
        *,
        offline: bool | None = None,
        token: str = "",
        answer_s: float = PATIENT_S,
    ) -> dict[str, str]:
        asked = {"spec": spec, "cache_dir": str(cache_dir), "offline": offline}
        self.ask(call="load", **asked, token=token, answer_s=answer_s)
        return self.answer()

    def push(
        self,
        folder: Path,
        repo: str,
        *,
        token: str = TOKEN,
        answer_s: float = PATIENT_S,
        **options: object,
    ) -> dict[str, str]:
        asked = {"folder": str(folder), "repo": repo, **options}
        self.ask(call="push", **asked, token=token, answer_s=answer_s)
        return self.answer()

    def push_space(
        self, repo: str, weights: Path | str, *, token: str = TOKEN, **options: object
    ) -> dict[str, str]:
        asked = {"repo": repo, "weights": str(weights), "answer_s": PATIENT_S, **options}
        self.ask(call="push_space", **asked, token=token)
        return self.answer()

    def ask(self, **asked: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, str]:
        assert self.process.stdout is not None
        answer: dict[str, str] = json.loads(self.process.stdout.readline())
        assert "\n" not in answer.get("message", "")
        assert TOKEN not in json.dumps(answer)
        return answer


def environment(home: Path, endpoint: str, **extra: str) -> dict[str, str]:
    """What a child process gets: this machine's variables, but nothing of its Hub or weights."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "DFEXPLAIN"))}
    return kept | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": str(Path(hub.__file__).parents[1]),
        "NO_PROXY": "*",
        **extra,
    }


def child(home: Path, endpoint: str, **extra: str) -> Iterator[Child]:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env=environment(home, endpoint, **extra),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield Child(process)
        assert process.stdin is not None
        process.stdin.close()
