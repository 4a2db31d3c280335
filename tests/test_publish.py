"""Weights on their way to the Hub, through its genuine client and against the tests' own Hub."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from dfexplain import hub, publish, weights_writing
from dfexplain.detector import Detector
from dfexplain.errors import (
    HubUnavailable,
    SettingError,
)
from dfexplain.structures import Sampling, VideoReport
from tests import small_weights as small
from tests.hub_child import Child, child
from tests.hub_server import HubServer
from tests.hub_store import READER, TOKEN


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


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that give other answers."""
    return small.publishable(tmp_path_factory.mktemp("weights") / "mine", seed=1)


def uploads(server: HubServer) -> list[str]:
    """The calls that brought content to the Hub or named it."""
    return [line for line in server.log if re.match(r"PUT /lfs|POST .*/(commit|tag)/", line)]


def test_push_and_load(server: HubServer, client: Child, folder: Path, tmp_path: Path) -> None:
    pushed = client.push(folder, "org/mine", tag="v1")
    assert pushed["spec"] == "org/mine@v1"
    assert "heatmaps are not tested" in pushed["notes"][0]
    repo = server.repos["org/mine"]
    assert repo.tags == {"v1": pushed["commit"]} == {"v1": repo.branches["main"]}
    assert not repo.private
    commit = repo.commits[pushed["commit"]]
    sha256 = json.loads(commit.files["config.json"])["sha256"]
    assert sha256 in commit.description
    assert pushed["url"].endswith(f"/org/mine/commit/{commit.sha}")
    first = repo.commits[commit.parent or ""]
    assert first.parent is None, "one commit after the one that the Hub itself makes"
    assert {k: v for k, v in commit.files.items() if k not in first.files} == small.files_of(folder)

    loaded = client.load("org/mine@v1", tmp_path / "cache")
    assert loaded["label"] == f"org/mine@{pushed['commit']}"
    assert loaded["sha256"] == sha256
    snapshot = next((tmp_path / "cache").rglob("snapshots/*"))
    weights = hub.load(small.write(tmp_path / "fetched", small.files_of(snapshot)))
    example = Path(__file__).parent.parent / "examples" / "forged.mp4"
    *_, report = Detector(weights).analyze(example, Sampling(frames=16))
    assert isinstance(report, VideoReport)
    assert report.weights.sha256 == sha256
    assert report.verdict.score is not None
    assert report.verdict.p_fake is not None


def test_the_card_on_the_hub_carries_the_metrics(folder: Path) -> None:
    weights = hub.load(folder)
    data = ModelCard(weights.card).data
    assert weights.calibration is not None
    listed = {result.metric_type: result for result in data.eval_results}
    assert listed["roc_auc"].metric_value == pytest.approx(weights.calibration.auc, abs=1e-4)
    assert listed["roc_auc"].dataset_args == {"videos": 120, "real": 60, "fake": 60, "people": 30}
    assert set(listed) == {
        "roc_auc", "expected_calibration_error", "false_positive_rate", "miss_rate"
    }  # fmt: skip


def test_a_tag_is_set_once(server: HubServer, client: Child, folder: Path) -> None:
    client.push(folder, "org/tagged", tag="v1")
    before = dict(server.repos["org/tagged"].commits)
    server.log.clear()
    refused = client.push(folder, "org/tagged", tag="v1")
    assert refused["error"] == "PushRefused"
    assert "--tag must be new, but org/tagged has 'v1' already" in refused["message"]
    branch = client.push(folder, "org/tagged", tag="main")
    assert "has 'main' already" in branch["message"]
    assert uploads(server) == []
    assert server.repos["org/tagged"].commits == before
    again = client.push(folder, "org/tagged", tag="v2")
    assert again["commit"] == server.repos["org/tagged"].tags["v1"], "equal files make no commit"
    assert server.repos["org/tagged"].tags["v2"] == again["commit"]


def test_changed_answers_need_a_reason(
    server: HubServer, client: Child, folder: Path, other: Path
) -> None:
    first = client.push(folder, "org/changed")
    server.log.clear()
    refused = client.push(other, "org/changed")
    assert refused["error"] == "PushRefused"
    assert f"those of org/changed@{first['commit'][:12]} do" in refused["message"]
    assert "golden crop 0" in refused["message"]
    assert "--changed" in refused["message"]
    assert uploads(server) == []
    made = client.push(other, "org/changed", changed="trained on more people")
    repo = server.repos["org/changed"]
    said = repo.commits[made["commit"]].description
    assert "Changed: trained on more people" in said
    assert "golden crop 7" in said
    assert repo.commits[made["commit"]].parent == first["commit"]


def test_what_the_folder_has_no_longer_leaves_the_hub(
    server: HubServer, client: Child, folder: Path
) -> None:
    files = small.files_of(folder)
    server.publish("org/older", files | {"heatmaps.json": b"{}", "notes.txt": b"kept"})
    made = client.push(folder, "org/older")
    found = server.repos["org/older"].commits[made["commit"]].files
    assert found == files | {"notes.txt": b"kept"}


def test_an_evaluation_goes_up_with_its_weights_and_comes_back(
    server: HubServer, client: Child, folder: Path, tmp_path: Path
) -> None:
    copy = small.write(tmp_path / "mine", small.files_of(folder))
    weights_writing.record_evaluation(copy, small.evaluation())
    assert client.push(copy, "org/measured")["code"] == "push-refused"
    weights_writing.refresh_card(copy)
    made = client.push(copy, "org/measured")
    files = server.repos["org/measured"].commits[made["commit"]].files
    assert files.pop(".gitattributes"), "the Hub's own"
    assert files == small.files_of(copy)
    assert "evaluation.json" in files
    client.load(made["spec"], tmp_path / "cache")
    (snapshot,) = (tmp_path / "cache").glob("*/snapshots/*")
    weights = hub.load(small.write(tmp_path / "fetched", small.files_of(snapshot)))
    assert weights.evaluation == small.evaluation(weights.info.sha256)


def test_golden_scores_that_cannot_be_read_count_as_changed(
    server: HubServer, client: Child, folder: Path
) -> None:
    server.publish("org/broken", {"golden.json": b"{}", "README.md": b"x"})
    assert "golden.json of org/broken@" in client.push(folder, "org/broken")["message"]
    assert "spec" in client.push(folder, "org/broken", changed="the old file was broken")


def test_private_repositories(server: HubServer, client: Child, folder: Path) -> None:
    assert "spec" in client.push(folder, "org/secret", private=True)
    assert server.repos["org/secret"].private
    assert "spec" in client.push(folder, "org/secret", tag="v1")
    assert server.repos["org/secret"].private
    client.push(folder, "org/open")
    server.log.clear()
    refused = client.push(folder, "org/open", private=True, tag="v2")
    assert "must be private as asked, but is public" in refused["message"]
    assert uploads(server) == []


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "a token with the right to write must be there to push, but none was found"),
        ("hf_wrong", "the token must be valid, but the Hub answered 401"),
        ("hf_wrong\u00e9", "the one found holds other characters"),
        (READER, "must have the right to write to org/{name}, but the Hub answered 403"),
    ],
)
def test_who_may_not_push(
    server: HubServer, client: Child, folder: Path, token: str, says: str
) -> None:
    server.publish("org/standing", {"README.md": b"x"}, private=True)
    server.log.clear()
    for name in ("standing", "fresh"):
        refused = client.push(folder, f"org/{name}", token=token)
        assert refused["error"] == "HubUnavailable"
        assert says.format(name=name) in refused["message"]
        assert not token or token not in refused["message"]
    assert uploads(server) == []
    assert "org/fresh" not in server.repos


def test_a_push_that_came_in_between_stays(
    server: HubServer, client: Child, folder: Path, other: Path
) -> None:
    client.push(folder, "org/raced")
    theirs = {"README.md": b"somebody else's"}
    server.interrupt = lambda: server.publish("org/raced", theirs)
    refused = client.push(other, "org/raced", changed="trained further")
    assert refused["error"] == "PushRefused"
    assert "org/raced must not change during a push, but it did (412)" in refused["message"]
    repo = server.repos["org/raced"]
    assert repo.commits[repo.branches["main"]].files == theirs


def test_limits_and_faults_of_the_hub(server: HubServer, client: Child, folder: Path) -> None:
    for call, status, says in (
        ("GET /api/models/org/faulty", 429, "limits how often it is asked (429). Try again in 7 s"),
        ("POST /api/repos/create", 503, "must take the push to org/faulty, but answered 503"),
        ("POST /api/models/org/faulty/preupload/main", 429, "(429)"),
        ("POST /api/models/org/faulty/commit/main", 500, "answered 500"),
    ):
        server.faults[call] = status
        refused = client.push(folder, "org/faulty")
        assert refused["error"] == "HubUnavailable", call
        assert says in refused["message"]
        del server.faults[call]
    assert "spec" in client.push(folder, "org/faulty")


def test_a_tag_that_fails_says_how_to_go_on(
    server: HubServer, client: Child, folder: Path, other: Path
) -> None:
    client.push(folder, "org/half")
    fault = "POST /api/models/org/half/tag/"
    head = server.repos["org/half"].branches["main"]
    server.faults[fault + head] = 500
    refused = client.push(folder, "org/half", tag="v1")
    assert refused["error"] == "HubUnavailable"
    assert f"hf repos tag create org/half v1 --revision {head}" in refused["message"]
    del server.faults[fault + head]


def test_no_hub(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        for client in child(tmp_path / "home", url):
            refused = client.push(folder, "org/mine", answer_s=0.2)
            assert refused["error"] == "HubUnavailable"
            assert "ReadTimeout" in refused["message"]
            mute.close()
            refused = client.push(folder, "org/mine")
            assert refused["error"] == "HubUnavailable"
            assert "must be within reach to push, but got Connect" in refused["message"]


def test_the_client_is_told_to_stay_offline(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnavailable, match="HF_HUB_OFFLINE is set"):
        publish.push(folder, "org/mine", token=TOKEN)


def test_weights_that_are_not_fit_are_not_sent(
    server: HubServer, client: Child, folder: Path, tmp_path: Path
) -> None:
    server.log.clear()
    copy = small.write(tmp_path / "mine", small.files_of(folder))
    uncalibrated = small.publishable(tmp_path / "uncalibrated", calibrated=False)
    refused = client.push(uncalibrated, "org/unfit")
    assert refused["code"] == "DFX004"
    (copy / "heatmaps.json").write_text(json.dumps(small.heatmaps(copy, 0.01, -0.02, 0.04)))
    assert client.push(copy, "org/unfit")["code"] == "DFX005"
    assert server.log == []
    (copy / "heatmaps.json").write_text(json.dumps(small.heatmaps(copy, 0.05, 0.02, 0.08)))
    weights_writing.refresh_card(copy)
    made = client.push(copy, "org/unfit")
    assert [note.split(":")[0] for note in made["notes"]] == ["No evaluation is recorded"]
    assert "heatmaps.json" in server.repos["org/unfit"].commits[made["commit"]].files


@pytest.mark.parametrize("repo", ["", "mine", "org/", "a/b/c", "org/a--b", "org/..", "org/n@v1"])
def test_a_name_that_is_none(folder: Path, repo: str) -> None:
    with pytest.raises(SettingError, match="--repo must be org/name"):
        publish.push(folder, repo, token=TOKEN)


@pytest.mark.parametrize("tag", ["", "a b", "-v", "v/../1", "0" * 40, "x" * 200])
def test_a_tag_that_is_none(folder: Path, tag: str) -> None:
    with pytest.raises(SettingError, match="--tag must be"):
        publish.push(folder, "org/mine", tag=tag, token=TOKEN)
