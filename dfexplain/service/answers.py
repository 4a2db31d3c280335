"""How the service answers what went wrong: one line of JSON with a code, whatever it was."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as AnyHTTPException

from dfexplain import errors
from dfexplain.errors import DfExplainError
from dfexplain.service.shapes import ErrorShape

__all__ = ["DOCUMENTED", "line", "refusals"]

STATUS: dict[type[DfExplainError], int] = {
    errors.KeyRefused: 401,
    errors.NoSuchJob: 404,
    errors.NotReady: 409,
    errors.TooLarge: 413,
    errors.InputError: 422,
    errors.SettingError: 422,
    errors.TooMany: 429,
    errors.RequestRefused: 400,
    errors.StoreUnavailable: 503,
    errors.DfExplainError: 503,
}
_AGAIN_S = 30
# The code of an error that nobody foresaw.
INTERNAL = "internal"
_WORDS = {404: "there is nothing at this address"}

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorShape} for status in (400, 401, 404, 409, 413, 422, 429, 503)
}


def line(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as one line of JSON."""
    said = json.dumps({"error": {"code": code, "message": " ".join(message.split())}})
    return Response(said + "\n", status, headers, media_type="application/json")


def answer(error: DfExplainError) -> Response:
    """The answer to an error of the tree."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = {}
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.wait_s)
    elif status == 503:
        headers["Retry-After"] = str(_AGAIN_S)
    elif status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return line(status, error.code, str(error), headers)


def refusals(app: FastAPI, count: Callable[[str], None]) -> None:
    """Have `app` answer all errors so; `count` is told the code of each."""

    async def of_the_tree(_: Request, error: Exception) -> Response:
        assert isinstance(error, DfExplainError)
        count(error.code)
        return answer(error)

    async def of_the_request(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
        count(errors.SettingError.code)
        # What was sent is not repeated: it may be a whole file.
        return line(422, errors.SettingError.code, f"{where or 'request'}: {first['msg']}.")

    async def of_the_server(_: Request, error: Exception) -> Response:
        assert isinstance(error, AnyHTTPException)
        status = error.status_code
        code = errors.TooLarge.code if status == 413 else errors.RequestRefused.code
        count(code)
        words = _WORDS.get(status, str(error.detail))
        return line(status, code, f"{words}.", dict(error.headers or {}))

    async def of_nobody(_: Request, error: Exception) -> Response:
        # Starlette raises it again behind the answer, so that it is logged.
        count(INTERNAL)
        return line(500, INTERNAL, "the service failed at this request. Tell who runs it.")

    app.add_exception_handler(Exception, of_nobody)
    app.add_exception_handler(DfExplainError, of_the_tree)
    app.add_exception_handler(RequestValidationError, of_the_request)
    app.add_exception_handler(AnyHTTPException, of_the_server)


def too_large(limit_bytes: int) -> HTTPException:
    """The error to raise while a body is read that is larger than the limit: of the kind that
    FastAPI lets through from the middle of a body."""
    mib = math.ceil(limit_bytes / (1 << 20))
    return HTTPException(
        413, f"the request must have at most {mib} MiB, but has more: cut the file"
    )
