"""What is done around every request of the API: its key is looked at and its size limited before
anything of it is read, and it is counted."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dfexplain.errors import DfExplainError, KeyRefused, TooLarge
from dfexplain.service.admission import Keyring
from dfexplain.service.answers import answer, too_large
from dfexplain.service.metrics import Metrics

__all__ = ["Limits"]

# The head of a multipart body and its other fields.
_ROOM_BYTES = 1 << 16


class Limits:
    """Refuses who has no key of `keys` before a byte of the body is read, and bodies of more than
    `most_bytes`: before they are read where they say so, and while they are read where they do
    not. The page has limits of its own. `free` is the path that needs no key."""

    def __init__(
        self, app: ASGIApp, keys: Keyring, most_bytes: int, metrics: Metrics, free: str
    ) -> None:
        self._app, self._keys, self._metrics, self._free = app, keys, metrics, free
        self._most = most_bytes + _ROOM_BYTES
        self._shown = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        began, status, read = time.perf_counter(), 500, 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise too_large(self._shown)
            return message

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app(scope, limited, counted)
            else:
                self._metrics.refused(refusal.code)
                await answer(refusal)(scope, receive, counted)
        finally:
            # Set by the router: the pattern, so that ids of jobs make no series of their own.
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - began
            self._metrics.answered(route, scope["method"], status, seconds)

    def _refusal(self, scope: Scope) -> DfExplainError | None:
        """Why the request is not answered, as far as its head tells."""
        headers = Headers(scope=scope)
        if scope["path"] != self._free:
            try:
                self._keys.name_of(key_in(headers))
            except KeyRefused as error:
                return error
        said = headers.get("content-length", "")
        announced = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0
        return TooLarge(f"{too_large(self._shown).detail}.") if announced > self._most else None


def key_in(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries in one of the two ways."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key else headers.get("x-api-key")
