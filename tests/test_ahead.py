"""ahead.py: the frames of a stream, read while somebody works; nothing is left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from dfexplain import ahead as module
from dfexplain import video
from dfexplain.ahead import ahead
from dfexplain.errors import NotAVideo
from dfexplain.structures import Frame, Sampling
from dfexplain.video import FrameStream
from tests.clips import make_clip
from tests.servers import until


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("ahead") / "clip.mp4", 60)


class Told:
    """A stream that says what a test wants, and how far it was asked."""

    def __init__(self, events: list[Frame | None], error: Exception | None = None) -> None:
        self._events, self._error = events, error
        self.given, self.killed = 0, False

    def events(self) -> Iterator[Frame | None]:
        for event in self._events:
            self.given += 1
            yield event
        if self._error is not None:
            raise self._error

    def kill(self) -> None:
        self.killed = True


def frame(number: int, side: int = 8) -> Frame:
    return Frame(index=number, time_s=number / 10, rgb=np.zeros((side, side, 3), np.uint8))


def reading(told: Told) -> Iterator[Frame | None]:
    return ahead(cast("FrameStream", told))


def readers() -> int:
    return sum(thread.name.startswith("frames") for thread in threading.enumerate())


def test_the_same_frames_in_the_same_order(clip: Path) -> None:
    wish = Sampling(frames=12)
    with video.sample(clip, wish) as stream:
        alone = list(stream)
    with video.sample(clip, wish) as stream, closing(ahead(stream)) as events:
        beside = [event for event in events if event is not None]
    assert [f.index for f in alone] == [f.index for f in beside]
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
    assert readers() == 0


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three frames reach the bound; a fourth is in the reader's hand.
    monkeypatch.setattr(module, "AHEAD_BYTES", 3 * frame(0).rgb.nbytes)
    told = Told([frame(k) for k in range(20)])
    events = reading(told)
    assert next(events) is not None
    until(lambda: told.given == 5, 10, "the reader to come as far as it may")
    time.sleep(0.1)
    assert told.given == 5
    assert [f.index for f in events if f is not None] == list(range(1, 20))


def test_one_frame_always_waits_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES", 1)
    assert len(list(reading(Told([frame(k) for k in range(4)])))) == 4


def test_a_sign_of_life_is_for_who_waits() -> None:
    told = Told([None, frame(0), None, None, frame(1)])
    events = reading(told)
    first = next(events)
    until(lambda: told.given == 5, 10, "all to be read")
    rest = list(events)
    assert first is None or first.index == 0
    assert [f.index for f in (first, *rest) if f is not None] == [0, 1]
    assert None not in rest


def test_an_error_comes_after_the_frames_before_it() -> None:
    told = Told([frame(0), frame(1)], NotAVideo("no more of it"))
    events = reading(told)
    assert [f.index for f in (next(events), next(events)) if f is not None] == [0, 1]
    with pytest.raises(NotAVideo, match="no more of it"):
        next(events)
    assert told.killed
    assert readers() == 0


def test_closing_early_kills_the_child_and_ends_the_thread(clip: Path) -> None:
    with video.sample(clip, Sampling(frames=None, every=1)) as stream:
        events = ahead(stream)
        while next(events) is None:
            continue
        pid = stream.child_pid
        os.kill(pid, 0)
        events.close()
        assert readers() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_who_is_lost_while_the_reader_waits_leaves_nothing() -> None:
    told = Told([frame(k, 2048) for k in range(8)])
    events = reading(told)
    next(events)
    del events
    until(lambda: readers() == 0, 10, "the thread's end")
    assert told.killed
