"""What visitors do in the browser tests: drag over the timeline, ask what a score is worth, go by
the keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dfexplain.ui import words
from tests.visits import PATIENCE_MS, Visit, sync_api

__all__ = ["asks_what_it_is_worth", "goes_by_keys_alone", "zooms_and_plays"]


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
        "survives CRF 23; at half size it becomes “Cannot tell”", timeout=PATIENCE_MS
    )
    expect(visit.button(words.COMPRESS)).to_be_enabled(timeout=PATIENCE_MS)
    assert visit.fits()


STOP = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const label = at.getAttribute('aria-label') || at.labels?.[0]?.innerText;
  const named = label || at.innerText || at.title;
  return {
    nowhere: at === document.body, id: at.id, tl: at.classList.contains('tl'),
    name: (named || '').trim(), shows: at.outerHTML.slice(0, 120),
    outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
  };
}"""
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
MOST_STOPS = 120


def tabs_to(visit: Visit, **wanted: object) -> list[dict[str, Any]]:
    """Press Tab until the focus is where `wanted` says; every stop on the way has a name and shows
    that it is focused."""
    seen: list[dict[str, Any]] = []
    for _ in range(MOST_STOPS):
        visit.page.keyboard.press("Tab")
        stop = visit.page.evaluate(STOP)
        if not stop["nowhere"]:
            assert stop["name"], stop
            assert stop["outline"] >= 2, stop
            seen.append(stop)
        if all(stop[key] == value for key, value in wanted.items()):
            return seen
    raise AssertionError(f"the keyboard does not reach {wanted}, but {[s['name'] for s in seen]}")


def reads_well(visit: Visit) -> None:
    """Every text of the open tab has the contrast that WCAG 2.2 asks for, in light and in dark."""
    visit.page.add_style_tag(content="* { transition: none !important; }")  # colours fade over
    for dark in (False, True):
        visit.page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", dark)
        assert visit.page.evaluate(CONTRAST) == []
    visit.page.evaluate("document.body.classList.remove('dark')")


def goes_by_keys_alone(visit: Visit, tabs: Sequence[str]) -> None:
    """An example, the timeline, a download and every tab, without a mouse."""
    page, expect = visit.page, sync_api.expect
    tabs_to(visit, name="two faces")
    page.keyboard.press("Enter")
    visit.verdict("Likely manipulated")
    visit.wait_caption("face B")
    tabs_to(visit, tl=True)
    page.keyboard.press("ArrowUp")
    visit.wait_caption("face A")
    page.keyboard.press("f")
    visit.wait_caption("face B.*flagged frame")
    tabs_to(visit, id="download-json")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert json.loads(download.value.path().read_text("utf-8"))["verdict"] == "fake"
    tabs_to(visit, id="download-save")
    for name in tabs:
        tabs_to(visit, name=name)
        page.keyboard.press("Enter")
        tab = page.get_by_role("tab", name=name, exact=True)
        expect(tab).to_have_attribute("aria-selected", "true")
        visit.goes_quiet()
        reads_well(visit)
