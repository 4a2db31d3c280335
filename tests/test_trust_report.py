"""The rows R8 and R9 in small: a turned copy, and the same report from processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.trust import report
from dfexplain import hub
from tests import small_weights as small


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("weights") / "w"
    hub.save(folder, config=small.CONFIG, state=small.state(), heat_scale=1.0, card="random")
    return str(folder)


def test_two_processes_with_other_threads_give_one_report(weights: str) -> None:
    told = report.hashes(weights, 8, ((2, "1"), (1, "4")))
    assert len(told) == 3
    assert len(set(told)) == 1


@pytest.mark.slow
def test_a_turned_copy_without_loss_is_scored_as_it_is(tmp_path: Path) -> None:
    apart, late = report.turned(tmp_path, None, 16)
    assert apart <= report.LIMIT_P
    assert late < 1 / 8
