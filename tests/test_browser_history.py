"""Batch, history and blind reading in Chromium: one visit, as a reader would make it."""

from __future__ import annotations

from pathlib import Path

from dfexplain.ui import words
from tests.pages import served, write_examples
from tests.visits import Visit, chromium, sync_api


def test_a_batch_a_blind_reading_and_the_history(tmp_path: Path) -> None:
    folder = write_examples(tmp_path / "drawn", "two_faces", "no_face")
    broken = tmp_path / "broken.mp4"
    broken.write_text("this is not a video")
    expect = sync_api.expect
    command = ["-m", "tests.pages", str(folder), "0.05"]
    with (
        chromium() as browser,
        served(command, tmp_path / "cache") as address,
        Visit(browser, address) as visit,
    ):
        page, wait = visit.page, {"timeout": visit.patience_ms}

        def tab(name: str) -> None:
            page.get_by_role("tab", name=name, exact=True).click()

        tab(words.TAB_BATCH)
        files = [folder / "two_faces.mp4", broken, folder / "no_face.mp4"]
        page.locator("#batch-upload input[type=file]").set_input_files(files)
        expect(page.locator("#batch-status")).to_contain_text("3 of 3 files done", **wait)
        table = page.locator("#batch-table")
        for text in ("likely manipulated", "error[not-a-video]", "no face found"):
            expect(table).to_contain_text(text, **wait)
        # Sorted by file, the broken one comes first; a row that is clicked is still itself.
        head = table.get_by_role("columnheader", name="file").locator("visible=true").first
        head.hover()
        head.get_by_role("button").first.click()
        page.get_by_role("menuitem", name="Sort ascending").click()

        def top(text: str) -> float:
            box = table.get_by_text(text, exact=True).locator("visible=true").first.bounding_box()
            assert box is not None
            return box["y"]

        for _ in range(50):
            if top("broken.mp4") < top("no_face.mp4") < top("two_faces.mp4"):
                break
            page.wait_for_timeout(100)
        assert top("broken.mp4") < top("no_face.mp4") < top("two_faces.mp4")
        table.get_by_text("no face found").locator("visible=true").first.click()
        frame = page.locator("#batch-report iframe")
        expect(frame).to_have_attribute("title", words.report_of("no_face.mp4"), **wait)
        page.locator("#batch-open input").click()
        page.get_by_role("option", name="two_faces.mp4").click()
        expect(frame).to_have_attribute("title", words.report_of("two_faces.mp4"), **wait)
        report = page.frame_locator("#batch-report iframe")
        expect(report.locator("h1, h2").first).to_be_visible(**wait)
        with page.expect_download() as download:
            page.locator("#batch-save").click()
        assert download.value.path().read_text("utf-8").startswith("report,file,sha256,verdict")
        # Blind: the desk says nothing until the reader has committed.
        tab(words.TAB_HISTORY)
        past = page.locator("#history-table")
        expect(past).to_contain_text("likely manipulated", **wait)
        page.get_by_label(words.BLIND, exact=True).check()
        expect(past).to_contain_text(words.HIDDEN_CELL, **wait)
        expect(past).not_to_contain_text("likely manipulated", **wait)
        tab(words.TAB_DESK)
        visit.button("two faces").click()
        visit.verdict(words.HIDDEN)
        assert page.locator(".tl-plot").count() == 0
        page.locator("#reading-reader").get_by_role("textbox").fill("ab")
        page.locator("#reading-answer").get_by_label("fake", exact=True).check()
        visit.button(words.COMMIT).first.click()
        visit.verdict("Likely manipulated")
        expect(page.locator("#reading-commit")).to_be_hidden(**wait)
        visit.wait_caption("face B")
        # The history says what was read, and keeps a note; then everything goes.
        tab(words.TAB_HISTORY)
        page.get_by_label(words.BLIND, exact=True).uncheck()
        expect(past).to_contain_text("likely manipulated", **wait)
        past.get_by_text("likely manipulated").locator("visible=true").first.click()
        card = page.locator("#history-card")
        expect(card).to_contain_text("Likely manipulated", **wait)
        # The batch had shown the verdict in this very session.
        said = page.locator("#history-said")
        expect(said).to_contain_text("ab: fake, confidence 3 of 5, the verdict was known", **wait)
        page.locator("#history-note textarea").fill("see the mouth")
        visit.button(words.ADD_NOTE).click()
        expect(said).to_contain_text("see the mouth", **wait)
        page.set_viewport_size({"width": 390, "height": 844})
        assert visit.fits()
        page.set_viewport_size({"width": 1280, "height": 900})
        visit.button(words.DELETE_ALL).click()
        visit.button(words.DELETE_SURE).click()
        expect(page.locator("#history-status")).to_contain_text("Deleted: 3", **wait)
        expect(past).to_be_hidden(**wait)
        assert visit.strangers() == []
        assert visit.complaints == []
