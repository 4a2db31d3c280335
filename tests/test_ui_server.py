"""How the page is served: what is closed, what is limited, what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import processing_utils

from dfexplain import ui
from dfexplain.ui import server
from tests.pages import Drawn, in_loop, served, write_examples


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page on drawn reports, served by a process of its own."""
    folder = tmp_path_factory.mktemp("page")
    examples = write_examples(folder / "examples", "no_face")
    with served(["-m", "tests.pages", str(examples), "0.0"], folder / "cache") as at:
        yield at.rstrip("/")


@pytest.mark.parametrize(
    "route",
    [
        "/gradio_api/process_recording",
        "/gradio_api/monitoring",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/gradio_api/file=http://127.0.0.1/",
        "/gradio_api/component_server",
        "/gradio_api/runs",
        "/gradio_api/vibe-edit/",
        "/docs",
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/gradio_api/api/analyze",
        "/gradio_api/mcp/",
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(address: str, route: str) -> None:
    assert httpx.get(address + route).status_code == 404
    assert httpx.post(address + route).status_code in (404, 405)


def test_no_call_passes_the_queue_by(address: str) -> None:
    asked = httpx.post(f"{address}/gradio_api/run/analyze", json={"data": [None, 16]})
    assert asked.status_code == 404
    assert "join the queue" in asked.json()["detail"]


def test_answers_carry_careful_headers(address: str) -> None:
    answer = httpx.get(address)
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_files_are_served_from_the_cache_only_and_never_sniffed(
    address: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    assert httpx.get(f"{address}/gradio_api/file={secret}").status_code == 403
    assert httpx.get(f"{address}/gradio_api/file={Path(__file__)}").status_code == 403
    sent = httpx.post(
        f"{address}/gradio_api/upload", files={"files": ("page.mp4", b"<script>1</script>")}
    )
    served = httpx.get(f"{address}/gradio_api/file={sent.json()[0]}")
    assert served.status_code == 200
    assert served.headers["X-Content-Type-Options"] == "nosniff"


def test_limits_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}

    def record(self: gr.Blocks, **settings: Any) -> None:
        said.update(
            settings, queue=self._queue.max_size, limit=self._queue.default_concurrency_limit
        )
        said["open"] = self.api_open

    monkeypatch.setattr(gr.Blocks, "launch", record)
    monkeypatch.setattr(
        processing_utils, "async_ssrf_protected_download", "put back at the end of the test"
    )

    def make() -> gr.Blocks:
        demo = ui.build(Drawn().services())
        ui.launch(demo)
        return demo

    demo = in_loop(make)
    assert demo.analytics_enabled is False
    assert demo.delete_cache is not None
    assert said["max_file_size"]
    assert said["allowed_paths"] == []
    assert said["enable_monitoring"] is False
    assert said["show_error"] is False
    assert said["strict_cors"] is True
    assert said["queue"] == 20
    assert said["limit"] == 1
    assert said["open"] is False
    assert said["mcp_server"] is False
    assert processing_utils.async_ssrf_protected_download is server._uploaded_here
    analyses = [fn for fn in demo.fns.values() if fn.concurrency_id == "analysis"]
    assert analyses
    assert all(fn.concurrency_limit == 1 for fn in analyses)
    states = [block for block in demo.blocks.values() if isinstance(block, gr.State)]
    bounded = [state for state in states if state.time_to_live < float("inf")]
    # The weights; the file, report, frame and explanation of a session; its frames whose maps beat
    # chance; what it has covered; and what Compare, Batch and History hold of it.
    assert len(bounded) == 10
    assert all(state in bounded for state in states if state.value is None)


def test_every_control_has_a_label(tmp_path: Path) -> None:
    examples = write_examples(tmp_path, "no_face")
    page = in_loop(lambda: ui.build(Drawn().services(), examples))
    kinds = (gr.File, gr.Video, gr.Dropdown, gr.ImageSlider, gr.Checkbox, gr.Radio, gr.Textbox)
    controls = [block for block in page.blocks.values() if isinstance(block, kinds)]
    assert len(controls) >= 8
    assert all(control.label for control in controls)
    buttons = [block for block in page.blocks.values() if isinstance(block, gr.Button)]
    assert all(button.value for button in buttons)
