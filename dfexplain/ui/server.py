"""How the page is served: with limits, and without what Gradio offers and the page does not use."""

from __future__ import annotations

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dfexplain.ui import style

__all__ = ["MAX_UPLOAD", "Guard", "launch"]

MAX_UPLOAD = "2gb"
QUEUE = 20
SESSIONS = 50

# Routes that Gradio serves whether an app wants them or not: they transcode uploads with ffmpeg
# outside of the cage, fetch addresses for a stranger, show other people's runs, or edit the app.
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
    )
)

# What the page may load: itself, nothing else. Gradio's templates need inline script and eval.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'"
)


class Guard:
    """Closes routes that the page does not use and adds the headers that keep a browser careful."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(CLOSED):
            await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Content-Security-Policy"] = POLICY
            await send(message)

        await self._app(scope, receive, dressed)


def launch(demo: gr.Blocks) -> None:
    """Serve the page until the program is stopped.

    The address and port are Gradio's: GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.
    """
    demo.queue(max_size=QUEUE, default_concurrency_limit=1)
    demo.launch(
        theme=style.theme(),
        css=style.css(),
        app_kwargs={
            "middleware": [Middleware(Guard)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        allowed_paths=[],
        enable_monitoring=False,
        footer_links=[],
        max_file_size=MAX_UPLOAD,
        run_history=False,
        show_error=False,
        ssr_mode=False,
        state_session_capacity=SESSIONS,
        strict_cors=True,
    )
