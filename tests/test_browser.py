"""The page in Chromium, driven as a person would, by mouse and by keys, on drawn reports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from dfexplain.ui import words
from tests.pages import SLOW, served, write_clip, write_examples
from tests.reports import REPORTS
from tests.visits import PATIENCE_MS, PHONE, Visit, chromium, shown_time_s, sync_api
from tests.walks import asks_what_it_is_worth, zooms_and_plays

PAUSE_S = "0.3"
TABS = (words.TAB_EXPLAIN, words.TAB_WORTH, words.TAB_CALIBRATION, words.TAB_BATCH)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples of the drawn page, and its diary."""
    return write_examples(tmp_path_factory.mktemp("drawn"), "two_faces", "no_face", SLOW)


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Not in the project's folder: examples must reach the page wherever it was started.
    place = tmp_path_factory.mktemp("elsewhere")
    with served(["-m", "tests.pages", str(folder), PAUSE_S], place / "cache", place) as at:
        yield at


def test_upload_progress_timeline_and_seek(
    browser: sync_api.Browser, address: str, folder: Path
) -> None:
    report = REPORTS["two_faces"]()
    with Visit(browser, address) as visit:
        visit.verdict(words.EMPTY_VERDICT)
        visit.upload(folder / "two_faces.mp4")
        visit.verdict(words.WORKING)
        visit.page.wait_for_selector("#verdict progress[value]")
        visit.page.wait_for_selector(".tl-plot[data-rows]")
        visit.button(words.CANCEL).click(trial=True)  # waits until it can be clicked
        visit.verdict("Likely manipulated")
        # It opens at a flagged frame of face B, with the video there.
        visit.wait_caption("face B.*flagged frame")
        visit.video_at(shown_time_s(visit.caption()))
        before, seen = visit.pictures(), visit.caption()
        assert len(before) == 4
        visit.click_lane(0, 0.15)
        visit.wait_caption("face A")
        after = visit.pictures()
        assert all(a != b for a, b in zip(after, before, strict=True))
        assert visit.caption() != seen
        times = report.lanes[0].track.time_s
        nearest = float(times[np.abs(times - 0.15 * (report.info.duration_s or 0)).argmin()])
        assert shown_time_s(visit.caption()) == pytest.approx(nearest, abs=0.051)
        visit.video_at(nearest)
        # Keys: the next frame of this face, the same moment of the other one, the next flagged one.
        timeline = visit.page.locator(".tl")
        row = int(np.flatnonzero(times == nearest)[0])
        timeline.press("ArrowRight")
        visit.video_at(float(times[row + 1]))
        visit.wait_caption("face A")
        timeline.press("ArrowDown")
        visit.wait_caption("face B")
        timeline.press("f")
        visit.wait_caption("flagged frame 1 of")
        visit.button(words.NEXT).click()
        visit.wait_caption("flagged frame 2 of")
        visit.video_at(shown_time_s(visit.caption()))
        assert visit.page.get_attribute(".tl", "aria-valuetext") == visit.caption()
        assert visit.page.locator(".tl-ring").count() == 1
        zooms_and_plays(visit)
        assert visit.strangers() == []
        assert visit.complaints == []


def test_example_without_a_face_and_then_another_video(
    browser: sync_api.Browser, address: str
) -> None:
    with Visit(browser, address) as visit:
        visit.button("no face").click()
        visit.verdict("No face found")
        assert visit.page.locator("#player video").count() == 1
        assert visit.page.locator(".tl-plot").count() == 0
        assert visit.button(words.NEXT).is_disabled()
        visit.button(words.ANOTHER).click()
        visit.verdict(words.EMPTY_VERDICT)
        assert visit.page.locator("#upload input[type=file]").count() == 1
        assert visit.complaints == []


def test_cancel_stops_the_work(browser: sync_api.Browser, address: str, folder: Path) -> None:
    with Visit(browser, address) as visit:
        visit.button(SLOW).click()
        visit.page.wait_for_selector("#verdict progress[value]")
        visit.button(words.CANCEL).click()
        visit.verdict(words.CANCELLED)
        _diary_says(visit.page, folder, f"{SLOW} stopped")
        assert visit.button(words.AGAIN).is_enabled()
        visit.button("two faces").click()
        visit.verdict("Likely manipulated")


def test_leaving_the_page_stops_the_work(
    browser: sync_api.Browser, address: str, folder: Path
) -> None:
    before = _diary(folder).count(f"{SLOW} stopped")
    with Visit(browser, address) as other:
        with Visit(browser, address) as visit:
            visit.button(SLOW).click()
            visit.page.wait_for_selector("#verdict progress[value]")
        _diary_says(other.page, folder, f"{SLOW} stopped", before + 1)


def _diary(folder: Path) -> list[str]:
    diary = folder / "diary.txt"
    return diary.read_text().splitlines() if diary.exists() else []


def _diary_says(page: sync_api.Page, folder: Path, line: str, times: int = 1) -> None:
    for _ in range(100):
        if _diary(folder).count(line) >= times:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{line!r} is not in the diary: {_diary(folder)}")


def test_a_second_visitor_waits_in_line(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address) as first, Visit(browser, address) as second:
        first.button(SLOW).click()
        first.verdict(words.WORKING)
        second.button("no face").click()
        second.verdict(words.WAITING)
        first.button(words.CANCEL).click()
        first.verdict(words.CANCELLED)
        second.verdict("No face found")


def test_a_file_that_is_no_video_gives_one_line(
    browser: sync_api.Browser, address: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("this is not a video")
    with Visit(browser, address) as visit:
        visit.upload(broken)
        visit.verdict(words.REFUSED)
        card = visit.page.inner_text("#verdict")
        assert "must hold a readable video" in card
        assert "not-a-video" in card
        assert visit.button(words.ANOTHER).is_enabled()


def test_a_mistake_in_the_program_is_told_and_the_desk_stays_in_use(
    browser: sync_api.Browser, address: str, folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "no_face.mp4", tmp_path / "crash.mp4")
    with Visit(browser, address) as visit:
        visit.upload(tmp_path / "crash.mp4")
        visit.verdict(words.BUSY)
        assert "a mistake" not in visit.page.inner_text("body")
        visit.button("no face").click()
        visit.verdict("No face found")


def test_a_video_that_the_browser_cannot_play_gets_a_copy(
    browser: sync_api.Browser, address: str, tmp_path: Path
) -> None:
    report = REPORTS["two_faces"]()
    path = tmp_path / "two_faces.avi"
    write_clip(report, tmp_path / "two_faces.mp4")
    with av.open(str(tmp_path / "two_faces.mp4")) as source, av.open(str(path), "w") as out:
        shot = source.streams.video[0]
        stream = out.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = shot.width, shot.height, "yuv420p"
        for frame in source.decode(shot):
            fresh = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), "rgb24")
            out.mux(stream.encode(fresh))
        out.mux(stream.encode(None))
    with Visit(browser, address) as visit:
        visit.upload(path)
        note = visit.page.locator("#note")
        sync_api.expect(note).to_have_text(words.COPIED, timeout=PATIENCE_MS)
        visit.verdict("Likely manipulated")
        visit.click_lane(0, 0.5)
        visit.wait_caption("face A")
        visit.video_at(shown_time_s(visit.caption()))


def test_calibration_and_weights(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address) as visit:
        page = visit.page
        page.get_by_role("tab", name=words.TAB_CALIBRATION).click()
        page.wait_for_selector("#calibration-figures svg >> nth=2")
        assert "ECE" in page.inner_text("#calibration-lead")
        table = page.locator("#calibration-table")
        sync_api.expect(table).to_contain_text("0.90", timeout=PATIENCE_MS)
        found = REPORTS["two_faces"]().calibration
        assert found is not None
        assert str(found.reliability.count[0]) in table.inner_text().split()
        folds = page.locator("#calibration-evaluation details")
        opened = [fold.get_attribute("open") is not None for fold in folds.all()]
        assert opened == [True] + [False] * (folds.count() - 1)
        measured = folds.first
        assert "Made fakes by recipe" in measured.inner_text()
        assert "0.960 to 0.980; n 400; chance 0.5" in measured.inner_text()
        measured.locator("summary").press("Enter")
        assert "0.960 to 0.980" not in measured.inner_text()
        page.get_by_role("tab", name=words.TAB_WEIGHTS).click()
        assert "Drawn weights" in page.inner_text("#weights-card")
        page.get_by_label(words.WEIGHTS_FIELD, exact=False).first.fill("nowhere")
        visit.button(words.LOAD).click()
        page.wait_for_selector("#weights-status .trouble")
        assert "weights-not-found" in page.inner_text("#weights-status")
        assert "Drawn weights" in page.inner_text("#weights-card")
        page.get_by_label(words.WEIGHTS_FIELD, exact=False).first.fill("plain")
        page.keyboard.press("Enter")
        page.wait_for_selector("#weights-status p:not(.trouble)")
        page.get_by_role("tab", name=words.TAB_CALIBRATION).click()
        lead = page.locator("#calibration-lead h2")
        sync_api.expect(lead).to_have_text(words.UNCALIBRATED_TITLE)
        assert page.locator("#calibration-figures svg").count() == 0
        assert visit.strangers() == []


def test_what_a_score_is_worth(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address) as visit:
        asks_what_it_is_worth(visit)
        assert visit.strangers() == visit.complaints == []


def test_cover_a_place_and_ask_again(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address) as visit:
        page, wait = visit.page, {"timeout": visit.patience_ms}
        visit.button("two faces").click()
        visit.verdict("Likely manipulated")
        sync_api.expect(page.locator("#evidence")).to_contain_text("map against chance", **wait)
        page.get_by_role("tab", name=words.TAB_EXPLAIN).click()
        found, score = page.locator("#reasons"), page.locator(".reasons-score")
        sync_api.expect(found).to_contain_text(words.AGAINST_CHANCE, **wait)
        plain = score.inner_text()

        def drawn() -> tuple[str, ...]:
            images = page.locator("#cover img, #explain-map img")
            return tuple(images.nth(k).get_attribute("src") or "" for k in range(images.count()))

        before = drawn()
        cover = page.locator("#cover img")
        box = cover.bounding_box()
        assert box is not None
        side = min(box["width"], box["height"])
        # The mouth, below the middle of the picture.
        cover.click(position={"x": box["width"] / 2, "y": box["height"] / 2 + 0.22 * side})
        sync_api.expect(score).to_contain_text(words.WHEN_COVERED, **wait)
        first, _, second = score.inner_text().partition("→")
        assert first.strip() == plain.strip()
        assert second.split()[0] != first.split()[-1]
        assert all(a != b for a, b in zip(drawn(), before, strict=True))
        covered = score.inner_text()
        page.get_by_label("background", exact=True).check()
        sync_api.expect(score).not_to_have_text(covered, **wait)
        visit.button(words.UNCOVER).click()
        sync_api.expect(found).to_contain_text(words.AGAINST_CHANCE, **wait)
        assert score.inner_text() == plain
        # A drag from eye to eye covers all that lies between them.
        before, box = drawn(), cover.bounding_box()
        assert box is not None
        across = [box["x"] + box["width"] / 2 + share * side for share in (-0.25, 0.25)]
        page.mouse.move(across[0], box["y"] + 0.4 * box["height"])
        page.mouse.down()
        page.mouse.move(across[1], box["y"] + 0.4 * box["height"], steps=12)
        page.mouse.up()
        sync_api.expect(score).to_contain_text(words.WHEN_COVERED, **wait)
        assert all(a != b for a, b in zip(drawn(), before, strict=True))
        visit.button(words.UNCOVER).click()
        sync_api.expect(found).to_contain_text(words.AGAINST_CHANCE, **wait)
        # A face that is chosen here is open on the desk, too.
        caption = page.inner_text("#explain-caption b")
        other = "face A" if "face B" in caption else "face B"
        page.locator("#explain-face input").click()
        page.get_by_role("option", name=other).click()
        sync_api.expect(page.locator("#explain-caption b")).to_contain_text(other, **wait)
        sync_api.expect(page.locator("#caption b")).to_contain_text(other, **wait)
        sync_api.expect(page.locator("#explain-summary")).to_contain_text("flagged frames", **wait)
        assert visit.strangers() == []
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything(browser: sync_api.Browser, address: str, scheme: str) -> None:
    with Visit(browser, address, PHONE, scheme) as visit:
        assert visit.fits()
        visit.button("two faces").click()
        visit.verdict("Likely manipulated")
        visit.wait_caption("face B")
        assert visit.fits()
        dark = visit.page.evaluate("document.body.classList.contains('dark')")
        assert dark == (scheme == "dark")
        for name in (*TABS, words.TAB_WEIGHTS):
            visit.tab(name)
            visit.page.wait_for_timeout(300)
            assert visit.fits()
            if name == words.TAB_CALIBRATION:
                head = visit.page.locator("#calibration-evaluation thead").first
                sync_api.expect(head).to_be_hidden()
                cell = visit.page.locator("#calibration-evaluation td").first
                label = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
                assert label == '"AUC"'
