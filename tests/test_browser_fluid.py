"""A long video stays fluid on the page: times in Chromium, so the suite is slow and not CI's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfexplain.structures import Outcome
from dfexplain.ui import timeline
from tests.pages import served, write_examples
from tests.reports import Person, make_report
from tests.visits import Visit, chromium, sync_api

FRAMES, FACES = 600, 4
DRAWN_MS, ANSWERED_MS = 300, 100

# Until the next frame has been painted: the second callback comes after the first one's painting.
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
DRAW = f"""async (drawing) => {{
  const page = document.querySelector('#timeline .tl').parentElement, start = performance.now();
  page.innerHTML = drawing;
  await ({PAINTED})();
  return performance.now() - start;
}}"""
PRESS = f"""async (key) => {{
  const tl = document.querySelector('.tl'), start = performance.now();
  const before = tl.getAttribute('aria-valuetext');
  tl.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true, cancelable: true }}));
  await ({PAINTED})();
  return [performance.now() - start, tl.getAttribute('aria-valuetext') !== before];
}}"""


@pytest.mark.slow
def test_ten_minutes_of_four_faces_draw_and_answer_in_time(tmp_path: Path) -> None:
    people = [Person(0.2 + 0.2 * k, side=0.1) for k in range(FACES)]
    report = make_report(people, Outcome.FAKE, duration_s=600.0, frames=FRAMES)
    assert [len(lane) for lane in report.lanes] == [FRAMES] * FACES
    drawing = timeline.draw(report)
    folder = write_examples(tmp_path / "clips", "two_faces")
    with (
        served(["-m", "tests.pages", str(folder), "0.01"], tmp_path / "cache", tmp_path) as at,
        chromium() as browser,
        Visit(browser, at) as visit,
    ):
        visit.button("two faces").click()
        visit.verdict("Likely manipulated")
        sync_api.expect(visit.page.locator(".tl-ring")).to_be_visible()
        drawn = sorted(visit.page.evaluate(DRAW, drawing) for _ in range(5))[2]
        answers = [visit.page.evaluate(PRESS, "ArrowRight") for _ in range(20)]
    answered = sorted(taken for taken, _ in answers)[18]
    print(f"drawn in {drawn:.0f} ms, a key answered in {answered:.0f} ms (19 of 20)")
    assert all(moved for _, moved in answers)
    assert drawn <= DRAWN_MS
    assert answered <= ANSWERED_MS
