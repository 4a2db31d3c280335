"""The first visitor drops a video before the page has loaded its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import served, write_examples
from tests.visits import PATIENCE_MS, chromium, sync_api

LOADING_S = "6"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_examples(tmp_path_factory.mktemp("first") / "drawn", "two_faces")
    return folder / "two_faces.mp4"


@pytest.fixture
def page(clip: Path, tmp_path: Path) -> Iterator[sync_api.Page]:
    """A page that was opened a moment ago and will be loading its weights for LOADING_S."""
    command = ["-m", "tests.pages", str(clip.parent), "0.01", LOADING_S]
    with chromium() as browser, served(command, tmp_path / "cache") as address:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        yield page


def test_who_is_quicker_than_the_weights_gets_a_verdict(page: sync_api.Page, clip: Path) -> None:
    page.locator("#upload input[type=file]").set_input_files(clip)
    verdict = page.locator("#verdict h2")
    sync_api.expect(verdict).to_have_text("Likely manipulated", timeout=PATIENCE_MS)


def test_a_batch_waits_for_the_weights_too(page: sync_api.Page, clip: Path) -> None:
    page.get_by_role("tab", name="Batch").click()
    page.locator("#batch-upload input[type=file]").set_input_files([clip])
    status = page.locator("#batch-status")
    sync_api.expect(status).to_contain_text("1 of 1 files done", timeout=PATIENCE_MS)


def test_what_is_cancelled_while_the_weights_load_does_not_begin(
    page: sync_api.Page, clip: Path
) -> None:
    page.locator("#upload input[type=file]").set_input_files(clip)
    page.locator("#cancel").click()
    verdict = page.locator("#verdict h2")
    sync_api.expect(verdict).to_have_text("Cancelled", timeout=PATIENCE_MS)
    page.wait_for_timeout((float(LOADING_S) + 2.0) * 1000)
    sync_api.expect(verdict).to_have_text("Cancelled")
