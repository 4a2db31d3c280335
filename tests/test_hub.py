"""Weights by name: local ones here, those of the Hub through its genuine client.

The client reads HF_ENDPOINT at import, so it runs in a child process, which loads what it is told.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfexplain import hub
from dfexplain.errors import WeightsNotFound, WeightsRefused
from tests import small_weights as small
from tests.hub_child import CROWD, Child, child, environment
from tests.hub_server import HubServer
from tests.hub_store import TOKEN


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as running:
        yield running


@pytest.fixture(scope="module")
def online(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    yield from child(tmp_path_factory.mktemp("home"), server.url)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("weights") / "run"
    hub.save(
        folder,
        config=small.CONFIG,
        state=small.state(),
        heat_scale=1.0,
        card="first",
        calibration=small.calibration(),
    )
    return small.files_of(folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_load_by_name_tag_and_commit(
    server: HubServer, online: Child, files: dict[str, bytes], cache: Path
) -> None:
    further = {"best.pt": b"pickle", "code.py": b"raise SystemExit", "onnx/model.onnx": b"x" * 100}
    first = server.publish("org/plain", files | further, tag="v1")
    second = server.publish("org/plain", files | {"README.md": b"second"})

    by_name = online.load("org/plain", cache)
    assert by_name["label"] == f"org/plain@{second}"
    assert by_name["card"] == "second"
    by_tag = online.load("org/plain@v1", cache)
    assert by_tag["label"] == f"org/plain@{first}"
    assert by_tag["card"] == "first"
    assert by_tag["sha256"] == by_name["sha256"] == json.loads(files["config.json"])["sha256"]

    cached = {path.name for path in cache.rglob("snapshots/*/*")}
    assert cached == set(files)
    fetched = [line.rsplit("/", 1)[1] for line in server.log if line.startswith("GET /org/plain/")]
    assert fetched.count("model.safetensors") == 1, "the second revision shares its blob"
    assert not {"best.pt", "code.py", "model.onnx"} & set(fetched)

    server.log.clear()
    assert online.load(f"org/plain@{first}", cache) == by_tag
    assert server.log == [], "a pinned commit in the cache needs no request"
    assert online.load("org/plain", cache) == by_name
    assert server.log == ["GET /api/models/org/plain/revision/main"]

    by_commit = online.load(f"org/plain@{second}", cache.with_name("other"))
    assert by_commit == by_name


def test_cached_weights_load_without_the_hub(
    files: dict[str, bytes], cache: Path, tmp_path: Path
) -> None:
    with HubServer() as running:
        commit = running.publish("org/away", files, tag="v1")
        for client in child(tmp_path / "home", running.url):
            loaded = client.load("org/away@v1", cache)
            assert loaded["label"] == f"org/away@{commit}"
            running.stop()
            for spec in ("org/away@v1", f"org/away@{commit}"):
                assert client.load(spec, cache) == loaded
                assert client.load(spec, cache, offline=True) == loaded
            for spec in ("org/away", "org/away@v2", "org/other", f"org/away@{'0' * 40}"):
                for offline in (None, True):
                    missing = client.load(spec, cache, offline=offline)
                    assert missing["error"] == "HubUnavailable"
                    assert "in the cache" in missing["message"]
            with socket.create_server(("127.0.0.1", int(running.url.rsplit(":", 1)[1]))):
                # Connections are taken and never answered.
                assert client.load("org/away@v1", cache, answer_s=0.5) == loaded
                # Long enough for a busy machine to connect in.
                silent = client.load(f"org/away@{'0' * 40}", cache, answer_s=3.0)
                assert silent["error"] == "HubUnavailable"
                assert "answer within 3 s" in silent["message"]
    for client in child(tmp_path / "home", "http://127.0.0.1:9", HF_HUB_OFFLINE="1"):
        assert client.load("org/away@v1", cache) == loaded
        assert client.load("org/away", cache)["error"] == "HubUnavailable"


def test_what_is_not_there(
    server: HubServer, online: Child, files: dict[str, bytes], cache: Path
) -> None:
    server.publish("org/there", files)
    missing = online.load("org/gone", cache, token=TOKEN)
    assert missing["error"] == "WeightsNotFound"
    assert "org/gone@main" in missing["message"]
    for revision in ("v9", "0" * 40):
        missing = online.load(f"org/there@{revision}", cache)
        assert missing["error"] == "WeightsNotFound"
        assert revision in missing["message"]
    assert not list(cache.rglob("snapshots/*/*"))


def test_private_weights_need_a_token(
    server: HubServer, online: Child, files: dict[str, bytes], cache: Path
) -> None:
    commit = server.publish("org/private", files, private=True)
    for spec in ("org/private", "org/gone"):
        refused = online.load(spec, cache)
        assert refused["error"] == "HubUnavailable"
        assert "HF_TOKEN" in refused["message"]
    refused = online.load("org/private", cache, token="hf_wrong")
    assert refused["error"] == "HubUnavailable"
    assert "hf_wrong" not in refused["message"]
    assert online.load("org/private", cache, token=TOKEN)["label"] == f"org/private@{commit}"


@pytest.mark.parametrize("fault", ["cut", "short"])
@pytest.mark.parametrize("name", ["model.safetensors", "calibration.json"])
def test_a_download_that_is_cut_never_loads(
    server: HubServer, online: Child, files: dict[str, bytes], cache: Path, fault: str, name: str
) -> None:
    commit = server.publish("org/cut", files)
    server.faults[f"org/cut/{name}"] = fault
    assert online.load("org/cut", cache)["error"] == "HubUnavailable"
    # What did arrive is not taken for the whole, also not offline.
    assert online.load("org/cut", cache, offline=True)["error"] == "HubUnavailable"
    del server.faults[f"org/cut/{name}"]
    assert online.load("org/cut", cache)["label"] == f"org/cut@{commit}"


def test_an_altered_file_never_loads(
    server: HubServer, online: Child, files: dict[str, bytes], cache: Path
) -> None:
    server.publish("org/altered", files)
    server.faults["org/altered/model.safetensors"] = "altered"
    for offline in (None, True):
        refused = online.load("org/altered", cache, offline=offline)
        assert refused["error"] == "WeightsRefused"
        assert "sha256" in refused["message"]
        assert "hf cache rm model/org/altered" in refused["message"]


def test_a_repository_that_is_no_weights_folder_is_not_fetched(
    server: HubServer, online: Child, files: dict[str, bytes], cache: Path
) -> None:
    pickled = {k: v for k, v in files.items() if k != "model.safetensors"} | {"best.pt": b"x"}
    server.publish("org/pickled", pickled)
    server.publish("org/large", files | {"README.md": b"x" * 300_000})
    for spec, expected in (("org/pickled", "safetensors"), ("org/large", "at most 262144")):
        refused = online.load(spec, cache)
        assert refused["error"] == "WeightsRefused"
        assert expected in refused["message"]
        assert not [line for line in server.log if f"/{spec}/resolve/" in line]


def test_the_patience_is_bounded() -> None:
    assert 2 * hub.ANSWER_S <= 30


def test_eight_processes_at_once(
    server: HubServer, files: dict[str, bytes], cache: Path, tmp_path: Path
) -> None:
    commit = server.publish("org/busy", files)
    done = subprocess.run(
        [sys.executable, "-c", CROWD, "org/busy", str(cache)],
        env=environment(tmp_path / "home", server.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=280,
    )
    assert json.loads(done.stdout) == [f"org/busy@{commit}"] * 8
    fetched = [line for line in server.log if line.startswith("GET /org/busy/resolve/")]
    assert len(fetched) == len(set(fetched)) == len(files), "one download for all"


def test_the_genuine_client_can_push_to_the_server(
    server: HubServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    script = """
import sys
from huggingface_hub import HfApi, errors
api = HfApi()
api.create_repo("org/pushed", exist_ok=True)
api.create_repo("org/pushed", exist_ok=True)
made = api.upload_folder(repo_id="org/pushed", folder_path=sys.argv[1], commit_message="weights")
api.create_tag("org/pushed", tag="v1", revision=made.oid)
assert [c.commit_id for c in api.list_repo_commits("org/pushed")][:-1] == [made.oid]
assert api.list_repo_refs("org/pushed").tags[0].target_commit == made.oid
assert {f.path for f in api.list_repo_tree("org/pushed", revision="v1")} >= {"README.md"}
assert api.whoami()["name"] == "org"
try:
    api.upload_file(repo_id="org/pushed", path_in_repo="a", path_or_fileobj=b"a",
                    parent_commit="0" * 40)
except errors.HfHubHTTPError as error:
    assert error.response.status_code == 412
else:
    raise AssertionError("a stale parent was taken")
"""
    folder = small.write(tmp_path / "run", files)
    subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env=environment(tmp_path / "home", server.url, HF_TOKEN=TOKEN),
        check=True,
        timeout=120,
    )
    pushed = server.repos["org/pushed"]
    found = dict(pushed.commits[pushed.tags["v1"]].files)
    assert found.pop(".gitattributes")
    assert found == files


@pytest.fixture
def shelf(tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `weights/` folder with two sets of weights, in place of the shipped one."""
    for name in ("default", "other"):
        small.write(tmp_path / "weights" / name, files | {"README.md": name.encode()})
    monkeypatch.setattr(hub, "_shelf", lambda: tmp_path / "weights")
    monkeypatch.delenv("DFEXPLAIN_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "weights"


def test_which_weights_are_meant(
    shelf: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub.shipped() == ["default", "other"]
    assert hub.load().label == "default@local"
    assert hub.load("").label == "default@local"
    monkeypatch.setenv("DFEXPLAIN_WEIGHTS", "other")
    assert hub.load().card == "other"
    assert hub.load("default").card == "default"
    monkeypatch.setenv("DFEXPLAIN_WEIGHTS", str(shelf / "default"))
    assert hub.load().card == "default"

    small.write(shelf.parent / "other", files | {"README.md": b"here"})
    assert hub.load("other").card == "other"
    assert hub.load("./other").card == "here"
    assert hub.load(Path("other")).card == "here"
    small.write(shelf.parent / "org" / "name", files)
    assert hub.load("org/name").label == "name@local"


@pytest.mark.parametrize(
    "spec",
    ["none", "./none", "../none", "/none", "a/b/c", "a b/c", "org/name@", "org/..@main",
     "org/name@../../x", "~nobody-here", "hf-hub:org/name", "x" * 5000, "a\0b", Path("org/name")],
)  # fmt: skip
def test_no_such_weights(shelf: Path, spec: str | Path) -> None:
    with pytest.raises(WeightsNotFound, match="Shipped here: default, other") as caught:
        hub.load(spec)
    assert len(str(caught.value)) < 400


def test_a_file_is_not_a_weights_folder(shelf: Path) -> None:
    with pytest.raises(WeightsRefused, match="must be a folder, but got the file 'model"):
        hub.load(shelf / "default" / "model.safetensors")


def test_the_shelf_is_beside_the_package() -> None:
    assert hub._shelf() == Path(hub.__file__).resolve().parent.parent / "weights"


def test_a_regular_install_keeps_the_shelf_among_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "__file__", str(tmp_path / "site-packages" / "dfexplain" / "hub.py"))
    assert hub._shelf() == Path(sys.prefix) / "share" / "dfexplain" / "weights"
