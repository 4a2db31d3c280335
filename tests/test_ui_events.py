"""What happens on the page: a lively analysis, its errors, and its end when it is closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from dfexplain.errors import DfExplainError, HubUnavailable, NotAVideo
from dfexplain.structures import VideoReport
from dfexplain.ui import desk, events, words
from dfexplain.ui.services import Services, lively
from dfexplain.ui.viewer import Pick
from tests.pages import Drawn, drawn_weights, in_loop


class _Slow:
    """An iterator that can be closed, of items that each take a while."""

    def __init__(self, pause_s: float, count: int, error: DfExplainError | None = None) -> None:
        self.closed = threading.Event()
        self._pause_s, self._count, self._error = pause_s, count, error

    def items(self) -> Iterator[int]:
        try:
            for number in range(self._count):
                time.sleep(self._pause_s)
                yield number
            if self._error:
                raise self._error
        finally:
            self.closed.set()


def test_lively_gives_signs_of_life_between_slow_items() -> None:
    slow = _Slow(0.3, 2)
    last, longest = time.monotonic(), 0.0
    found = []
    for item in lively(slow.items(), every_s=0.1):
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        found.append(item)
    assert [item for item in found if item is not None] == [0, 1]
    assert found.count(None) >= 2
    assert longest < 0.3
    assert slow.closed.is_set()


def test_closing_lively_closes_the_work() -> None:
    slow = _Slow(0.05, 10_000)
    running = lively(slow.items(), every_s=0.02)
    next(running)
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 0.5
    assert slow.closed.wait(3)


def test_lively_raises_what_the_work_raises() -> None:
    slow = _Slow(0.0, 1, NotAVideo("x must hold a video, but got text."))
    with pytest.raises(NotAVideo, match="but got text"):
        list(lively(slow.items()))


def _desk() -> desk.Desk:
    def make() -> desk.Desk:
        with gr.Blocks(analytics_enabled=False), gr.Tabs():
            return desk.desk([], 60)

    return in_loop(make)


def test_analysis_shows_progress_then_the_report() -> None:
    at, drawn = _desk(), Drawn(pause_s=0.0)
    updates = list(
        events.analyse(
            at, drawn.services(), Path("two_faces.mp4"), drawn_weights(), 32, False, "both"
        )
    )
    report = updates[-1][at.report]
    assert isinstance(report, VideoReport)
    assert isinstance(updates[-1][at.pick], Pick)
    assert words.WORKING in str(updates[0][at.verdict])
    assert any(
        "<progress" in str(u.get(at.verdict)) and "max=" in str(u.get(at.verdict)) for u in updates
    )
    assert "Likely manipulated" in str(updates[-1][at.verdict])


@pytest.mark.parametrize(
    ("name", "said"), [("broken", NotAVideo.code), ("offline", HubUnavailable.code)]
)
def test_an_error_is_one_line_with_its_code(name: str, said: str) -> None:
    at, drawn = _desk(), Drawn(pause_s=0.0)
    source = Path(f"{name}.mp4")
    updates = list(events.analyse(at, drawn.services(), source, drawn_weights(), 32, False, "both"))
    assert said in str(updates[-1][at.verdict])
    assert updates[-1][at.cancel].interactive is False  # type: ignore[attr-defined]
    assert at.report not in updates[-1]


def test_without_weights_nothing_is_analysed() -> None:
    at, drawn = _desk(), Drawn()
    updates = list(events.analyse(at, drawn.services(), Path("a.mp4"), None, 32, False, "both"))
    assert words.NO_WEIGHTS in str(updates[-1][at.verdict])
    assert drawn.started == 0


def test_closing_the_analysis_stops_it() -> None:
    at, drawn = _desk(), Drawn(pause_s=0.05)
    running = events.analyse(
        at, drawn.services(), Path("two_faces.mp4"), drawn_weights(), 32, False, "both"
    )
    next(running)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert drawn.stopped.wait(3)


def test_services_are_the_real_ones_by_default() -> None:
    from dfexplain import video
    from dfexplain.ui import hosting

    services = Services()
    assert services.load is hosting.load
    assert services.playable_copy is video.reencode_for_playback
