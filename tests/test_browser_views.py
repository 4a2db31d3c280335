"""One page in Chromium, three visits: a batch, a blind reading and the history; pictures,
comparisons and training runs; and the keyboard alone.

The history comes first: it counts what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dfexplain.ui import words
from tests.pages import served, write_examples
from tests.stills import corners, encoded
from tests.visits import DESK, PHONE, Visit, chromium, sync_api
from tests.walks import goes_by_keys_alone
from train import loggers

TABS = (
    *(words.TAB_EXPLAIN, words.TAB_WORTH, words.TAB_CALIBRATION, words.TAB_WEIGHTS),
    *(words.TAB_BATCH, words.TAB_HISTORY, words.TAB_COMPARE, words.TAB_TRAINING, words.TAB_DESK),
)
EPOCHS = [
    {"epoch": k, "loss": 0.7 / k, "val_loss": 0.8 / k, "val_auc": 0.6 + 0.1 * k,
     "val_auc_low": 0.5 + 0.1 * k, "val_auc_high": 0.7 + 0.1 * k, "val_videos": 80, "lr": 1e-3 / k}
    for k in (1, 2)
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example clip, a picture, and a run."""
    made = write_examples(tmp_path_factory.mktemp("views"), "two_faces", "no_face")
    (made / "photo.jpg").write_bytes(encoded(corners(), ".jpg"))
    (made / "run").mkdir()
    loggers.write_history(made / "run", EPOCHS)
    (made / "broken.json").write_text("{")
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(["-m", "tests.pages", str(folder), "0.02"], folder / "cache") as at:
        yield at


@pytest.fixture
def visit(browser: sync_api.Browser, address: str) -> Iterator[Visit]:
    with Visit(browser, address) as visit:
        yield visit


def test_a_batch_a_blind_reading_and_the_history(
    visit: Visit, folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("this is not a video")
    expect = sync_api.expect
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


def fits_everywhere(visit: Visit) -> None:
    """Wide and narrow, without a scroll bar to the side."""
    for width, height in (PHONE, DESK):
        visit.page.set_viewport_size({"width": width, "height": height})
        assert visit.fits()


def test_pictures_comparisons_and_runs(visit: Visit, folder: Path) -> None:
    page, expect = visit.page, sync_api.expect
    # Nothing to compare on yet.
    page.get_by_role("tab", name="Compare").click()
    visit.page.locator("#compare-run").click()
    expect(page.locator("#compare-result")).to_contain_text("no video to compare on")

    page.get_by_role("tab", name="Desk").click()
    visit.upload(folder / "photo.jpg")
    visit.verdict("Cannot tell")
    expect(page.locator("#verdict")).to_contain_text("not measured on pictures")
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#player")).to_be_hidden()
    assert len(page.locator(".tl-plot[data-rows]").all()) == 2
    visit.wait_caption(r"0:00\.0 · face [AB] · score")
    visit.button("Another video").click()
    expect(page.locator("#picture")).to_be_hidden()

    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-upload input[type=file]").set_input_files(folder / "two_faces.mp4")
    page.get_by_label("Second weights").fill("plain")
    page.locator("#compare-run").click()
    expect(page.locator(".agreement")).to_contain_text("They contradict each other")
    assert page.locator("#compare-result .card h2").all_inner_texts() == [
        "Likely manipulated",
        "No sign found",
    ]
    expect(page.locator("#compare-result figure svg")).to_be_visible()
    expect(page.locator("#compare-result table").first).to_contain_text("score of face B = A")
    fits_everywhere(visit)
    page.get_by_label("Second weights").fill("unheard of")
    page.locator("#compare-run").click()
    expect(page.locator("#compare-result")).to_contain_text("weights-not-found")

    page.get_by_role("tab", name="Training").click()
    page.locator("#run-folder input, #run-folder textarea").first.fill(str(folder / "run"))
    page.locator("#run-show").click()
    expect(page.locator("#run-result")).to_contain_text("best AUC in epoch 2 of 2, 0.800")
    assert len(page.locator("#run-result figure svg").all()) == 3
    page.get_by_text("The numbers").last.click()
    expect(page.locator("#run-result table")).to_contain_text("0.700 to 0.900; n 80; chance 0.5")
    fits_everywhere(visit)
    page.locator("#run-files input[type=file]").set_input_files(folder / "broken.json")
    expect(page.locator("#run-result")).to_contain_text("broken.json of the run must")
    assert visit.strangers() == []
    assert visit.complaints == []


def test_the_keyboard_alone(visit: Visit) -> None:
    goes_by_keys_alone(visit, TABS)
    assert visit.complaints == []
