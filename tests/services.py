"""A service for the tests: no worker, no page, one key, and a store of its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from dfexplain.batch.jobs import Job, Result
from dfexplain.batch.naming import stem_of
from dfexplain.batch.settings import Settings, opened
from dfexplain.service import app as apps
from dfexplain.service.admission import hashed
from dfexplain.service.intake import Files
from dfexplain.service.metrics import Metrics
from dfexplain.service.settings import ServiceSettings

__all__ = ["AUTH", "DOCUMENT", "KEY", "SECRET", "WEIGHTS", "made", "upload", "worked"]

KEY = "dfx_for-the-tests"
AUTH = {"Authorization": f"Bearer {KEY}"}
SECRET = "sixteen letters or more"
WEIGHTS = "a" * 64
DOCUMENT = json.dumps({"verdict": "real", "note": "é"}, ensure_ascii=False) + "\n"


def made(folder: Path, **changes: Any) -> tuple[FastAPI, apps.Service]:
    """An application in `folder`, with `changes` to its settings."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    settings = ServiceSettings(
        files=folder / "files",
        keys={"tests": hashed(KEY)},
        roots=(root.resolve(),),
        webhook_origins=frozenset({("http", "127.0.0.1", 9), ("https", "hooks.test", 443)}),
        webhook_secret=SECRET,
        max_upload_bytes=1 << 20,
        rate_per_min=100_000,
    )
    settings = dataclasses.replace(settings, **changes)
    queue = Settings(f"sqlite:///{folder / 'jobs.sqlite'}")
    service = apps.Service(
        queue=queue,
        settings=settings,
        store=opened(queue.database),
        files=Files(settings.files, settings.roots),
        metrics=Metrics(),
        worker=None,
    )
    return apps.build(service, WEIGHTS), service


def worked(service: apps.Service) -> Job:
    """Do what a worker would: take the oldest job, write its page, and keep DOCUMENT as found."""
    job = service.store.claim("tests", 60.0)
    assert job is not None
    assert job.out is not None
    stem = stem_of(job.path, job.input_sha256)
    Path(job.out, f"{stem}.html").write_text("<!doctype html><p>found</p>", "utf-8")
    assert service.store.finish(job.id, "tests", Result("real", None, -1.0, 0.1, DOCUMENT))
    return job


def upload(client: TestClient, content: bytes = b"bytes", name: str = "a.mp4", **form: Any) -> Any:
    """Submit a file; the answer."""
    return client.post("/api/v1/jobs", files={"file": (name, content)}, data=form)
