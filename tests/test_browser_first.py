"""The first visitor drops a video before the page has loaded its weights."""

from __future__ import annotations

from pathlib import Path

from tests.pages import served, write_examples
from tests.visits import PATIENCE_MS, chromium, sync_api

LOADING_S = "6"


def test_who_is_quicker_than_the_weights_gets_a_verdict(tmp_path: Path) -> None:
    folder = write_examples(tmp_path / "drawn", "two_faces")
    command = ["-m", "tests.pages", str(folder), "0.01", LOADING_S]
    with chromium() as browser, served(command, tmp_path / "cache") as address:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.locator("#upload input[type=file]").set_input_files(folder / "two_faces.mp4")
        verdict = page.locator("#verdict h2")
        sync_api.expect(verdict).to_have_text("Likely manipulated", timeout=PATIENCE_MS)
