"""R14 to R18: the Hub away, two visitors, what is installed, and the words that users read."""

from __future__ import annotations

from benchmarks.trust.rows import Figure, Row
from benchmarks.trust.suite import passed

__all__ = ["ROWS"]


def _hub(full: bool) -> Figure:
    slow = ("tests/test_hub_faults.py",)
    cut = (
        "tests/test_hub.py::test_a_download_that_is_cut_never_loads",
        "tests/test_hub.py::test_an_altered_file_never_loads",
        "tests/test_hub.py::test_the_patience_is_bounded",
    )
    away = ("tests/test_hub.py::test_cached_weights_load_without_the_hub",)
    return passed(*slow, *cut, *(away if full else ()))


def _privacy(full: bool) -> Figure:
    return passed("tests/test_ui_privacy.py", "tests/test_ui_server.py")


def _supply(full: bool) -> Figure:
    return passed("tests/test_supply.py", "tests/test_requirements.py")


def _words(full: bool) -> Figure:
    return passed("tests/test_words.py")


ROWS = (
    Row("R14", "a Hub that is away, slow or wrong ends in one line, and cached weights load",
        "10 s and no request; 30 s; a cut or altered file never loads", _hub),
    Row("R15", "one visitor's file is not another's, and goes when it is told to",
        "404; within the hour or at once; no name, path or pixel in the log", _privacy),
    Row("R16", "what is installed is what was meant",
        "a hash for each package; versions asked at the start", _supply),
    Row("R18", "no word claims more than was measured", "0 places", _words),
)  # fmt: skip
