"""schemathesis reads the OpenAPI document and asks what it can think of: nothing may answer 500."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import checks

from dfexplain.batch.jobs import NewJob
from tests.services import AUTH, WEIGHTS, made, worked

checks.load_all_checks()
CHECKS = checks.CHECKS.get_by_names(
    ["not_a_server_error", "response_schema_conformance", "status_code_conformance"]
)


def asked(folder: Path, examples: int) -> Counter[str]:
    """Ask each operation so often; how many answers of each kind there were."""
    app, service = made(folder)
    (service.settings.roots[0] / "0").write_bytes(b"0")
    ids: list[str] = []
    for content in (b"done", b"waiting"):
        path, sha256 = service.files.keep(io.BytesIO(content), "a.mp4", "{}")
        job = NewJob(str(path), sha256, WEIGHTS, "{}", None, str(service.files.reports))
        ids.append(service.store.submit(job)[0].id)
    worked(service)
    found: Counter[str] = Counter()
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    for got in schema.get_all_operations():
        ask(got.ok(), examples, ids, found)
    return found


def ask(operation: Any, examples: int, ids: list[str], found: Counter[str]) -> None:
    @seed(1)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def once(case: schemathesis.Case) -> None:
        # Half of the ids are those of jobs that are there.
        turn = found.total() % 4
        if "job_id" in case.path_parameters and turn < len(ids):
            case.path_parameters["job_id"] = ids[turn]
        # A loaded machine may take longer than the ten seconds of the client.
        answer = case.call(headers=AUTH, timeout=120)
        found[f"{operation.label} {answer.status_code}"] += 1
        case.validate_response(answer, checks=CHECKS)

    once()


def test_no_request_of_the_document_is_a_server_error(tmp_path: Path) -> None:
    found = asked(tmp_path, 15)
    assert {name.rpartition(" ")[0] for name in found} == {
        "POST /api/v1/jobs",
        "POST /api/v1/jobs/path",
        "GET /api/v1/jobs",
        "GET /api/v1/jobs/{job_id}",
        "POST /api/v1/jobs/{job_id}/cancel",
        "GET /api/v1/jobs/{job_id}/result",
        "GET /api/v1/jobs/{job_id}/report",
    }
    assert found.total() > 50
    assert found["GET /api/v1/jobs/{job_id}/result 200"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_requests_of_the_document_are_no_server_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(tmp_path, 500)
    with capsys.disabled():
        print(*sorted(found.items()), sep="\n")
    assert found.total() > 1500
