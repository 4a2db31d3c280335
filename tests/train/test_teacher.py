"""teacher.py: a student sees what its teacher sees, and the teacher never moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from dfexplain import hub
from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig, build
from tests.train.crops import crops_data
from tests.train.test_fit import SETTINGS, Cut, check_same_run, cut_at, quiet
from tests.train.test_steps import batch, settings
from train import config, loop, steps
from train.distributed import Here
from train.teacher import Hint, Panel, Teacher, soft_loss, teacher_of
from train.training import Training

CPU = torch.device("cpu")
MODEL = ModelConfig(
    architecture="simple_cnn",
    crop_px=48,
    crop_margin=0.3,
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.3, 0.4),
    dropout=0.5,
)


def write(folder: Path, seed: int = 0, **changed: Any) -> str:
    """A teacher with random weights; its name."""
    own = replace(MODEL, **changed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = build(own).state_dict()
    hub.save(folder, config=own, state=state, heat_scale=1.0, card="")
    return str(folder)


@pytest.mark.parametrize("side", [32, 48])
def test_the_teacher_sees_the_students_crops_its_own_way(side: int, tmp_path: Path) -> None:
    student = settings().model
    teacher = Teacher(write(tmp_path / "t", crop_px=side), student, CPU)
    clips = batch().clips
    with torch.random.fork_rng():
        model = build(teacher.config)
    model.load_state_dict(hub.load(tmp_path / "t").state)
    sized = clips[:, 0].float()
    if side != 32:
        sized = interpolate(sized, (side, side), mode="bilinear", antialias=True)
    with torch.no_grad():
        maps = model.eval().encode(steps.normalise(sized[:, None], teacher.config))
        expected = model.decide(maps, 1)
    lesson = teacher(steps.normalise(clips, student))
    torch.testing.assert_close(lesson.logit, expected.logit, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(lesson.maps, maps, rtol=1e-3, atol=1e-4)
    assert lesson.maps.shape[2] == teacher.width
    assert float(lesson.logit.std()) > 0


def test_soft_targets() -> None:
    logits = torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    taught = torch.tensor([1.0, 0.5, -4.0])
    p, q = torch.sigmoid(logits / 2), torch.sigmoid(taught / 2)
    plain = -4 * (q * p.log() + (1 - q) * (1 - p).log()).mean()
    torch.testing.assert_close(soft_loss(logits, taught, 2.0), plain)
    # Hot enough, it is half the squared distance of the logits, a quarter of it for two classes.
    (gradient,) = torch.autograd.grad(soft_loss(logits, taught, 1000.0), logits)
    torch.testing.assert_close(gradient, (logits - taught).detach() / 4 / 3, rtol=1e-3, atol=1e-5)


def test_a_hint_compares_directions_on_the_coarser_grid() -> None:
    torch.manual_seed(0)
    hint = Hint(4, 6)
    own, other = torch.randn(2, 3, 4, 6, 6), torch.randn(2, 3, 6, 5, 5)
    with torch.no_grad():
        translated = hint.translate(own.flatten(0, 1)).reshape(2, 3, 6, 6, 6)
        assert float(hint(own, 3.0 * translated)) == pytest.approx(0.0, abs=1e-6)
        assert float(hint(own, -translated)) == pytest.approx(2.0, abs=1e-6)
        assert 0.5 < float(hint(own, other)) < 1.5
        coarse = nn.functional.adaptive_avg_pool2d(translated.flatten(0, 1), 5)
        assert float(hint(own, coarse.reshape(2, 3, 6, 5, 5))) == pytest.approx(0.0, abs=1e-6)


def test_the_loss_is_shared_between_label_and_teacher(tmp_path: Path) -> None:
    name = write(tmp_path / "t")
    own, given = {"kind": "bce"}, batch()
    losses = {}
    for distil in (0.0, 0.25, 1.0):
        wanted = settings(
            loss=own | ({"teacher": name, "distil": distil} if distil else {}),
            augmentation={"mixup": 0.4},
        )
        teacher = Teacher(name, wanted.model, CPU) if distil else None
        torch.manual_seed(0)
        one = steps.Learner(build(wanted.model), wanted, 1.0, teacher).eval()
        losses[distil] = one(given, np.random.default_rng(3))
    assert losses[0.0].whole == losses[0.0].clips == losses[1.0].clips
    expected = 0.75 * losses[0.0].whole + 0.25 * losses[1.0].whole
    torch.testing.assert_close(losses[0.25].whole, expected)
    # The mixed clips are looked at, not those that they were mixed of.
    rng = np.random.default_rng(3)
    share, order = rng.beta(0.4, 0.4), rng.permutation(6)
    clips = steps.normalise(given.clips, wanted.model)
    mixed = share * clips + (1 - share) * clips[order]
    assert teacher is not None
    logits, _ = one.model(mixed)
    expected = soft_loss(logits, teacher(mixed).logit, 1.0)
    torch.testing.assert_close(losses[1.0].whole, expected)


def test_the_teacher_is_frozen_and_no_part_of_the_learner(tmp_path: Path) -> None:
    loss = {"teacher": write(tmp_path / "t"), "distil": 1.0, "hint": 1.0}
    wanted = settings(loss=loss, optimiser={"lr": 0.01})
    teacher = Teacher(str(tmp_path / "t"), wanted.model, CPU)
    torch.manual_seed(0)
    one = steps.Learner(build(wanted.model), wanted, 1.0, teacher).train()
    assert {k.split(".")[0] for k in one.state_dict()} == {"model", "hint"}
    clips = steps.normalise(batch().clips, wanted.model)
    before = teacher(clips)
    optimizer = steps.make_optimizer(one, wanted)
    passed = []
    for _ in range(12):
        loss_now = one(batch(), np.random.default_rng(0)).whole
        optimizer.zero_grad()
        loss_now.backward()
        optimizer.step()
        passed.append(loss_now.item())
    assert passed[-1] < passed[0] - 0.1
    after = teacher(clips)
    assert torch.equal(before.logit, after.logit)
    assert not any(p.requires_grad or p.grad is not None for p in teacher._model.parameters())


def taught(name: str) -> config.FitConfig:
    section = {"teacher": name, "distil": 0.5, "temperature": 2.0, "hint": 0.5}
    return config.from_dict({**SETTINGS, "loss": section})


def test_a_run_goes_on_with_its_own_teacher_wherever_it_lies(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    name = write(tmp_path / "teacher", crop_margin=0.0)
    moved = write(tmp_path / "moved", crop_margin=0.0)
    other = write(tmp_path / "other", seed=1, crop_margin=0.0)
    lines: list[str] = []
    loop.fit(taught(name), data, tmp_path / "whole", lines.append)
    sha256 = hub.load(tmp_path / "teacher").info.sha256
    assert f"teacher: teacher@local, {sha256[:12]}" in lines
    with pytest.raises(Cut):
        loop.fit(taught(name), data, tmp_path / "cut", cut_at(3))
    says = "weights of loss.teacher must be those that"
    with pytest.raises(SettingError, match=says):
        loop.fit(taught(other), data, tmp_path / "cut", quiet)
    loop.fit(taught(moved), data, tmp_path / "cut", quiet)
    check_same_run(tmp_path / "whole", tmp_path / "cut")
    state = loop.load_checkpoint(tmp_path / "cut", "last")
    plain = loop.fit(config.from_dict(SETTINGS), data, tmp_path / "plain", quiet)
    assert state is not None
    assert state["averaged"].keys() == plain.model.state_dict().keys()
    assert not any("teacher" in key for key in state["learner"])
    ends = [loop.read_history(tmp_path / run)[-1]["loss"] for run in ("whole", "plain")]
    assert ends[0] != ends[1]


def test_a_run_from_before_there_were_teachers_goes_on(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    fit = config.from_dict(SETTINGS)
    with pytest.raises(Cut):
        loop.fit(fit, data, tmp_path / "run", cut_at(3))
    path = tmp_path / "run" / "checkpoints" / "last.pt"
    state = torch.load(path, weights_only=True)
    del state["teacher"]
    for key in ("teacher", "distil", "temperature", "hint"):
        del state["settings"]["loss"][key]
    torch.save(state, path)
    assert len(loop.fit(fit, data, tmp_path / "run", quiet).history) == 3


def test_a_teacher_that_cannot_teach_is_one_line(tmp_path: Path) -> None:
    student = settings().model
    with pytest.raises(SettingError, match=r"must name weights or a run.*Train the teacher"):
        Teacher("nowhere", student, CPU)
    name = write(tmp_path / "t", crop_margin=0.1)
    with pytest.raises(SettingError, match=r"crop_margin must be the teacher's 0\.1.*got 0\.3"):
        Teacher(name, student, CPU)


def test_a_student_begins_with_its_teachers_first_stages(tmp_path: Path) -> None:
    own = ModelConfig(crop_px=32, crop_margin=0.0)
    name = write(tmp_path / "t", architecture="frame", crop_px=32, crop_margin=0.0)
    theirs = hub.load(name).state
    model = {**own.to_dict(), "stages": 3}
    asked = {**SETTINGS, "model": model, "loss": {"teacher": name, "distil": 0.5}}
    fit = config.from_dict(asked | {"run": SETTINGS["run"] | {"from_teacher": True}})
    lines: list[str] = []
    data = crops_data(tmp_path / "data")
    this = Training(fit, data.training(fit), Here(0, 1, CPU), "")
    this.start(None, lines.append)
    state = this.learner.model.state_dict()
    given = [key for key in state if key in theirs and torch.equal(state[key], theirs[key])]
    assert {key for key in state if key.startswith("backbone.blocks")} <= set(given)
    assert lines == [f"first weights: {len(given)} of {len(state)} tensors are the teacher's"]
    assert all(torch.equal(this.averaged.state_dict()[key], state[key]) for key in state)


def test_who_begins_with_a_teacher_has_one_of_its_kind(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    run = {"run": SETTINGS["run"] | {"from_teacher": True, "pretrained": False}}
    with pytest.raises(SettingError, match=r"run\.from_teacher must come with a loss\.teacher"):
        loop.fit(config.from_dict({**SETTINGS, **run}), data, tmp_path / "none", quiet)
    name = write(tmp_path / "t", crop_margin=0.0)
    other = {**SETTINGS["model"], "architecture": "frame", "backbone": "resnet18"}
    fit = config.from_dict(
        {**SETTINGS, **run, "model": other, "loss": {"teacher": name, "distil": 0.5}}
    )
    with pytest.raises(SettingError, match=r"run\.from_teacher must find tensors of the student"):
        loop.fit(fit, data, tmp_path / "other", quiet)


def test_a_specialist_adds_its_odds_and_its_features(tmp_path: Path) -> None:
    name, other = write(tmp_path / "t"), write(tmp_path / "s", seed=1)
    loss = {"teacher": name, "specialist": other, "specialist_share": 0.25, "distil": 1.0}
    student = settings(loss=loss)
    panel = teacher_of(student, CPU)
    assert isinstance(panel, Panel)
    clips = steps.normalise(batch().clips, student.model)
    one, two = (Teacher(n, student.model, CPU)(clips) for n in (name, other))
    odds = 0.75 * one.logit.exp() + 0.25 * two.logit.exp()
    lesson = panel(clips)
    torch.testing.assert_close(lesson.logit, odds.log(), rtol=1e-4, atol=1e-5)
    assert lesson.maps.shape[2] == panel.width == 2 * one.maps.shape[2]
    half = panel.width // 2
    for part, maps in ((lesson.maps[:, :, :half], one.maps), (lesson.maps[:, :, half:], two.maps)):
        torch.testing.assert_close(part, nn.functional.normalize(maps, dim=2))
    assert panel.sha256 not in (panel.teacher.sha256, panel.specialist.sha256)
    assert panel.sha256 != teacher_of(settings(loss=loss | {"specialist": name}), CPU).sha256


def test_a_teacher_may_see_other_clips_than_its_student(tmp_path: Path) -> None:
    name = write(tmp_path / "t")
    wanted = settings(
        loss={"kind": "bce", "teacher": name, "distil": 1.0}, augmentation={"mixup": 0.4}
    )
    teacher = Teacher(name, wanted.model, CPU)
    torch.manual_seed(0)
    one = steps.Learner(build(wanted.model), wanted, 1.0, teacher).eval()
    given = batch()
    given = given._replace(taught=255 - given.clips)
    rng = np.random.default_rng(3)
    share, order = rng.beta(0.4, 0.4), rng.permutation(6)
    own, others = (steps.normalise(c, wanted.model) for c in (given.clips, given.taught))
    own, others = (share * c + (1 - share) * c[order] for c in (own, others))
    expected = soft_loss(one.model(own)[0], teacher(others).logit, 1.0)
    torch.testing.assert_close(one(given, np.random.default_rng(3)).whole, expected)


def test_half_of_the_batches_are_looked_at_in_a_mirror(tmp_path: Path) -> None:
    loss = {"kind": "bce", "teacher": write(tmp_path / "t"), "distil": 1.0, "hint": 1.0}
    wanted = settings(loss=loss | {"mirror": True})
    teacher = Teacher(str(tmp_path / "t"), wanted.model, CPU)
    torch.manual_seed(0)
    one = steps.Learner(build(wanted.model), wanted, 1.0, teacher).eval()
    assert one.hint is not None
    one.requires_grad_(False)
    clips = steps.normalise(batch().clips, wanted.model)
    maps = one.model.encode(clips)
    logits = one.model.decide(maps, 1).logit
    straight, mirrored = teacher(clips), teacher(clips.flip(-1))
    expected = [
        soft_loss(logits, straight.logit, 1.0) + one.hint(maps, straight.maps),
        # What lies on the left of the mirror image lies on the right of what the student sees.
        soft_loss(logits, mirrored.logit, 1.0) + one.hint(maps, mirrored.maps.flip(-1)),
    ]
    assert abs(float(expected[0] - expected[1])) > 1e-4
    seen = [float(one(batch(), np.random.default_rng(seed)).whole) for seed in range(20)]
    ways = [[way for way in (0, 1) if loss == pytest.approx(float(expected[way]))] for loss in seen]
    assert [len(way) for way in ways] == [1] * 20
    assert 5 <= sum(way[0] for way in ways) <= 15


def test_a_run_teaches_as_its_weights_do(tmp_path: Path) -> None:
    data = crops_data(tmp_path / "data")
    done = loop.fit(config.from_dict(SETTINGS), data, tmp_path / "run", quiet)
    hub.save(
        tmp_path / "w",
        config=done.model.config,
        state=done.model.state_dict(),
        heat_scale=1.0,
        card="",
    )
    student = settings(model={"crop_margin": 0.0}).model
    run, weights = (Teacher(str(tmp_path / name), student, CPU) for name in ("run", "w"))
    assert run.sha256 == weights.sha256
    clips = steps.normalise(batch().clips, student)
    assert torch.equal(run(clips).logit, weights(clips).logit)


def test_a_specialist_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    name = write(tmp_path / "t")
    with pytest.raises(SettingError, match=r"loss\.specialist must come with a loss\.teacher"):
        settings(loss={"specialist": name})
    wanted = settings(loss={"teacher": name, "distil": 1.0, "specialist": "nowhere"})
    with pytest.raises(SettingError, match=r"loss\.specialist must name weights or a run"):
        teacher_of(wanted, CPU)
