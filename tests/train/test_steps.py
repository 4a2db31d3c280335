"""steps.py, validation.py: what the loss is, what learns and how fast, how videos are scored."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from dfexplain.aggregate import lane_score
from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig, build
from train import config, steps
from train.batches import Batch, Row
from train.validation import chance_accuracy, measure, video_scores


def settings(**sections: dict[str, object]) -> config.FitConfig:
    model = {"architecture": "simple_cnn", "crop_px": 32, "dropout": 0.0}
    return config.from_dict({"model": model, **sections})


def batch(count: int = 6, frames: int = 1) -> Batch:
    rng = np.random.default_rng(0)
    clips = torch.from_numpy(rng.integers(0, 255, (count, frames, 3, 32, 32), np.uint8))
    labels = torch.tensor([float(i % 3 > 0) for i in range(count)])
    return Batch(clips, labels, torch.zeros(count, 0, 0), torch.arange(count))


def learner(wanted: config.FitConfig, weight: float = 1.0) -> steps.Learner:
    torch.manual_seed(0)
    return steps.Learner(build(wanted.model), wanted, weight).eval()


def test_cross_entropy_is_that_of_a_two_way_head() -> None:
    wanted = settings(loss={"label_smoothing": 0.1})
    one, given = learner(wanted), batch()
    logits, _ = one.model(steps.normalise(given.clips, wanted.model))
    two_way = torch.stack([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(
        one(given, np.random.default_rng(0)).whole,
        nn.CrossEntropyLoss(label_smoothing=0.1)(two_way, given.labels.long()),
    )


def test_bce_weighs_fakes_by_the_balance_of_classes() -> None:
    wanted = settings(loss={"kind": "bce", "pos_weight": "auto"})
    rows = [Row(str(i), "A", "", int(i > 1)) for i in range(10)]
    weight = steps.pos_weight(rows, wanted)
    assert weight == 0.25
    one, given = learner(wanted, weight), batch()
    logits, _ = one.model(steps.normalise(given.clips, wanted.model))
    torch.testing.assert_close(
        one(given, np.random.default_rng(0)).whole,
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor(0.25))(logits, given.labels),
    )


def test_mixup_mixes_clips_and_labels_by_one_share() -> None:
    wanted = settings(augmentation={"mixup": 0.4})
    one, given = learner(wanted), batch()
    rng = np.random.default_rng(3)
    share, order = rng.beta(0.4, 0.4), rng.permutation(6)
    crops = steps.normalise(given.clips, wanted.model)
    logits, _ = one.model(share * crops + (1 - share) * crops[order])
    target = share * given.labels + (1 - share) * given.labels[order]
    want = nn.functional.binary_cross_entropy_with_logits(logits, target.float())
    torch.testing.assert_close(one(given, np.random.default_rng(3)).whole, want)


def test_normalise_is_the_models_and_channels_last() -> None:
    wanted = settings().model
    given = batch(2, frames=3).clips
    floats = steps.normalise(given, wanted)
    assert floats.shape == given.shape
    want = (given[1, 2, 0, 5, 7].item() / 255.0 - wanted.mean[0]) / wanted.std[0]
    assert floats[1, 2, 0, 5, 7].item() == pytest.approx(want, abs=1e-6)
    assert floats.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("asked", "epoch", "moves", "holds"),
    [
        ({"freeze_epochs": 2}, 0, ("head.weight",), ("backbone.conv_stem.weight",)),
        ({"freeze_epochs": 2}, 2, ("head.weight", "backbone.conv_stem.weight"), ()),
        ({"tune": "head"}, 9, ("head.weight",), ("backbone.bn1.weight",)),
        (
            {"tune": "norm"},
            0,
            ("head.weight", "backbone.bn1.weight"),
            ("backbone.conv_stem.weight",),
        ),
    ],
)
def test_the_weights_that_are_asked_for_learn(
    asked: dict[str, object], epoch: int, moves: tuple[str, ...], holds: tuple[str, ...]
) -> None:
    wanted = config.from_dict(
        {
            "model": {"backbone": "mobilenetv3_small_100", "crop_px": 32},
            "optimiser": {"lr": 0.1, "unfrozen_lr": 0.01, **asked},
            "schedule": {"kind": "constant"},
        }
    )
    one = learner(wanted)
    frozen = steps.choose_weights(one.model, wanted, epoch)
    assert frozen == ("backbone.bn1.weight" not in moves and bool(holds))
    optimizer = steps.make_optimizer(one, wanted)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
    before = copy.deepcopy(one.model.state_dict())
    one.train()
    one(batch(), np.random.default_rng(0)).whole.backward()
    optimizer.step()
    after = one.model.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in moves)
    assert all(torch.equal(before[name], after[name]) for name in holds)
    statistics = "backbone.bn1.running_mean"
    assert torch.equal(before[statistics], after[statistics]) == frozen


def rates(kind: str, losses: list[float]) -> list[float]:
    wanted = settings(optimiser={"lr": 0.1}, schedule={"kind": kind, "patience": 0})
    optimizer = steps.make_optimizer(learner(wanted), wanted)
    pace, seen = steps.Pace(optimizer, wanted, steps=2 * len(losses)), []
    for loss in losses:
        for _ in range(2):
            seen.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            pace.after_step()
        pace.after_epoch(loss)
    return seen


def test_schedules() -> None:
    assert rates("constant", [1.0, 2.0]) == [0.1] * 4
    assert rates("plateau", [1.0, 2.0, 0.5, 0.6]) == pytest.approx([0.1] * 4 + [0.05] * 4)
    cosine = rates("cosine", [1.0] * 5)
    assert cosine == pytest.approx([0.05 * (1 + np.cos(np.pi * i / 10)) for i in range(10)])
    cycle = rates("one_cycle", [1.0] * 10)
    assert max(cycle) == pytest.approx(0.1, rel=0.05)
    assert cycle.index(max(cycle)) in (1, 2, 3)
    assert cycle[-1] < 1e-5


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "mobilenetv3_small_100", "resnet18"])
def test_deep_branches_are_left_out_while_training_only(backbone: str) -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(backbone=backbone, crop_px=32, dropout=0.0))
    keys, clips = list(model.state_dict()), torch.rand(16, 1, 3, 32, 32)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        # Some branches begin at 0, where it would not be seen that they are left out.
        nn.init.ones_(norm.weight)
    before, _ = model.eval()(clips)
    steps.drop_paths(model, 0.8)
    shares = [m.p for m in model.modules() if isinstance(m, StochasticDepth)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == pytest.approx(0.8)
    assert list(model.state_dict()) == keys
    torch.testing.assert_close(model.eval()(clips)[0], before)
    model.train()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eval()
    one, two = model(clips)[0], model(clips)[0]
    assert not torch.equal(one, two)
    with pytest.raises(SettingError, match=r"drop_path must be 0 for this model, but got 0\.4"):
        steps.drop_paths(build(settings().model), 0.4)


def test_the_average_moves_a_share() -> None:
    old, new = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(new.weight, 3.0)
    new.num_batches_tracked.fill_(7)
    steps.average(old, new, 0.75)
    assert old.weight.tolist() == [1.5, 1.5]
    assert int(old.num_batches_tracked) == 7


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert steps.mixed_precision("auto", cpu) is torch.float32
    assert steps.mixed_precision("bf16", cpu) is torch.bfloat16
    with pytest.raises(SettingError, match=r"run\.precision must be fp32 or bf16 on a CPU"):
        steps.mixed_precision("fp16", cpu)


def test_a_steps_random_numbers_follow_from_its_place() -> None:
    def draw(*place: int) -> tuple[float, float]:
        return steps.seed_step(*place).random(), float(torch.rand(1))  # type: ignore[call-arg]

    places = [(42, 0, 0, 0), (42, 0, 1, 0), (42, 1, 0, 0), (42, 0, 0, 1), (43, 0, 0, 0)]
    drawn = [draw(*p) for p in places]
    assert drawn == [draw(*p) for p in places]
    assert len({a for a, _ in drawn}) == len({b for _, b in drawn}) == 5


def test_a_video_is_its_highest_track() -> None:
    rows = [Row("a", "A", "s", 1)] * 3 + [Row("a", "B", "s", 1)] * 2 + [Row("b", "A", "t", 0)]
    logits = np.array([1.0, 2.0, 3.0, -1.0, 9.0, -2.0])
    assert video_scores(rows, logits, 1) == {
        "a": max(lane_score(logits[:3]), lane_score(logits[3:5])),
        "b": -2.0,
    }
    assert video_scores(rows, logits, 16) == {"a": 4.0, "b": -2.0}


def test_measures_are_of_videos_beside_the_chance_line() -> None:
    # 10 videos of 5 sources, 8 of them fake; all answers are "fake", in the right order.
    rows = [Row(f"v{i}", "A", f"s{i % 5}", int(i >= 2)) for i in range(10) for _ in range(2)]
    logits = np.repeat(np.arange(10) / 10 + 0.05, 2)
    row = measure(rows, logits, 1)
    assert row["val_acc"] == row["val_chance_acc"] == chance_accuracy(rows) == 0.8
    # Two videos are real: that all are told apart proves little.
    assert (row["val_auc"], row["val_auc_low"], row["val_auc_high"]) == (1.0, 0.34238, 1.0)
    assert row["val_videos"] == 10
    labels = torch.tensor([float(r.label) for r in rows], dtype=torch.float64)
    loss = nn.functional.binary_cross_entropy_with_logits(torch.from_numpy(logits), labels)
    assert row["val_loss"] == pytest.approx(float(loss), abs=1e-6)
