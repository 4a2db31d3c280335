"""The application: the API, what watches over it, and the page below them."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from fastapi import Depends, FastAPI
from fastapi.responses import Response

from dfexplain import __version__
from dfexplain.batch import queueing
from dfexplain.batch.jobs import Job, State
from dfexplain.batch.settings import Settings
from dfexplain.batch.store import Store
from dfexplain.errors import StoreUnavailable
from dfexplain.service import api
from dfexplain.service.admission import Keyring
from dfexplain.service.answers import line, refusals
from dfexplain.service.embedded import Embedded
from dfexplain.service.hooks import Hooks
from dfexplain.service.intake import Files
from dfexplain.service.limits import Limits
from dfexplain.service.metrics import Metrics
from dfexplain.service.settings import ServiceSettings

__all__ = ["Service", "build"]

_ROUND_S = 1.0
_ENDS = {State.DONE, State.FAILED, State.CANCELLED}

log = logging.getLogger("dfexplain.service")


@dataclass
class Service:
    """What runs beside the answers: the embedded worker, webhooks, and the end of uploads."""

    queue: Settings
    settings: ServiceSettings
    store: Store
    files: Files
    metrics: Metrics
    worker: Embedded | None

    def __post_init__(self) -> None:
        self._hooks = Hooks(self.settings, self.metrics.webhook)
        self._uploads: dict[str, str] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def offered(self, job: Job) -> None:
        """A job is new: its upload is kept until it ends, and the broker is told, if there is
        one."""
        with self._lock:
            self._uploads[job.id] = job.path
        queueing.offer(self.queue, [job.id])

    def round(self) -> None:
        """Do once what is done every second."""
        if self.worker is not None:
            self.worker.keep()
        self._hooks.tell(self.store)
        with self._lock:
            ids = list(self._uploads)
        for job in self.store.among(ids):
            if job.state in _ENDS:
                self.files.drop(job.path)
                with self._lock:
                    self._uploads.pop(job.id, None)

    def _rounds(self) -> None:
        while not self._stop.wait(_ROUND_S):
            try:
                self.round()
            except StoreUnavailable as error:
                log.warning("%s", error)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Everything runs until the end of the `with`."""
        self._adopt()
        if self.worker is not None:
            self.worker.keep()
        thread = threading.Thread(target=self._rounds, daemon=True, name="dfexplain-service")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(10.0)
            if self.worker is not None:
                self.worker.close()
            self.store.close()

    def _adopt(self) -> None:
        """Know the uploads of an earlier process of this service."""
        waiting = [
            job
            for state in (State.QUEUED, State.RUNNING)
            for job in self.store.jobs(state, limit=1_000_000)
        ]
        self._uploads.update((job.id, job.path) for job in waiting)
        self.files.tidy(job.path for job in waiting)


def build(
    service: Service, weights_sha256: str, mount: Callable[[FastAPI], object] | None = None
) -> FastAPI:
    """The application, whose jobs are for the weights with this hash. `mount` adds the page."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with service.running():
            yield

    app = FastAPI(
        title="dfexplain",
        version=__version__,
        description="Score videos for deepfakes and see why, with numbers that are measured.",
        lifespan=lifespan,
        openapi_url=f"{api.PREFIX}/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    refusals(app, service.metrics.refused)
    app.include_router(
        api.router(service.settings, service.store, service.files, weights_sha256, service.offered)
    )
    _watched(app, service)
    app.add_middleware(
        Limits,
        keys=Keyring(service.settings.keys),
        most_bytes=service.settings.max_upload_bytes,
        metrics=service.metrics,
        free=f"{api.PREFIX}/openapi.json",
    )
    if mount is not None:
        mount(app)
    return app


def _watched(app: FastAPI, service: Service) -> None:
    """The routes for those who watch over the service."""
    key = api.key_of(service.settings)

    @app.get("/healthz", include_in_schema=False)
    def alive() -> Response:
        return Response('{"status": "ok"}\n', media_type="application/json")

    @app.get("/readyz", include_in_schema=False)
    def ready() -> Response:
        # Answers 503 by StoreUnavailable where the database does not answer.
        service.store.jobs(limit=1)
        if service.worker is not None and not service.worker.alive:
            return line(503, "worker-lost", "the embedded worker must run, but does not.")
        return alive()

    @app.get("/metrics", include_in_schema=False, dependencies=[Depends(key)])
    def metrics() -> Response:
        living = service.worker is not None and service.worker.alive
        text = service.metrics.text(service.store.counts(), living)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    # Before the page, which would take what no route of the API takes.
    @app.api_route(
        "/api/{rest:path}",
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        include_in_schema=False,
    )
    def nowhere(rest: str) -> Response:
        return line(404, "request", "there is nothing at this address, or not for this method.")
