"""The endpoints for programs, without a server: what they take, answer and refuse.

`tests/test_space.py` asks them through gradio_client, and compares with the command line.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import pickle
import sys
import tomllib
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio import processing_utils

from dfexplain import hub, ui
from dfexplain import report as reports
from dfexplain.errors import SettingError, WeightsNotFound
from dfexplain.ui import api, hosting, server
from tests import small_weights as small
from tests.pages import Drawn, in_loop
from tests.reports import REPORTS
from tests.sources import ROOT
from tests.test_requirements import pins

Endpoint = Callable[..., Any]


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    return in_loop(lambda: ui.build(Drawn(0.0).services()))


@pytest.fixture(scope="module")
def endpoints(page: gr.Blocks) -> dict[str, Endpoint]:
    public = [fn for fn in page.fns.values() if fn.api_visibility == "public"]
    return {fn.api_name: fn.fn for fn in public}


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of uploads, with a file for each report of the drawn detector."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    for name in (*REPORTS, "broken"):
        (folder / f"{name}.mp4").touch()
    return folder


def last(answers: Iterator[dict[str, Any]]) -> dict[str, Any]:
    *progress, document = answers
    assert progress
    assert {tuple(step) for step in progress} == {("progress",)}
    return document


def test_programs_are_offered_three_endpoints(
    page: gr.Blocks, endpoints: dict[str, Endpoint]
) -> None:
    assert tuple(endpoints) == api.NAMES
    told = page.get_api_info()["named_endpoints"]
    assert set(told) == {f"/{name}" for name in api.NAMES}
    for name in ("analyze", "explain"):
        video, frames, *_ = told[f"/{name}"]["parameters"]
        assert video["python_type"]["type"] == "filepath"
        assert (frames["python_type"]["type"], frames["parameter_default"]) == ("int", 32)
    assert all(told[f"/{n}"]["returns"][0]["type"]["type"] == "object" for n in api.NAMES)
    assert all(told[f"/{n}"]["description"] for n in api.NAMES)
    queued = {fn.api_name: (fn.concurrency_id, fn.queue) for fn in page.fns.values()}
    assert queued["analyze"] == queued["explain"] == ("analysis", True)
    assert queued["calibration"][1]


@pytest.mark.parametrize("name", ["two_faces", "no_face"])
def test_analyze_answers_with_the_report(
    endpoints: dict[str, Endpoint], uploads: Path, name: str
) -> None:
    document = last(endpoints["analyze"]({"path": str(uploads / f"{name}.mp4")}, 16))
    assert document == json.loads(reports.to_json(REPORTS[name]()))

    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
        for inner in value.values() if isinstance(value, dict) else value:
            if isinstance(inner, dict | list):
                yield from keys(inner)

    assert "path" not in set(keys(document)), "Gradio would take it for a file"


def test_explain_says_why_of_one_frame(endpoints: dict[str, Endpoint], uploads: Path) -> None:
    video = {"path": str(uploads / "two_faces.mp4")}
    report = REPORTS["two_faces"]()
    document = last(endpoints["explain"](video, 16))
    (strongest,) = document["explanations"]
    logits = [float(lane.scores.logit.max()) for lane in report.lanes]
    assert strongest["track_id"] == report.lanes[logits.index(max(logits))].track_id
    assert strongest["faithfulness"]
    assert strongest["regions"]
    document["explanations"] = []
    assert document == json.loads(reports.to_json(report))
    lane = report.lanes[0]
    wanted = float(lane.track.time_s[3])
    asked = {"track_id": lane.track_id, "time_s": wanted + 0.01}
    (chosen,) = last(endpoints["explain"](video, 16, **asked))["explanations"]
    assert chosen["track_id"] == lane.track_id
    assert chosen["time_s"] == pytest.approx(wanted)


def test_without_a_face_there_is_nothing_to_explain(
    endpoints: dict[str, Endpoint], uploads: Path
) -> None:
    document = last(endpoints["explain"]({"path": str(uploads / "no_face.mp4")}))
    assert document["verdict"] == "not_analysable"
    assert document["explanations"] == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"frames": 0},
            r"error\[setting\]: frames must be a whole number from 1 to 256, but got",
        ),
        ({"frames": 257}, r"error\[setting\]: frames"),
        ({"frames": True}, r"error\[setting\]: frames"),
        ({"frames": "32"}, r"error\[setting\]: frames"),
        ({"video": "broken.mp4"}, r"error\[not-a-video\]: broken.mp4 must hold a readable video"),
        ({"video": "../outside.mp4"}, r"error\[file-refused\]: video must be a file that was up"),
        ({"video": "\0.mp4"}, r"error\[file-refused\]"),
        ({"video": None}, r"error\[file-refused\]"),
        ({"method": "guess"}, r"error\[setting\]: method must be one of"),
        ({"track_id": "Z"}, r"error\[setting\]: track_id must be a face of this video \(A, B"),
        ({"time_s": "noon"}, r"error\[setting\]: time_s must be a number of seconds"),
        ({"time_s": float("nan")}, r"error\[setting\]: time_s must be a number of seconds"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_code(
    endpoints: dict[str, Endpoint], uploads: Path, asked: dict[str, Any], told: str
) -> None:
    name = asked.pop("video", "two_faces.mp4")
    video = name if name is None else {"path": f"{uploads}/{name}"}
    with pytest.raises(gr.Error, match=told) as refused:
        list(endpoints["explain"](video, **asked))
    assert "\n" not in str(refused.value)
    assert not refused.value.print_exception


def test_calibration_is_that_of_the_weights(endpoints: dict[str, Endpoint]) -> None:
    weights = Drawn().load(None)
    document = endpoints["calibration"]()
    assert document["weights"]["sha256"] == weights.info.sha256
    assert weights.calibration is not None
    assert document["calibration"]["threshold"] == weights.calibration.threshold
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_an_address_is_not_fetched_but_one_of_an_upload_is_that_file(uploads: Path) -> None:
    mine = str(uploads / "two_faces.mp4")
    found = asyncio.run(server._uploaded_here(f"http://h:7860/gradio_api/file={mine}", "cache"))
    assert found == mine
    for url in ("https://example.org/a.mp4", "http://h/gradio_api/file=/etc/hosts", "http://["):
        with pytest.raises(gr.Error, match=r"error\[file-refused\]: video must be a file, but got"):
            asyncio.run(server._uploaded_here(url, "cache"))
    assert hasattr(processing_utils, "async_ssrf_protected_download"), "what launch replaces"


def test_mcp_is_asked_for_by_its_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_MCP_SERVER", "True")
    monkeypatch.delenv("DFEXPLAIN_MCP", raising=False)
    assert hosting.mcp_server() is False
    monkeypatch.setenv("DFEXPLAIN_MCP", "yes")
    with pytest.raises(SettingError, match="DFEXPLAIN_MCP must be 1 or 0, but got 'yes'"):
        hosting.mcp_server()
    monkeypatch.setenv("DFEXPLAIN_MCP", "1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert hosting.mcp_server() is True
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"error\[setting\]: the package mcp .* '\.\[mcp\]'"):
        ui.launch(in_loop(gr.Blocks))


def test_the_extra_has_the_gradio_that_is_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (wanted,) = extras["optional-dependencies"]["mcp"]
    assert wanted == f"gradio[mcp]=={pins('requirements.txt')['gradio'][0]}"


def test_a_visitor_of_a_space_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small.publishable(tmp_path / "mine" / "own")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hosting.load("mine/own").info.name == "own"
    monkeypatch.setenv("SPACE_ID", "org/desk")
    for spec in (str(folder), "./mine/own", "~", f"{folder}/config.json"):
        with pytest.raises(WeightsNotFound, match="must be a shipped name or org/name") as refused:
            hosting.load(spec)
        assert "\n" not in str(refused.value)
    asked: list[str] = []
    monkeypatch.setattr(hub, "_snapshot", lambda repo, *_: asked.append(repo) or (folder, "0" * 40))
    hosting.load("mine/own")
    assert asked == ["mine/own"], "the Hub is asked, not the folder of that name"
    monkeypatch.setenv("DFEXPLAIN_WEIGHTS", str(folder))
    assert hosting.load(None).info.name == "own", "who runs the Space may name one"


def test_the_gpu_is_lent_on_zero_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    lent = types.ModuleType("spaces")
    seconds: list[int] = []

    def lend(duration: int) -> Callable[[Endpoint], Endpoint]:
        seconds.append(duration)
        return lambda work: lambda *asked: ("on a GPU", work(*asked))

    lent.GPU = lend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", lent)
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert hosting.gpu(abs) is abs
    assert hosting.device() == "cpu"
    monkeypatch.setenv("SPACE_ID", "org/desk")
    assert hosting.gpu(abs)(-1) == ("on a GPU", 1)
    assert hosting.device() == "cuda"
    assert seconds == [hosting.GPU_S]
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert hosting.gpu(abs) is abs


def test_what_goes_to_a_lent_gpu_and_back_can_be_pickled(tmp_path: Path) -> None:
    weights = hub.load(small.publishable(tmp_path / "mine"))
    assert pickle.loads(pickle.dumps(weights)).info == weights.info
    report = REPORTS["two_faces"]()
    assert reports.to_json(pickle.loads(pickle.dumps(report))) == reports.to_json(report)
