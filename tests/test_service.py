"""The HTTP API: what it takes, what it refuses and how, and that it tells nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dfexplain.batch.jobs import State
from dfexplain.errors import TooMany
from dfexplain.service.admission import Limiter, hashed
from dfexplain.service.app import Service
from tests.services import AUTH, DOCUMENT, KEY, made, upload, worked

Made = tuple[TestClient, Service]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Made]:
    app, service = made(tmp_path)
    with TestClient(app, headers=AUTH) as client:
        yield client, service


def refused(answer: Any, status: int, code: str) -> str:
    """Check that an answer is one line of JSON with the code; its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.count("\n") == 1
    error = answer.json()["error"]
    assert error["code"] == code
    assert "\n" not in error["message"]
    assert error["message"].endswith(".")
    return str(error["message"])


def test_a_file_goes_in_and_its_report_comes_out(api: Made) -> None:
    client, service = api
    answer = upload(client, name="../../evil:.MP4", frames=8)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["new"]) == ("queued", True)
    assert job["sha256"] == hashlib.sha256(b"bytes").hexdigest()
    status = f"/api/v1/jobs/{job['id']}"
    refused(client.get(status + "/result"), 409, "not-ready")
    refused(client.get(status + "/report"), 409, "not-ready")

    taken = worked(service)
    assert taken.id == job["id"]
    assert json.loads(taken.parameters)["frames"] == 8
    path = Path(taken.path)
    assert path.read_bytes() == b"bytes"
    assert path.name == "evil_.mp4"
    assert path.is_relative_to(service.files.uploads)

    assert client.get(status).json()["state"] == "done"
    assert client.get(status).json()["verdict"] == "real"
    # To the byte what the store keeps, which is what the command line writes.
    assert client.get(status + "/result").content == DOCUMENT.encode()
    page = client.get(status + "/report")
    assert "found" in page.text
    assert "sandbox" in page.headers["Content-Security-Policy"]
    refused(client.post(status + "/cancel"), 409, "not-ready")
    service.round()
    assert not path.exists(), "an upload is deleted when its job has ended"

    again = upload(client, name="other name.mp4", frames=8)
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["new"]) == (job["id"], False)
    assert list(service.files.uploads.iterdir()) == []
    other = upload(client, frames=9).json()
    assert other["id"] != job["id"], "other frames are another question"
    assert [one["id"] for one in client.get("/api/v1/jobs").json()["jobs"]] == [
        job["id"],
        other["id"],
    ]


def test_a_job_is_cancelled_and_asked_for_again(api: Made) -> None:
    client, service = api
    job = upload(client).json()
    assert client.post(f"/api/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert service.store.claim("tests", 60.0) is None
    again = upload(client).json()
    assert (again["id"], again["state"], again["new"]) == (job["id"], "queued", True)
    assert worked(service).id == job["id"]


def test_a_path_counts_under_a_root_only(api: Made, tmp_path: Path) -> None:
    client, service = api
    (root,) = service.settings.roots
    (root / "in.mp4").write_bytes(b"inside")
    (tmp_path / "out.mp4").write_bytes(b"outside")
    (root / "link.mp4").symlink_to(tmp_path / "out.mp4")
    (root / "folder").symlink_to(tmp_path)
    (root / "near.mp4").symlink_to("in.mp4")
    os.mkfifo(root / "pipe.mp4")

    def ask(path: str) -> Any:
        # As ASCII, in which JSON can name half a surrogate pair.
        body, kind = json.dumps({"path": path}), {"Content-Type": "application/json"}
        return client.post("/api/v1/jobs/path", content=body, headers=kind)

    first = ask("in.mp4").json()
    assert first["sha256"] == hashlib.sha256(b"inside").hexdigest()
    assert ask(str(root / "in.mp4")).json()["id"] == first["id"]
    assert ask("near.mp4").json()["id"] == first["id"]
    bad = [
        "link.mp4", "folder/out.mp4", "../out.mp4", str(tmp_path / "out.mp4"), "/etc/passwd",
        "none.mp4", "pipe.mp4", ".", "a\0b", "http://127.0.0.1/a.mp4",
    ]  # fmt: skip
    said = {refused(ask(path), 422, "file-refused").replace(repr(path), "") for path in bad}
    refused(ask("\ud800"), 422, "setting")
    assert len(said) == 1, "it is not told whether a file is there"
    worked(service)
    service.round()
    assert (root / "in.mp4").exists(), "a file that was named is nobody's to delete"


def test_a_wrong_key_is_refused_everywhere(api: Made) -> None:
    client, _ = api
    some = "/api/v1/jobs/" + "0" * 32
    asked = [
        ("POST", "/api/v1/jobs"), ("POST", "/api/v1/jobs/path"), ("GET", "/api/v1/jobs"),
        ("GET", some), ("POST", some + "/cancel"), ("GET", some + "/result"),
        ("GET", some + "/report"), ("GET", "/metrics"),
    ]  # fmt: skip
    wrong = (
        {"Authorization": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "", "X-API-Key": hashed(KEY)},
        {"Authorization": "", "X-API-Key": "é" * 9999},
    )
    for method, path in asked:
        for headers in wrong:
            coded = {name: text.encode() for name, text in headers.items()}
            answer = client.request(method, path, headers=coded)
            assert KEY not in refused(answer, 401, "key-refused")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.get(some, headers={"Authorization": "", "X-API-Key": KEY}).status_code == 404


def test_without_a_key_nothing_of_a_body_is_read(tmp_path: Path) -> None:
    app, _ = made(tmp_path)
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/jobs", "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=b")], "http_version": "1.1",
        "scheme": "http", "server": ("test", 80), "client": ("test", 1), "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 401


def test_what_nobody_foresaw_is_one_line_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, service = made(tmp_path)

    def broken(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(service.store, "jobs", broken)
    client = TestClient(app, headers=AUTH, raise_server_exceptions=False)
    assert "secret" not in refused(client.get("/api/v1/jobs"), 500, "internal")


def test_a_large_body_is_refused_before_and_while_it_is_read(api: Made) -> None:
    client, service = api
    large = b"x" * (service.settings.max_upload_bytes + (1 << 17))
    assert "1 MiB" in refused(upload(client, large), 413, "too-large")

    def unannounced() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/api/v1/jobs", content=unannounced(), headers=headers)
    assert "1 MiB" in refused(answer, 413, "too-large")
    assert list(service.files.uploads.iterdir()) == []
    assert service.store.jobs() == []


def test_too_many_requests_and_too_long_a_queue_are_429(tmp_path: Path) -> None:
    app, _ = made(tmp_path, rate_per_min=2)
    with TestClient(app, headers=AUTH) as client:
        assert [upload(client, bytes([n])).status_code for n in range(2)] == [202, 202]
        answer = upload(client, b"3")
        refused(answer, 429, "too-many")
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
    (tmp_path / "full").mkdir()
    app, service = made(tmp_path / "full", max_queue=1)
    with TestClient(app, headers=AUTH) as client:
        assert upload(client).status_code == 202
        answer = upload(client, b"other")
        refused(answer, 429, "too-many")
        assert int(answer.headers["Retry-After"]) > 0
        worked(service)
        assert upload(client, b"other").status_code == 202


def test_the_limiter_lets_in_again_with_time() -> None:
    limiter = Limiter(60)
    for _ in range(60):
        limiter.take("a", now=0.0)
    with pytest.raises(TooMany) as error:
        limiter.take("a", now=0.0)
    assert error.value.wait_s == 1
    limiter.take("b", now=0.0)
    limiter.take("a", now=1.1)


def test_what_is_wrong_is_one_line(api: Made) -> None:
    client, _ = api
    assert "frames" in refused(upload(client, frames=0), 422, "setting")
    assert "one of them" in refused(upload(client, frames=3, fps=2), 422, "setting")
    refused(upload(client, b""), 422, "file-refused")
    refused(client.post("/api/v1/jobs", data={"frames": 3}), 422, "setting")
    refused(client.post("/api/v1/jobs/path", content=b"{"), 422, "setting")
    refused(client.post("/api/v1/jobs/path", json={"path": "a", "paths": 1}), 422, "setting")
    refused(client.get("/api/v1/jobs/xyz"), 422, "setting")
    refused(client.get("/api/v1/jobs/" + "0" * 32), 404, "no-such-job")
    refused(client.get("/api/v1/nothing"), 404, "request")
    refused(client.delete("/api/v1/jobs"), 404, "request")
    bad = (
        "http://evil.test/", "https://hooks.test@evil.test/", "https://hooks.test:8443/",
        "http://127.0.0.1/", "ftp://hooks.test/", "hooks.test", "https://hooks.test/\n",
    )  # fmt: skip
    for url in bad:
        assert "webhook" in refused(upload(client, webhook=url), 422, "setting")


def test_a_store_that_does_not_answer_is_503(api: Made) -> None:
    client, service = api
    assert client.get("/readyz").status_code == 200
    service.store.migrate("base")
    answer = upload(client)
    refused(answer, 503, "store")
    assert answer.headers["Retry-After"]
    refused(client.get("/readyz"), 503, "store")
    assert client.get("/healthz").json() == {"status": "ok"}


def test_metrics_count_by_pattern_and_not_by_id(api: Made) -> None:
    client, _ = api
    job = upload(client).json()
    client.get(f"/api/v1/jobs/{job['id']}")
    upload(client, frames=0)
    text = client.get("/metrics").text
    route = 'route="/api/v1/jobs/{job_id}"'
    assert f'dfexplain_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert 'dfexplain_jobs{state="queued"} 1.0' in text
    assert 'dfexplain_refused_total{code="setting"} 1.0' in text
    assert job["id"] not in text


def test_openapi_describes_every_route(api: Made) -> None:
    client, _ = api
    document = client.get("/api/v1/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/v1/jobs", "/api/v1/jobs/path", "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/cancel", "/api/v1/jobs/{job_id}/result",
        "/api/v1/jobs/{job_id}/report",
    }  # fmt: skip
    assert all("description" in op for path in document["paths"].values() for op in path.values())


def test_uploads_of_a_killed_service_are_cleared(tmp_path: Path) -> None:
    app, service = made(tmp_path)
    kept = upload(TestClient(app, headers=AUTH)).json()
    left = service.files.uploads / ("f" * 76)
    left.mkdir()
    (service.files.uploads / ".x.part").write_bytes(b"half")
    app, service = made(tmp_path)
    with TestClient(app, headers=AUTH):
        names = [path.name for path in service.files.uploads.iterdir()]
    assert len(names) == 1
    assert names[0].startswith(kept["sha256"])
    app, service = made(tmp_path)
    assert service.store.counts()[State.QUEUED] == 1
