"""A measurement that was cut goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from train.suite import kept as module
from train.suite.kept import kept, key

TASKS = [1, 2, 3, 4, 5]


class Doubler:
    """Doubles numbers, counts how many, and ends with an error where it is told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.done: list[int] = []
        self.fails_at = fails_at

    def __call__(self, tasks: Sequence[int]) -> Iterator[int]:
        for task in tasks:
            if task == self.fails_at:
                raise KeyboardInterrupt
            self.done.append(task)
            yield 2 * task


@pytest.mark.parametrize("torn", [0, 1])
def test_what_was_done_is_not_done_again(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "cache" / "x.results"
    cut = Doubler(fails_at=4)
    with pytest.raises(KeyboardInterrupt):
        list(kept(path, TASKS, cut))
    assert cut.done == [1, 2, 3]
    if torn:
        # The process ended while it wrote the third.
        path.write_bytes(path.read_bytes()[:-1])
    on = Doubler()
    assert list(kept(path, TASKS, on)) == [2, 4, 6, 8, 10]
    assert on.done == TASKS[3 - torn :]
    again = Doubler()
    assert list(kept(path, TASKS, again)) == [2, 4, 6, 8, 10]
    assert again.done == []


def test_other_weights_tasks_or_code_have_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key("weights", 1) == key("weights", 1)
    assert len({key("weights", 1), key("weights", 2), key("other", 1), key("weights1")}) == 4
    before = key("weights", 1)
    monkeypatch.setattr(module, "_code", lambda: "other code")
    assert key("weights", 1) != before
