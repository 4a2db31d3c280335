"""The program as it ships, with its own weights and examples, in Chromium.

With DFEXPLAIN_SCREENSHOTS=docs/images and `-m "slow or not slow"` it also takes the pictures of the
README.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfexplain import hub
from dfexplain.report.words import NO_BETTER
from dfexplain.ui import words
from tests.pages import ROOT, served
from tests.visits import DESK, PHONE, Visit, chromium, shown_time_s, sync_api

SLOW_MACHINE_MS = 240_000


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The program as it ships, with its own weights and examples."""
    if hub.DEFAULT not in hub.shipped():
        pytest.skip(f"weights/{hub.DEFAULT} is not here")
    with served(["app.py"], tmp_path_factory.mktemp("shipped") / "cache") as at:
        yield at


def test_the_program_as_it_ships(browser: sync_api.Browser, shipped: str) -> None:
    with Visit(browser, shipped, patience_ms=SLOW_MACHINE_MS) as visit:
        _picture(visit, "start")
        visit.upload(ROOT / "examples" / "two_people.mp4")
        visit.page.wait_for_selector("#verdict progress[value]")
        visit.wait_caption("face [AB]")
        visit.video_at(shown_time_s(visit.caption()))
        origin = visit.page.locator("#origin")
        sync_api.expect(origin).to_contain_text("provenance information", timeout=SLOW_MACHINE_MS)
        _seek_colour(visit)
        _cover_the_mouth(visit)
        visit.goes_quiet()
        before = visit.pictures()
        _picture(visit, "desk")
        shown = visit.page.evaluate("document.querySelector('#crop img').src")
        visit.click_lane(0, 0.1)
        visit.page.wait_for_function(
            "(before) => document.querySelector('#crop img').src !== before", arg=shown
        )
        assert visit.pictures() != before
        visit.video_at(shown_time_s(visit.caption()))
        visit.page.get_by_role("tab", name=words.TAB_CALIBRATION).click()
        visit.page.wait_for_selector("#calibration-figures svg")
        _picture(visit, "calibration")
        assert visit.strangers() == []
        assert visit.complaints == []


def _seek_colour(visit: Visit) -> None:
    """Go to a flagged frame whose map beats chance, if the open one is none: there is one."""
    evidence = visit.page.locator("#evidence")
    sync_api.expect(evidence).to_contain_text(words.BEATS, timeout=SLOW_MACHINE_MS)
    if NO_BETTER not in evidence.inner_text():
        return
    visit.page.locator("#holding").click(timeout=SLOW_MACHINE_MS)
    sync_api.expect(evidence).not_to_contain_text(NO_BETTER, timeout=SLOW_MACHINE_MS)
    sync_api.expect(evidence).to_contain_text(words.BEATS, timeout=SLOW_MACHINE_MS)
    assert NO_BETTER not in evidence.inner_text()


def _cover_the_mouth(visit: Visit) -> None:
    """Ask the shipped weights what becomes of a frame without its mouth."""
    page, wait = visit.page, {"timeout": SLOW_MACHINE_MS}
    page.get_by_role("tab", name=words.TAB_EXPLAIN).click()
    found = page.locator("#reasons")
    sync_api.expect(found).to_contain_text(words.AGAINST_CHANCE, **wait)
    sync_api.expect(found).to_contain_text(words.REGIONS_TITLE, **wait)
    visit.goes_quiet()
    _picture(visit, "explain")
    shown = page.locator("#explain-map img").first.get_attribute("src")
    page.get_by_label("mouth", exact=True).check()
    sync_api.expect(found).to_contain_text(words.WHEN_COVERED, **wait)
    sync_api.expect(page.locator("#explain-map img").first).not_to_have_attribute(
        "src", shown or "", **wait
    )
    _picture(visit, "explain-covered")
    visit.button(words.UNCOVER).click()
    sync_api.expect(found).to_contain_text(words.AGAINST_CHANCE, **wait)
    page.get_by_role("tab", name=words.TAB_DESK).click()


@pytest.mark.slow
@pytest.mark.skipif("DFEXPLAIN_SCREENSHOTS" not in os.environ, reason="takes pictures only")
@pytest.mark.parametrize(
    ("name", "size", "scheme"), [("desk-dark", DESK, "dark"), ("desk-phone", PHONE, "light")]
)
def test_pictures(
    browser: sync_api.Browser, shipped: str, name: str, size: tuple[int, int], scheme: str
) -> None:
    with Visit(browser, shipped, size, scheme, SLOW_MACHINE_MS) as visit:
        visit.button("two people").click()
        visit.wait_caption("face [AB]")
        visit.video_at(shown_time_s(visit.caption()))
        _seek_colour(visit)
        visit.goes_quiet()
        assert visit.fits()
        _picture(visit, name)


def _picture(visit: Visit, name: str) -> None:
    """Write docs/images/NAME.png, if asked for."""
    folder = os.environ.get("DFEXPLAIN_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        visit.page.mouse.move(0, 0)
        visit.page.wait_for_timeout(700)  # images and transitions settle
        visit.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
