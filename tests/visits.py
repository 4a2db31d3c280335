"""Visitors of the page: Chromium by Playwright, with everything that it asked for on the way."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

__all__ = [
    "CHROMIUM",
    "DESK",
    "PATIENCE_MS",
    "PHONE",
    "Visit",
    "chromium",
    "shown_time_s",
    "sync_api",
]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK, PHONE = (1280, 900), (390, 844)
PATIENCE_MS = 60_000
TIME_SLACK_S = 0.2


@contextmanager
def chromium() -> Iterator[sync_api.Browser]:
    """Debian's Chromium; skips where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    # Playwright's own five seconds are not enough where other work runs beside the tests.
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def shown_time_s(caption: str) -> float:
    """The time at the head of a caption, in seconds."""
    minutes, seconds = caption.split(" ")[0].split(":")
    return 60 * int(minutes) + float(seconds)


class Visit:
    """One visitor's page, with everything that it asked for and complained about."""

    def __init__(
        self,
        browser: sync_api.Browser,
        address: str,
        size: tuple[int, int] = DESK,
        scheme: str = "light",
        patience_ms: int = PATIENCE_MS,
    ) -> None:
        width, height = size
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.patience_ms = patience_ms
        self.page.set_default_timeout(patience_ms)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.host = urlsplit(address).netloc
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(address)
        # The weights come with the page's load event: from here on it listens.
        self.page.wait_for_selector(".weights-line")

    def _hear(self, message: sync_api.ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def strangers(self) -> list[str]:
        """Requests to anywhere else."""
        asked = [urlsplit(url) for url in self.requests]
        return [url.geturl() for url in asked if url.netloc not in ("", self.host)]

    def goes_quiet(self, quiet_ms: int = 1000) -> None:
        """Wait until the page has asked for no event of the server for a while. Events that set off
        each other never do that."""

        def asked() -> int:
            return sum("/queue/join" in url or "/run/" in url for url in self.requests)

        end = time.monotonic() + self.patience_ms / 1000
        before = -1
        while asked() != before:
            assert time.monotonic() < end, f"the page asks for events without end: {asked()}"
            before = asked()
            self.page.wait_for_timeout(quiet_ms)

    def button(self, name: str) -> sync_api.Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def tab(self, name: str) -> None:
        """Open a tab; where the page is narrow it stands behind the button "More tabs"."""
        tab = self.page.get_by_role("tab", name=name, exact=True)
        more = self.page.get_by_label("More tabs")
        if not tab.count() and more.is_visible():
            more.click()
            self.button(name).click()
        else:
            tab.click()

    def upload(self, path: Path) -> None:
        self.page.locator("#upload input[type=file]").set_input_files(path)

    def verdict(self, text: str) -> None:
        """Wait until the card says `text`."""
        sync_api.expect(self.page.locator("#verdict h2")).to_have_text(
            text, timeout=self.patience_ms
        )

    def caption(self) -> str:
        return self.page.inner_text("#caption b")

    def wait_caption(self, pattern: str) -> None:
        caption = self.page.locator("#caption")
        sync_api.expect(caption).to_have_text(re.compile(pattern), timeout=self.patience_ms)

    def pictures(self) -> list[str]:
        images = self.page.locator("#crop img, #frame img")
        return [images.nth(k).get_attribute("src") or "" for k in range(images.count())]

    def video_at(self, time_s: float) -> None:
        """Wait until the player stands at `time_s`."""
        self.page.wait_for_function(
            "([at, slack]) => { const v = document.querySelector('#player video');"
            " return v && Math.abs(v.currentTime - at) < slack; }",
            arg=[time_s, TIME_SLACK_S],
        )

    def click_lane(self, lane: int, share: float) -> None:
        plot = self.page.locator(".tl-plot[data-rows]").nth(lane)
        box = plot.bounding_box()
        assert box is not None
        plot.click(position={"x": box["width"] * share, "y": box["height"] / 2})

    def fits(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
