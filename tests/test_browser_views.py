"""Chromium walks what came with pictures, comparisons and training runs: one visit for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import served, write_examples
from tests.stills import corners, encoded
from tests.visits import DESK, PHONE, Visit, chromium, sync_api
from train import loggers

EPOCHS = [
    {"epoch": k, "loss": 0.7 / k, "val_loss": 0.8 / k, "val_auc": 0.6 + 0.1 * k,
     "val_auc_low": 0.5 + 0.1 * k, "val_auc_high": 0.7 + 0.1 * k, "val_videos": 80, "lr": 1e-3 / k}
    for k in (1, 2)
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example clip, a picture, and a run."""
    made = write_examples(tmp_path_factory.mktemp("views"), "two_faces")
    (made / "photo.jpg").write_bytes(encoded(corners(), ".jpg"))
    (made / "run").mkdir()
    loggers.write_history(made / "run", EPOCHS)
    (made / "broken.json").write_text("{")
    return made


@pytest.fixture(scope="module")
def visit(folder: Path) -> Iterator[Visit]:
    with (
        chromium() as browser,
        served(["-m", "tests.pages", str(folder), "0.02"], folder / "cache") as address,
        Visit(browser, address) as visit,
    ):
        yield visit


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
