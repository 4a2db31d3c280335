"""`run.init_share`: what is kept lies between what a run began with and what it learnt (D15)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.train.crops import crops_data
from tests.train.test_fit import FIT, Cut, cut_at, quiet
from train import loop


def test_a_share_of_the_first_weights_is_kept(tmp_path: Path) -> None:
    """Half way back to where a run began, also where it was cut between."""
    data = crops_data(tmp_path / "data")
    first = loop.fit(FIT, data, tmp_path / "first", quiet).model.state_dict()
    whole, half = (replace(FIT, run=replace(FIT.run, init_share=s, epochs=1)) for s in (0.0, 0.5))
    begin = tmp_path / "first"
    left = loop.fit(whole, data, tmp_path / "whole", quiet, init=begin).model.state_dict()
    kept = loop.fit(half, data, tmp_path / "half", quiet, init=begin).model.state_dict()
    moved = [name for name, x in left.items() if not torch.equal(x, first[name])]
    assert moved
    for name, x in kept.items():
        if x.is_floating_point():
            torch.testing.assert_close(x, (first[name] + left[name]) / 2, rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(x, left[name])
    going_on = loop.load_checkpoint(tmp_path / "half", "last")
    assert going_on is not None
    for name, x in left.items():
        assert torch.equal(going_on["averaged"][name], x), name
    with pytest.raises(Cut):
        loop.fit(half, data, tmp_path / "cut", cut_at(2), init=begin)
    resumed = loop.fit(half, data, tmp_path / "cut", quiet).model.state_dict()
    for name, x in kept.items():
        assert torch.equal(resumed[name], x), name
