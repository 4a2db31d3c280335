"""Cascading randomisation of the weights must destroy a map that hangs on them (G5, N16)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfexplain.engine import Engine
from dfexplain.explain.sanity import STAGES, cascade, correlations, randomised
from dfexplain.models import ModelConfig, build
from tests import planted


def test_rank_correlation_is_that_of_spearman() -> None:
    one = np.float32([[[1, 2], [3, 4]]])
    other = np.float32([[[10, 11], [500, 600]]])
    assert correlations(one, other)[0] == pytest.approx(1.0)
    assert correlations(one, -other)[0] == pytest.approx(-1.0)
    # Ranks 1 2.5 2.5 4 against 1 2 3 4: by hand.
    tied = np.float32([[[1, 2], [2, 4]]])
    assert correlations(tied, one)[0] == pytest.approx(4.5 / np.sqrt(4.5 * 5.0))
    assert correlations(np.zeros_like(one), one)[0] == 0.0


@pytest.mark.parametrize(
    "config",
    [planted.CONFIG, ModelConfig(backbone="mobilenetv3_small_100", crop_px=64, mask_head=True)],
    ids=lambda config: config.label,
)
def test_more_and_more_of_the_weights_is_dealt_anew(config: ModelConfig) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = build(config).state_dict()
    engine = Engine(config, trained)
    stages = list(randomised(engine))
    assert len(stages) == len(STAGES)
    many = [n for n, t in trained.items() if t.ndim > 1 and t.numel() > 20]
    before: set[str] = set()
    for stage in stages:
        assert {n: t.shape for n, t in stage.items()} == {n: t.shape for n, t in trained.items()}
        changed = {name for name in many if not torch.equal(stage[name], trained[name])}
        assert before < changed
        before = changed
    assert before == set(many)
    for name in many:
        dealt, own = (state[name].flatten().sort()[0] for state in (stages[-1], trained))
        assert torch.equal(dealt, own)
    backbone = tuple(f"{name}." for name in engine.model.backbone_names)
    assert not [
        n for n in many if n.startswith(backbone) and not torch.equal(stages[0][n], trained[n])
    ]
    again = list(randomised(engine))
    assert all(torch.equal(again[-1][name], stages[-1][name]) for name in trained)
    # The engine that was asked keeps its own weights.
    state = engine.model.state_dict()
    assert all(torch.equal(state[name], trained[name]) for name in trained)


def test_a_map_that_hangs_on_the_weights_is_destroyed() -> None:
    engine = planted.engine()
    clips = np.stack([planted.patched(8 * i, 40 - 8 * i, seed=i) for i in range(5)])[:, None]
    like = cascade(engine, clips, 0, ("grad_cam", "eigen_cam"))
    assert set(like) == {"grad_cam", "eigen_cam"}
    assert like["grad_cam"].shape == (len(STAGES), 5)
    # EigenCAM does not ask what the head makes of the maps: it stays until the backbone goes.
    np.testing.assert_allclose(like["eigen_cam"][0], 1.0, atol=1e-6)
    assert np.abs(like["grad_cam"][-1].mean()) < 0.5
    again = cascade(engine, clips, 0, ("grad_cam",))
    np.testing.assert_array_equal(again["grad_cam"], like["grad_cam"])
