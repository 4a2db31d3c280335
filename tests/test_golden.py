"""Golden logits tell when weights, torch or the machine answer something else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dfexplain import golden, hub
from tests import small_weights as small


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> hub.Weights:
    folder = tmp_path_factory.mktemp("weights") / "run"
    return hub.save(folder, config=small.CONFIG, state=small.state(), heat_scale=1.0, card="")


def test_saved_weights_verify(weights: hub.Weights) -> None:
    assert hub.verify(weights) == []
    assert weights.golden is not None
    assert len(weights.golden.logits) == golden.CROPS
    assert weights.golden.sha256 == weights.info.sha256
    assert weights.golden.torch == torch.__version__
    # The crops differ enough for the logits to: a constant model would verify anything.
    assert len({round(logit, 5) for logit in weights.golden.logits}) > golden.CROPS // 2


@pytest.mark.parametrize("key", ["head.bias", "backbone.conv_stem.weight"])
def test_a_changed_weight_is_told(weights: hub.Weights, key: str) -> None:
    changed = replace(weights, state={**weights.state, key: weights.state[key] * 1.05 + 0.01})
    lines = hub.verify(changed)
    assert lines
    assert all("must score" in line for line in lines)


def test_nan_is_told(weights: hub.Weights) -> None:
    broken = replace(weights, state={**weights.state, "head.bias": torch.tensor([float("nan")])})
    assert len(hub.verify(broken)) == golden.CROPS


def test_missing_answers_are_told(weights: hub.Weights) -> None:
    assert "came without golden.json" in hub.verify(replace(weights, golden=None))[0]
    assert weights.golden is not None
    fewer = replace(weights.golden, logits=weights.golden.logits[1:])
    assert hub.verify(replace(weights, golden=fewer)) == [
        f"golden.json must hold {golden.CROPS} logits, but got {golden.CROPS - 1}."
    ]


def test_golden_names_its_machine_and_nobody(weights: hub.Weights) -> None:
    made = hub.make_golden(weights)
    assert made["machine"].split()[0] in ("Linux", "Darwin", "Windows")
    assert len(made["machine"].split()) == 3
    assert str(Path.home()) not in str(made)


def test_the_crops_are_the_same_pixels_everywhere() -> None:
    crops = golden.golden_crops(32)
    assert crops.shape == (golden.CROPS, 32, 32, 3)
    assert crops.dtype == np.uint8
    assert hashlib.sha256(crops.tobytes()).hexdigest()[:16] == "2558d9f2559a12f2"
