"""The HTTP API: submit a file, ask how it stands, cancel it, fetch what was found."""

# No `from __future__ import annotations`: FastAPI reads the types of a route from its signature.
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Header, Query, Response, UploadFile
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dfexplain.batch.jobs import Job, NewJob, State
from dfexplain.batch.naming import parameters_of, stem_of
from dfexplain.batch.store import Store
from dfexplain.errors import NoSuchJob, NotReady, TooMany
from dfexplain.service import hooks
from dfexplain.service.admission import Keyring, Limiter
from dfexplain.service.answers import DOCUMENTED
from dfexplain.service.intake import Files
from dfexplain.service.settings import ServiceSettings
from dfexplain.service.shapes import (
    EVERY,
    FPS,
    FRAMES,
    WEBHOOK,
    JobList,
    JobShape,
    PathRequest,
    sampling_of,
)
from dfexplain.structures import Sampling

__all__ = ["PREFIX", "key_of", "router"]

PREFIX = "/api/v1"
# A report holds no script, and fetches nothing; should it ever, the browser refuses.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "sandbox",
    "X-Content-Type-Options": "nosniff",
}
_FULL_S = 30

JobId = Annotated[str, InPath(pattern="^[0-9a-f]{32}$", description="id of a job")]
_bearer = HTTPBearer(auto_error=False, description="An API key. `X-API-Key` does as well.")


def key_of(settings: ServiceSettings) -> Callable[..., str]:
    """What a route depends on to know whose key a request carries. It raises KeyRefused."""
    keys = Keyring(settings.keys)

    def key(
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        x_api_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> str:
        return keys.name_of(bearer.credentials if bearer else x_api_key)

    return key


def router(
    settings: ServiceSettings,
    store: Store,
    files: Files,
    weights_sha256: str,
    offered: Callable[[Job], None],
) -> APIRouter:
    """The routes over `store`. `offered` is told of each new job."""
    limiter, key = Limiter(settings.rate_per_min), key_of(settings)
    Key = Annotated[str, Depends(key)]  # noqa: N806
    api = APIRouter(prefix=PREFIX, responses=DOCUMENTED, dependencies=[Depends(key)])

    def admit(name: str, webhook: str | None) -> None:
        limiter.take(name)
        if webhook is not None:
            hooks.allowed(webhook, settings)
        counts = store.counts()
        if counts[State.QUEUED] + counts[State.RUNNING] >= settings.max_queue:
            raise TooMany(
                f"at most {settings.max_queue} jobs must wait or run, but so many do. Try again "
                f"in {_FULL_S} s.",
                _FULL_S,
            )

    def submit(
        path: Path, sha256: str, sampling: Sampling, webhook: str | None, response: Response
    ) -> JobShape:
        asked = NewJob(
            str(path), sha256, weights_sha256, parameters_of(sampling), webhook, str(files.reports)
        )
        job, new = store.submit(asked)
        if job.state in (State.FAILED, State.CANCELLED) and store.retry(job.id, str(path)):
            job, new = store.job(job.id) or job, True
        if new:
            offered(job)
        elif job.finished_at is not None or Path(job.path).parent != path.parent:
            files.drop(str(path))
        response.status_code = 202 if job.finished_at is None else 200
        return JobShape.of(job, new)

    def known(job_id: str) -> Job:
        job = store.job(job_id)
        if job is None:
            raise NoSuchJob(f"job must be one of this service, but got {job_id}. Submit the file.")
        return job

    def done(job_id: str) -> Job:
        job = known(job_id)
        if job.state is not State.DONE:
            raise NotReady(
                f"job must be done to have a result, but {job_id} is {job.state}. Ask for its "
                "status first."
            )
        return job

    @api.post("/jobs", status_code=202, responses={200: {"model": JobShape}})
    def submit_file(
        name: Key,
        response: Response,
        file: Annotated[UploadFile, File(description="a video or picture")],
        frames: Annotated[int | None, Form(**FRAMES)] = None,
        fps: Annotated[float | None, Form(**FPS)] = None,
        every: Annotated[int | None, Form(**EVERY)] = None,
        webhook: Annotated[str | None, Form(**WEBHOOK)] = None,
    ) -> JobShape:
        """Submit a file. The same bytes again give the same job: 200 where it has ended."""
        sampling = sampling_of(frames, fps, every)
        admit(name, webhook)
        path, sha256 = files.keep(file.file, file.filename or "", parameters_of(sampling))
        return submit(path, sha256, sampling, webhook, response)

    @api.post("/jobs/path", status_code=202, responses={200: {"model": JobShape}})
    def submit_path(name: Key, response: Response, asked: PathRequest) -> JobShape:
        """Submit a file that the service can see, under one of its allowed folders."""
        sampling = sampling_of(asked.frames, asked.fps, asked.every)
        admit(name, asked.webhook)
        path, sha256 = files.named(asked.path)
        return submit(path, sha256, sampling, asked.webhook, response)

    @api.get("/jobs")
    def list_jobs(
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> JobList:
        """Jobs, the oldest first."""
        return JobList(jobs=[JobShape.of(job) for job in store.jobs(state, limit, offset)])

    @api.get("/jobs/{job_id}")
    def job_status(job_id: JobId) -> JobShape:
        """How a job stands."""
        return JobShape.of(known(job_id))

    @api.post("/jobs/{job_id}/cancel")
    def cancel_job(job_id: JobId) -> JobShape:
        """End a job that waits or runs. 409 where it has ended."""
        known(job_id)
        if not store.cancel(job_id):
            raise NotReady(f"job must wait or run to be cancelled, but {job_id} has ended.")
        return JobShape.of(known(job_id))

    @api.get("/jobs/{job_id}/result", responses={200: {"content": {"application/json": {}}}})
    def job_result(job_id: JobId) -> Response:
        """The report as JSON: what `dfexplain analyze` writes for this file, to the byte."""
        done(job_id)
        return Response(store.report(job_id), media_type="application/json")

    @api.get(
        "/jobs/{job_id}/report",
        response_class=HTMLResponse,
        responses={200: {"content": {"text/html": {}}}},
    )
    def job_report(job_id: JobId) -> HTMLResponse:
        """The report as one HTML page."""
        job = done(job_id)
        stem = stem_of(job.path, job.input_sha256)
        path = Path(job.out or os.devnull) / f"{stem}.html"
        try:
            return HTMLResponse(path.read_text("utf-8"), headers=_PAGE_HEADERS)
        except OSError as error:
            raise NoSuchJob(
                f"the page of job {job_id} must be among the reports, but it is not: its worker "
                "may lie on another machine. Fetch the result."
            ) from error

    return api
