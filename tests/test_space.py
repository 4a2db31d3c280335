"""The app on its way to a Space of the tests' own Hub, and what was pushed: it starts, and answers
programs as the command line does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import SpaceCard

from dfexplain import __main__ as cli
from dfexplain import space
from tests import small_weights as small
from tests.hub_child import Child, child
from tests.hub_server import HubServer
from tests.hub_store import Commit
from tests.pages import served
from tests.sources import ROOT
from train import __main__ as train

FORGED = ROOT / "examples" / "forged.mp4"


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    yield from child(tmp_path_factory.mktemp("home"), server.url)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.publishable(tmp_path_factory.mktemp("weights") / "mine")


def head(server: HubServer, name: str) -> Commit:
    repo = server.repos[f"spaces/{name}"]
    return repo.commits[repo.branches["main"]]


@pytest.fixture(scope="module")
def pushed(server: HubServer, client: Child, folder: Path) -> Commit:
    """A Space that runs weights of its own."""
    made = client.push_space("org/desk", folder)
    found = head(server, "org/desk")
    assert made == {"commit": found.sha, "url": made["url"], "named": None}
    assert made["url"].endswith(f"/spaces/org/desk/commit/{found.sha}")
    return found


@pytest.fixture(scope="module")
def started(pushed: Commit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app that runs in a folder with what was pushed and nothing else."""
    at = tmp_path_factory.mktemp("space")
    for name, data in pushed.files.items():
        small.write((at / name).parent, {Path(name).name: data})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACE_ID", "org/desk")
        patch.delenv("DFEXPLAIN_WEIGHTS", raising=False)
        with served(["app.py"], tmp_path_factory.mktemp("served") / "cache", at) as address:
            yield address


@pytest.fixture(scope="module")
def program(started: str) -> Client:
    return Client(started, verbose=False)


def test_a_space_gets_the_app_and_its_weights_in_one_commit(
    server: HubServer, pushed: Commit, folder: Path
) -> None:
    repo = server.repos["spaces/org/desk"]
    assert repo.sdk == "gradio"
    assert not repo.private
    assert repo.variables == {}
    first = repo.commits[pushed.parent or ""]
    assert first.parent is None, "one commit after the one that the Hub itself makes"
    sent = {name: data for name, data in pushed.files.items() if name not in first.files}
    weights = {n.removeprefix("weights/default/"): d for n, d in sent.items() if "weights/" in n}
    assert weights == small.files_of(folder)
    rest = {name: data for name, data in sent.items() if "weights/" not in name}
    assert all((ROOT / name).read_bytes() == data for name, data in rest.items())
    assert {"app.py", "README.md", "requirements.txt", "NOTICE", "LICENSE"} <= set(rest)
    assert {"examples/forged.mp4", "dfexplain/ui/style.css"} <= set(rest)
    assert not [name for name in rest if name.startswith(("train", "tests", "docs", "."))]
    assert not [name for name in rest if "__pycache__" in name]
    card = SpaceCard(sent["README.md"].decode()).data
    assert (card.sdk, card.to_dict()["app_file"]) == ("gradio", "app.py")
    assert json.loads((folder / "config.json").read_text())["sha256"] in pushed.description


def test_what_a_space_has_no_longer_leaves_it(
    server: HubServer, client: Child, pushed: Commit, folder: Path
) -> None:
    theirs = {"mine.txt": b"kept", "dfexplain/old.py": b"", "weights/default/heatmaps.json": b"{}"}
    server.publish("spaces/org/older", pushed.files | theirs)
    client.push_space("org/older", folder, message="as it is now")
    found = head(server, "org/older")
    assert found.files == pushed.files | {"mine.txt": b"kept"}
    assert found.title == "as it is now"


def test_weights_of_the_hub_are_named_at_their_commit(
    server: HubServer, client: Child, pushed: Commit, folder: Path
) -> None:
    sha = server.publish("org/open", small.files_of(folder), tag="v1")
    made = client.push_space("org/named", "org/open@v1", private=True)
    assert made["named"] == f"org/open@{sha}"
    repo = server.repos["spaces/org/named"]
    assert repo.private
    assert repo.variables == {"DFEXPLAIN_WEIGHTS": f"org/open@{sha}"}
    files = head(server, "org/named").files
    assert set(pushed.files) - set(files) == {n for n in pushed.files if "weights/" in n}
    client.push_space("org/named", folder, private=True)
    assert repo.variables == {}
    assert head(server, "org/named").files == pushed.files


def test_a_space_holds_no_token_so_its_weights_are_open(
    server: HubServer, client: Child, folder: Path
) -> None:
    server.publish("org/secret", small.files_of(folder), private=True)
    refused = client.push_space("org/closed", "org/secret")
    assert refused["code"] == "push-refused"
    assert "--weights must be open to everybody, since a Space holds no token" in refused["message"]
    assert "spaces/org/closed" not in server.repos


def test_refused_before_anything_is_sent(
    server: HubServer, client: Child, pushed: Commit, folder: Path, tmp_path: Path
) -> None:
    server.log.clear()
    assert client.push_space("desk", folder)["code"] == "setting"
    assert client.push_space("org/new", folder, token="")["code"] == "hub-unavailable"
    assert client.push_space("org/desk", folder, private=True)["code"] == "push-refused"
    plain = small.publishable(tmp_path / "plain", calibrated=False)
    assert client.push_space("org/new", plain)["code"] == "DFX004"
    no_clone = client.push_space("org/new", folder, root=str(tmp_path))
    assert "push-space must run in a clone of dfexplain" in no_clone["message"]
    assert [line for line in server.log if line.startswith(("PUT", "POST"))] == []
    assert head(server, "org/desk") is pushed


def test_a_push_in_between_is_not_overwritten(
    server: HubServer, client: Child, folder: Path
) -> None:
    server.publish("spaces/org/busy", {"README.md": b"---\nsdk: gradio\n---\n"})
    server.interrupt = lambda: server.publish("spaces/org/busy", {"README.md": b"theirs"})
    refused = client.push_space("org/busy", folder)
    assert refused["code"] == "push-refused"
    assert head(server, "org/busy").files == {"README.md": b"theirs"}


def test_a_dry_run_lists_what_would_go(
    pushed: Commit, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(space, "push", None)
    asked = ["push-space", "--repo", "org/desk", "--weights", str(folder), "--dry-run"]
    assert train.main(asked) == 0
    *lines, total, end = capsys.readouterr().out.splitlines()
    listed = {line.split()[1]: line.split()[0] for line in lines if line.startswith(" ")}
    assert {name: f"{len(pushed.files[name]):,}" for name in listed} == listed
    assert set(listed) == set(pushed.files) - {".gitattributes"}
    assert total.startswith(f"{len(listed)} files, ")
    assert end == "nothing was sent"


def test_a_program_gets_what_the_command_line_writes(
    program: Client, folder: Path, tmp_path: Path
) -> None:
    job = program.submit(handle_file(FORGED), 16, api_name="/analyze")
    document = job.result(timeout=240)
    steps = [answer["progress"]["stage"] for answer in job.outputs() if "progress" in answer]
    assert steps[0] == "open"
    assert "read" in steps
    asked = ["analyze", str(FORGED), "--frames", "16", "--weights", str(folder)]
    assert cli.main([*asked, "--format", "json", "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "forged.json").read_text("utf-8"))
    # The one difference: a folder's name, which the Space's are not called by.
    assert document["weights"].pop("name") == "default"
    assert written["weights"].pop("name") == "mine"
    assert document == written
    assert document["verdict"] != "not_analysable"


def test_a_program_learns_why_and_what_it_is_worth(program: Client, folder: Path) -> None:
    explained = program.predict(handle_file(FORGED), 8, time_s=4.0, api_name="/explain")
    jsonschema.validate(explained, json.loads((ROOT / "docs/report.schema.json").read_text()))
    (why,) = explained["explanations"]
    assert abs(why["time_s"] - 4.0) < 1.0
    known = program.predict(api_name="/calibration")
    assert known["calibration"] == json.loads((folder / "calibration.json").read_text())


def test_a_program_is_told_what_is_wrong_in_one_line(program: Client, started: str) -> None:
    with pytest.raises(AppError, match=r"^error\[setting\]: frames must be .*\.$") as refused:
        program.predict(handle_file(FORGED), 0, api_name="/analyze")
    assert "\n" not in str(refused.value)
    with pytest.raises(AppError, match=r"^error\[not-a-video\]: |^error\[file-refused\]: "):
        program.predict(handle_file(ROOT / "LICENSE"), api_name="/analyze")
    kind = {"_type": "gradio.FileData"}
    for video in (
        {"path": str(ROOT / "examples" / "forged.mp4")},
        {"path": str(ROOT / "examples" / "forged.mp4"), "meta": kind},
        {"path": "https://example.org/a.mp4", "meta": kind},
    ):
        call = f"{started}gradio_api/call/analyze"
        asked = httpx.post(call, json={"data": [video, 16]}).json()
        answer = httpx.get(f"{call}/{asked['event_id']}", timeout=60).text
        assert answer.startswith("event: error\n")
        assert "verdict" not in answer
