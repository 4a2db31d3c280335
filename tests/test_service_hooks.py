"""Webhooks of the service, and the settings that it reads."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dfexplain.errors import SettingError
from dfexplain.service import hooks
from dfexplain.service.admission import hashed
from dfexplain.service.serving import entry_of
from dfexplain.service.settings import ServiceSettings, origin_of
from tests.services import AUTH, SECRET, made, upload, worked


class Backend(BaseHTTPRequestHandler):
    """Notes what it is told; answers with the next status."""

    told: list[tuple[dict[str, str], bytes]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append((dict(self.headers), body))
        status = self.answers.pop(0)
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[tuple[type[Backend], int]]:
    kind = type("Told", (Backend,), {"told": [], "answers": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield kind, server.server_port
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_webhook_is_signed_retried_and_never_redirected(
    tmp_path: Path, backend: tuple[type[Backend], int]
) -> None:
    kind, port = backend
    app, service = made(tmp_path, webhook_origins=frozenset({("http", "127.0.0.1", port)}))
    # Without `with`, so that nothing but this test goes round.
    client = TestClient(app, headers=AUTH)
    job = upload(client, webhook=f"http://127.0.0.1:{port}/hook?x=1").json()
    teller = hooks.Hooks(service.settings)
    assert teller.tell(service.store, now=0.0) == 0
    assert kind.told == []
    worked(service)

    kind.answers = [307, 500, 200]
    assert teller.tell(service.store, now=0.0) == 0
    assert teller.tell(service.store, now=1.0) == 0, "it waits between two tries"
    assert len(kind.told) == 1
    assert teller.tell(service.store, now=3.0) == 0
    assert teller.tell(service.store, now=100.0) == 1
    assert service.store.untold() == []
    headers, body = kind.told[-1]
    assert len(kind.told) == 3
    signed = hmac.new(SECRET.encode(), headers[hooks.MOMENT].encode() + b"." + body, "sha256")
    assert headers[hooks.SIGNATURE] == f"sha256={signed.hexdigest()}"
    said = json.loads(body)
    assert (said["job"], said["state"], said["verdict"]) == (job["id"], "done", "real")
    assert "path" not in said


def test_a_webhook_is_given_up(tmp_path: Path, backend: tuple[type[Backend], int]) -> None:
    kind, port = backend
    app, service = made(tmp_path, webhook_origins=frozenset({("http", "127.0.0.1", port)}))
    client = TestClient(app, headers=AUTH)
    upload(client, webhook=f"http://127.0.0.1:{port}/")
    worked(service)
    kind.answers = [500] * 9
    teller = hooks.Hooks(service.settings)
    over = [teller.tell(service.store, now=1000.0 * n) for n in range(9)]
    assert over == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert len(kind.told) == hooks.TRIES


# --- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DFEXPLAIN_API_KEYS", "dfx_a-key-itself"),
        ("DFEXPLAIN_API_KEYS", "a=12"),
        ("DFEXPLAIN_ROOTS", "/no/such/folder"),
        ("DFEXPLAIN_WEBHOOK_HOSTS", "hooks.test"),
        ("DFEXPLAIN_WEBHOOK_HOSTS", "ftp://hooks.test"),
        ("DFEXPLAIN_MAX_UPLOAD_MB", "0"),
        ("DFEXPLAIN_RATE_PER_MIN", "many"),
        ("DFEXPLAIN_MAX_QUEUE", "1e3"),
    ],
)
def test_a_bad_setting_is_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingError) as error:
        ServiceSettings.read({name: value})
    assert name in str(error.value) or "WEBHOOK" in str(error.value)
    assert "dfx_a-key-itself" not in str(error.value)


def test_settings_are_read(tmp_path: Path) -> None:
    key, entry = entry_of("desk")
    found = ServiceSettings.read(
        {
            "DFEXPLAIN_API_KEYS": entry,
            "DFEXPLAIN_ROOTS": str(tmp_path),
            "DFEXPLAIN_WEBHOOK_HOSTS": "hooks.test, http://10.0.0.5:8080",
            "DFEXPLAIN_WEBHOOK_SECRET": SECRET,
            "DFEXPLAIN_MAX_UPLOAD_MB": "5",
            "DFEXPLAIN_FILES": str(tmp_path / "files"),
        }
    )
    assert found.keys == {"desk": hashed(key)}
    assert found.roots == (tmp_path.resolve(),)
    assert found.max_upload_bytes == 5 << 20
    assert origin_of("https://hooks.test/a") in found.webhook_origins
    assert origin_of("http://10.0.0.5:8080/b") in found.webhook_origins
    assert SECRET not in repr(found)
    with pytest.raises(SettingError):
        entry_of("a b")
