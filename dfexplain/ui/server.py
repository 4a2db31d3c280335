"""How the page is served: with limits, and without what Gradio offers and the page does not use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import gradio as gr
from gradio import processing_utils, utils
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dfexplain import floors
from dfexplain.errors import SettingError, VersionRefused
from dfexplain.ui import hosting, style, visitors
from dfexplain.ui.visitors import VISITORS

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["MAX_UPLOAD", "Guard", "launch", "mount"]

MAX_UPLOAD = "2gb"
QUEUE = 20
SESSIONS = 50

# Routes that Gradio serves whether an app wants them or not: they transcode uploads with ffmpeg
# outside of the cage, fetch addresses for a stranger, show other people's runs, edit the app, or
# answer twice what /gradio_api/call answers.
CLOSED = tuple(
    prefix + route
    for prefix in ("", "/gradio_api")
    for route in (
        "/process_recording",
        "/monitoring",
        "/proxy=",
        "/file=http:",
        "/file=https:",
        "/stream/",
        "/component_server",
        "/custom_component/",
        "/deep_link",
        "/dev/",
        "/runs",
        "/run-history",
        "/vibe-",
        "/undo-vibe-",
        "/profiling",
        "/openapi.json",
        "/api/",
    )
)

# What the page may load: itself, nothing else. Gradio's templates need inline script and eval.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'"
)


# Where a browser gets its cookie: the page, and what a program asks first.
WELCOMES = ("/", "/config")
FILES = ("/file=", "/gradio_api/file=", "/file/", "/gradio_api/file/")
# Requests that name files; masks that were painted are in them, too.
MOST_ASKED = 64_000_000


class Guard:
    """Closes routes that the page does not use, keeps each visitor's files to that visitor, and
    adds the headers that keep a browser careful."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(CLOSED):
            await _refusal(404)(scope, receive, send)
            return
        request = Request(scope)
        visitor = visitors.visitor_of(request.cookies)
        for prefix in FILES:
            if path.startswith(prefix) and not VISITORS.may_see(visitor, path[len(prefix) :]):
                await _refusal(404)(scope, receive, send)
                return
        if "json" in request.headers.get("content-type", ""):
            asked = await _body(receive)
            if asked is None or not _may_ask(visitor, asked):
                await _refusal(413 if asked is None else 404)(scope, receive, send)
                return
            receive = _again(asked, receive)
        welcome = path in WELCOMES and not visitor
        await self._app(scope, receive, _dressed(send, path, visitor, welcome))


def _refusal(status: int) -> PlainTextResponse:
    said = {404: "Not Found", 413: "Content Too Large"}[status]
    return PlainTextResponse(said, status_code=status)


async def _body(receive: Receive) -> bytes | None:
    """The whole body of a request; None where it is too long."""
    parts, length, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > MOST_ASKED:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What hands a body over that was read already, and then goes on as before."""
    waiting = [body]

    async def received() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return received


def _may_ask(visitor: str, body: bytes) -> bool:
    """Whether all files that a request names are the visitor's."""
    try:
        named = list(visitors.named_in(json.loads(body)))
    except (ValueError, RecursionError):
        return True  # for the route to refuse
    return all(VISITORS.may_see(visitor, path) for path in named)


def _dressed(send: Send, path: str, visitor: str, welcome: bool) -> Send:
    """`send` with the headers, which notes the files that the answer shows to the visitor."""
    told = False

    async def dressed(message: Message) -> None:
        nonlocal told
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            headers["Content-Security-Policy"] = POLICY
            kind = headers.get("content-type", "")
            told = message["status"] == 200 and ("json" in kind or "event-stream" in kind)
            if welcome:
                # A Space is shown in a frame of another site, over https.
                scope_of = (
                    "SameSite=None; Secure; Partitioned" if hosting.hosted() else "SameSite=Lax"
                )
                token = visitors.new_token()
                headers.append(
                    "Set-Cookie", f"{visitors.COOKIE}={token}; Path=/; HttpOnly; {scope_of}"
                )
        elif told and (body := message.get("body", b"")):
            text = body.decode("utf-8", "replace")
            shown = json.loads(text) if path.endswith("/upload") else visitors.shown_in(text)
            for file in shown:
                VISITORS.own(visitor, file)
        await send(message)

    return dressed


async def _uploaded_here(url: str, cache_dir: str) -> str:
    """Stands in for Gradio's download of the addresses that a request names as files: the address
    of a file that was uploaded to this very app is that file, and no other is fetched."""
    path = unquote(url).partition("/gradio_api/file=")[2]
    if path and utils.is_in_or_equal(path, utils.get_upload_folder()):
        return path
    raise gr.Error(
        f"error[file-refused]: video must be a file, but got the address {url!r:.120}. Fetch it "
        "yourself, and hand over the file.",
        print_exception=False,
    )


def launch(demo: gr.Blocks) -> None:
    """Serve the page until the program is stopped.

    The address and port are Gradio's: GRADIO_SERVER_NAME and GRADIO_SERVER_PORT. With
    DFEXPLAIN_MCP=1 the endpoints are an MCP server, too; where that cannot be, the program ends
    with one line, as it does where a package is too old to be safe (`floors`).
    """
    try:
        floors.check()
        mcp_server = hosting.mcp_server()
    except (SettingError, VersionRefused) as error:
        raise SystemExit(f"error[{error.code}]: {error}") from error
    _limit(demo)
    demo.launch(
        **_served(),
        mcp_server=mcp_server,
        state_session_capacity=SESSIONS,
        strict_cors=True,
    )


def mount(app: Starlette, demo: gr.Blocks) -> None:
    """Serve the page below the routes of `app`, with the same limits. It has no MCP server.

    Raises VersionRefused where a package is too old to be safe."""
    floors.check()
    _limit(demo)
    demo.state_session_capacity = SESSIONS
    gr.mount_gradio_app(app, demo, path="/", **_served(), mcp_server=False)


def _limit(demo: gr.Blocks) -> None:
    processing_utils.async_ssrf_protected_download = _uploaded_here
    # Not open: a call that skips the queue would skip the limit of one analysis at a time.
    demo.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False)


def _served() -> dict[str, Any]:
    """What the page is served with, by itself or as a part of the service."""
    return {
        "theme": style.theme(),
        "css": style.css(),
        "app_kwargs": {
            "middleware": [Middleware(Guard)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        "allowed_paths": [],
        "enable_monitoring": False,
        "footer_links": [],
        "max_file_size": MAX_UPLOAD,
        "run_history": False,
        "show_error": False,
        "ssr_mode": False,
    }
