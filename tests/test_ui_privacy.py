"""Visitors of one page: what is one's is not the other's, it goes when it is told to, and a crowd
is told to wait. One app for all of it, with small random weights (benchmarks/soak.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks import soak
from dfexplain.ui import page, visitors
from dfexplain.ui.visitors import Visitors

PATIENCE_S = 60.0
SECRET = "a-name-that-nobody-else-must-read"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[soak.App]:
    """The page, served by a process of its own."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of another process is read from /proc, which is not here")
    with soak.served(tmp_path_factory.mktemp("page"), short=True) as app:
        yield app


class Browser(httpx.Client):
    """A visitor with a cookie of its own."""

    def __init__(self, address: str) -> None:
        super().__init__(base_url=address, timeout=PATIENCE_S)

    def __enter__(self) -> Browser:
        super().__enter__()
        self.welcome = self.get("/")
        return self

    def upload(self, content: bytes, name: str = f"{SECRET}.mp4") -> str:
        answer = self.post("/gradio_api/upload", files={"files": (name, content)})
        assert answer.status_code == 200
        return str(answer.json()[0])

    def file(self, path: str) -> int:
        return self.get(f"/gradio_api/file={path}").status_code

    def analyze(self, path: str) -> httpx.Response:
        video = {"path": path, "meta": {"_type": "gradio.FileData"}}
        return self.post("/gradio_api/call/analyze", json={"data": [video, 16]})

    def forget(self) -> list[Any]:
        """Press the button as the page does, by its number among the events."""
        config = self.get("/config").json()
        button = next(
            c["id"] for c in config["components"] if c["props"].get("elem_id") == "forget"
        )
        event = next(d for d in config["dependencies"] if [button, "click"] in d["targets"])
        body = {"data": [], "fn_index": event["id"], "session_hash": "s", "trigger_id": button}
        answer = self.post("/gradio_api/run/predict", json=body)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])


def test_another_browsers_file_is_not_found(running: soak.App) -> None:
    with Browser(running.address) as first, Browser(running.address) as second:
        path = first.upload(b"first's own bytes")
        assert first.file(path) == 200
        assert second.file(path) == 404
        assert httpx.get(f"{running.address}/gradio_api/file={path}").status_code == 404
        # By other spellings of the same file, too.
        for spelled in (f"/{path}", path.replace("/", "/./"), f"/proc/self/root{path}"):
            assert second.file(spelled) in (403, 404)
            assert second.get(f"/gradio_api/file/{spelled}").status_code in (403, 404)
        # Nor may it be analysed, by its path or by its address.
        assert first.analyze(path).status_code == 200
        assert second.analyze(path).status_code == 404
        address = f"{running.address}/gradio_api/file={path}"
        asked = second.post(
            "/gradio_api/call/analyze",
            json={"data": [{"path": address, "url": address, "meta": {}}, 16]},
        )
        assert asked.status_code == 404
        # The same bytes under the same name are then both's.
        assert second.upload(b"first's own bytes") == path
        assert second.file(path) == 200


def test_a_visitor_without_a_cookie_has_its_own_files(running: soak.App) -> None:
    sent = httpx.post(
        f"{running.address}/gradio_api/upload", files={"files": ("program.mp4", b"program's")}
    ).json()[0]
    assert httpx.get(f"{running.address}/gradio_api/file={sent}").status_code == 200
    with Browser(running.address) as browser:
        assert browser.file(sent) == 404


def test_the_button_deletes_at_once_what_is_the_visitors_alone(running: soak.App) -> None:
    with Browser(running.address) as first, Browser(running.address) as second:
        own, shared = first.upload(b"only first's"), first.upload(b"both's")
        assert second.upload(b"both's") == shared
        said = json.dumps(first.forget())
        assert "Deleted" in said
        assert not Path(own).exists()
        assert Path(shared).exists()
        assert first.file(own) in (403, 404)
        assert first.file(shared) == 404
        assert second.file(shared) == 200
        second.forget()
        assert not Path(shared).exists()


def test_the_cookie_is_random_and_out_of_reach_of_scripts(running: soak.App) -> None:
    with Browser(running.address) as first, Browser(running.address) as second:
        said = first.welcome.headers["set-cookie"]
        assert re.fullmatch(
            rf"{visitors.COOKIE}=[0-9a-f]{{32}}; Path=/; HttpOnly; SameSite=Lax", said
        )
        assert said != second.welcome.headers["set-cookie"]
        assert "set-cookie" not in first.get("/").headers
    odd = httpx.get(running.address, headers={"cookie": f"{visitors.COOKIE}=chosen"})
    assert "set-cookie" in odd.headers


def test_uploads_are_swept_within_the_hour() -> None:
    assert page.KEPT_S + 2 * page.SWEEP_S <= 3600


def test_the_log_holds_no_name_no_path_and_no_pixel(running: soak.App) -> None:
    """After everything above has been done to the app, and a file that is none was handed in."""
    with Browser(running.address) as browser:
        path = browser.upload(b"not a video at all")
        event = browser.analyze(path).json()["event_id"]
        told = browser.get(f"/gradio_api/call/analyze/{event}").text
        assert "event:" in told
    log = (running.folder / "log.txt").read_text("utf-8")
    assert "Running on local URL" in log
    for kept in (
        SECRET,
        str(running.folder / "cache"),
        "program.mp4",
        "file=",
        "base64",
        "JFIF",
        "\\xff",
    ):
        assert kept not in log, log


def test_of_fifty_uploads_at_once_twenty_one_are_taken(running: soak.App) -> None:
    found = soak.busy(running)
    assert found.held, found.text


def test_who_leaves_frees_the_worker(running: soak.App) -> None:
    found = soak.leaving(running, soak.LEAVERS_SHORT)
    assert found.held, found.text


def test_memory_stays_over_many_jobs(running: soak.App) -> None:
    """After the first thirty, in which it grows: those above and some more."""
    found = soak.growth(running, soak.JOBS_SHORT, warm_up=10)
    assert found.held, found.text


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(visitors, "MOST", 20)
    known = Visitors()
    kept = tmp_path / "kept"
    kept.touch()
    known.own("a", str(kept))
    for number in range(200):
        known.own("a", str(tmp_path / f"gone-{number}"))
    assert len(known._owners) <= 21
    assert known.may_see("a", str(kept))
    assert not known.may_see("b", str(kept))
    assert known.may_see("b", "/elsewhere")
    assert known.forget("b") == 0
    assert known.forget("a") == 1
    assert not kept.exists()
