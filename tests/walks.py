"""What visitors do in the browser tests: drag over the timeline, press keys, ask what a score is
worth."""

from __future__ import annotations

import pytest

from dfexplain.ui import words
from tests.visits import PATIENCE_MS, Visit, sync_api

__all__ = ["asks_what_it_is_worth", "zooms_and_plays"]


def zooms_and_plays(visit: Visit) -> None:
    """A drag over a lane shows that time alone, Escape all of it; space plays and halts."""
    page, timeline = visit.page, visit.page.locator(".tl")
    before, whole = visit.caption(), page.locator(".tl-axis").inner_text()
    box = page.locator(".tl-plot[data-rows]").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20, steps=5)
    page.mouse.up()
    sync_api.expect(page.locator(".tl-axis span").first).to_have_text("0:02.5")
    sync_api.expect(page.locator(".tl-axis span.last")).to_have_text("0:07.5")
    wide = page.locator(".tl-plot[data-rows]").first.bounding_box()
    assert wide is not None
    assert wide["width"] == pytest.approx(2 * box["width"], rel=0.01)
    assert visit.caption() == before  # the drag picked no frame
    assert visit.fits()
    # A key goes on to frames that are out of view.
    timeline.press("Home")
    sync_api.expect(page.locator(".tl-axis span").first).to_have_text("0:00.0")
    timeline.press("Escape")
    assert page.locator(".tl-axis").inner_text() == whole
    assert page.locator(".tl-whole").is_hidden()
    timeline.press(" ")
    page.wait_for_function("!document.querySelector('#player video').paused")
    timeline.press(" ")
    page.wait_for_function("document.querySelector('#player video').paused")


def asks_what_it_is_worth(visit: Visit) -> None:
    """The slider by keys: what a flag means, and whether the verdict survives."""
    page, expect = visit.page, sync_api.expect
    visit.button("two faces").click()
    visit.verdict("Likely manipulated")
    page.get_by_role("tab", name=words.TAB_WORTH, exact=True).click()
    said, video = page.locator("#worth-answer"), page.locator("#worth-video")
    expect(said).to_contain_text("Of 100 such videos with 5 fakes", timeout=PATIENCE_MS)
    expect(video).to_contain_text("where 5 % are fakes", timeout=PATIENCE_MS)
    page.get_by_label(words.PRIOR).focus()
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("Of 100 such videos with 10 fakes", timeout=PATIENCE_MS)
    expect(video).to_contain_text("where 10 % are fakes", timeout=PATIENCE_MS)
    assert page.get_by_label(words.PRIOR).get_attribute("aria-valuetext") == "10 %"
    assert page.locator("#worth-figures svg").count() == 1
    visit.button(words.COMPRESS).click()
    result = page.locator("#compressed")
    expect(result).to_contain_text(
        "survives CRF 23; at half size it becomes cannot tell", timeout=PATIENCE_MS
    )
    expect(visit.button(words.COMPRESS)).to_be_enabled(timeout=PATIENCE_MS)
    assert visit.fits()
