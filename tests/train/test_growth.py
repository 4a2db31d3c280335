"""growth.py: a larger network begins by saying what the smaller one says, and can learn more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dfexplain import hub
from dfexplain.models import ModelConfig, VideoModel, build
from tests.train.crops import crops_data
from tests.train.test_fit import SETTINGS
from train import config, growth
from train.distributed import Here
from train.training import Training

SMALL = ModelConfig(crop_px=64, crop_margin=0.0, stages=4, mask_head=True, pooling="mask")
CPU = torch.device("cpu")


def drawn(model: ModelConfig, seed: int = 0) -> VideoModel:
    """A model in evaluation whose norms have seen pictures, so that none is an identity."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        out = build(model)
        for name, tensor in out.state_dict().items():
            if name.endswith("running_mean"):
                tensor.normal_(0.0, 0.1)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif tensor.dim() == 1 and name.endswith(("weight", "bias")):
                tensor.add_(torch.randn_like(tensor) * 0.1)
    return out.eval()


def clips(number: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(number, 1, 3, SMALL.crop_px, SMALL.crop_px, generator=random)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite1", "tf_efficientnet_lite2"])
def test_a_larger_network_says_what_the_smaller_one_says(name: str) -> None:
    small, large = drawn(SMALL), drawn(replace(SMALL, backbone=name), seed=1)
    state = growth.grown(large, small.state_dict())
    assert len(state) > len(small.state_dict())
    before = large.explain(clips())
    large.load_state_dict(state, strict=False)
    one, other = small.explain(clips()), large.explain(clips())
    assert float(one.frame_logits.std()) > 1e-3
    assert not torch.allclose(one.frame_logits, before.frame_logits, atol=1e-3)
    for mine, its in (
        (other.frame_logits, one.frame_logits),
        (other.evidence, one.evidence),
        (other.mask, one.mask),
    ):
        assert mine is not None
        assert its is not None
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)
    # Each number of the smaller one is kept, whatever lies beside it.
    assert sum(p.numel() for p in large.parameters()) > 1.3 * sum(
        p.numel() for p in small.parameters()
    )


def test_all_of_what_is_new_learns() -> None:
    """Zeros stand where a gradient reaches them at once or, behind a norm of zero, a step later."""
    small = drawn(SMALL)
    large = drawn(replace(SMALL, backbone="tf_efficientnet_lite2"), seed=1)
    large.load_state_dict(growth.grown(large, small.state_dict()), strict=False)
    start = {name: tensor.clone() for name, tensor in large.named_parameters()}
    steps = torch.optim.SGD(large.parameters(), lr=1e-2)
    labels = torch.tensor([0.0, 1.0, 1.0])
    for _ in range(2):
        steps.zero_grad()
        maps = large.encode(clips())
        logit = large.decide(maps, 1).logit
        # The mask learns from masks, which this test has none of.
        mask = large.get_submodule("mask")(maps.flatten(0, 1)).mean()
        loss = nn.functional.binary_cross_entropy_with_logits(logit, labels) + mask
        loss.backward()  # type: ignore[no-untyped-call]
        steps.step()
    still = [name for name, tensor in large.named_parameters() if torch.equal(tensor, start[name])]
    assert still == []


def test_a_network_without_room_is_not_grown() -> None:
    small = drawn(SMALL)
    for other in (
        replace(SMALL, backbone="mobilenetv3_small_100", stages=0),
        replace(SMALL, stages=3),
        # A stage more is no residual block.
        replace(SMALL, stages=5),
    ):
        assert growth.grown(drawn(other), small.state_dict()) == {}
    large = drawn(replace(SMALL, backbone="tf_efficientnet_lite2"))
    assert growth.grown(small, large.state_dict()) == {}


def test_the_same_network_is_copied() -> None:
    small, other = drawn(SMALL), drawn(SMALL, seed=1)
    state = growth.grown(other, small.state_dict())
    assert state.keys() == small.state_dict().keys()
    assert all(torch.equal(state[name], t) for name, t in small.state_dict().items())


def test_a_run_begins_where_its_smaller_teacher_ended(tmp_path: Path) -> None:
    own = replace(SMALL, crop_px=32, mask_head=False, pooling="mean")
    small = drawn(own)
    hub.save(tmp_path / "t", config=own, state=small.state_dict(), heat_scale=1.0, card="")
    asked = {
        **SETTINGS,
        "model": {**own.to_dict(), "backbone": "tf_efficientnet_lite1"},
        "loss": {"teacher": str(tmp_path / "t"), "distil": 0.5},
        "run": SETTINGS["run"] | {"from_teacher": True},
    }
    fit = config.from_dict(asked)
    lines: list[str] = []
    this = Training(fit, crops_data(tmp_path / "data").training(fit), Here(0, 1, CPU), "")
    this.start(None, lines.append)
    known, all_of_it = len(small.state_dict()), len(this.averaged.state_dict())
    assert lines == [f"first weights: {known} of {all_of_it} tensors are the teacher's"]
    seen = clips()[..., :32, :32]
    with torch.no_grad():
        one = small.decide(small.encode(seen), 1).logit
        other = this.averaged.eval().decide(this.averaged.encode(seen), 1).logit
    torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
