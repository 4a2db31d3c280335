"""Reads a video while somebody works with the frames that came before.

The child that decodes waits as long as nobody takes its frame from the pipe, which holds a sixth of
one. With a thread that takes them, decoding and inference share the time instead of taking turns.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

from dfexplain.structures import Frame
from dfexplain.video import FrameStream

__all__ = ["AHEAD_BYTES", "ahead"]

AHEAD_BYTES = 32 << 20
"""So much of frames may wait, or one frame: five of 1080p."""


def ahead(stream: FrameStream) -> Generator[Frame | None]:
    """As `stream.events()`: the same frames in the same order, read by a thread of its own.

    Closing it kills the child and waits for the thread. Raises what reading raises, after the
    frames that came before.
    """
    waiting: deque[Frame | None] = deque()
    changed = threading.Condition()
    over, held = False, 0

    def room() -> bool:
        return over or held < AHEAD_BYTES

    def read() -> None:
        nonlocal over, held
        try:
            for event in stream.events():
                with changed:
                    if event is None and waiting:
                        continue  # A sign of life is for who waits.
                    changed.wait_for(room)
                    if over:
                        return
                    waiting.append(event)
                    held += 0 if event is None else event.rgb.nbytes
                    changed.notify()
        finally:
            with changed:
                over = True
                changed.notify()

    thread = ThreadPoolExecutor(1, "frames")
    done = thread.submit(read)
    try:
        while True:
            with changed:
                changed.wait_for(lambda: over or len(waiting) > 0)
                if not waiting:
                    return done.result()
                event = waiting.popleft()
                held -= 0 if event is None else event.rgb.nbytes
                changed.notify()
            yield event
    finally:
        with changed:
            over = True
            changed.notify()
        stream.kill()  # The pipe is closed once nobody reads from it any more.
        thread.shutdown()
