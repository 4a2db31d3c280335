"""Starting the service: settings, weights, page, and the server itself."""

from __future__ import annotations

import logging
import re

import uvicorn
from fastapi import FastAPI

from dfexplain import hub
from dfexplain.batch.settings import Settings, opened
from dfexplain.errors import SettingError
from dfexplain.service import app as apps
from dfexplain.service.admission import hashed, new_key
from dfexplain.service.embedded import Embedded
from dfexplain.service.intake import Files
from dfexplain.service.metrics import Metrics
from dfexplain.service.settings import KEYS, ServiceSettings

__all__ = ["entry_of", "made", "serve"]


def entry_of(name: str) -> tuple[str, str]:
    """A new key, and the entry that lets it in. SettingError for a name that cannot be one."""
    if not re.fullmatch(r"[\w.-]{1,40}", name):
        raise SettingError(
            f"--new-key must be a name of letters, digits, '.', '_' and '-', but got {name!r:.60}. "
            "Choose another."
        )
    key = new_key()
    return key, f"{name}={hashed(key)}"


def made(weights: str | None, *, page: bool, worker: bool) -> FastAPI:
    """The application by the settings of the environment.

    Raises SettingError, WeightsError and StoreUnavailable.
    """
    settings, queue = ServiceSettings.read(), Settings.read()
    if not settings.keys:
        raise SettingError(
            f"{KEYS} must hold at least one key, but is empty. Make one by `dfexplain serve "
            "--new-key NAME`."
        )
    sha256 = hub.load(weights).info.sha256
    service = apps.Service(
        queue=queue,
        settings=settings,
        store=opened(queue.database),
        files=Files(settings.files.absolute(), settings.roots),
        metrics=Metrics(),
        worker=Embedded(queue, weights) if worker else None,
    )
    if not page:
        return apps.build(service, sha256)
    from dfexplain import ui

    return apps.build(service, sha256, lambda app: ui.mount(app, ui.build()))


def serve(*, host: str, port: int, weights: str | None, page: bool, worker: bool) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = made(weights, page=page, worker=worker)
    uvicorn.run(app, host=host, port=port, log_level="info", server_header=False, access_log=False)
