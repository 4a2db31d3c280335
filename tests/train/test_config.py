"""config.py and configs/: settings that name their mistakes, and recipes that run (D1-D16, D28)."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from dfexplain import hub
from dfexplain.errors import SettingError
from dfexplain.models import build
from tests.train.crops import crops_data
from tests.train.faces import portraits
from train import config, loop
from train.__main__ import main

CONFIGS = Path(config.__file__).parent / "configs"
PATHS = sorted(CONFIGS.glob("*.yaml"))
# Small enough for two steps of any recipe in seconds.
SMALL = [
    "run.epochs=1",
    "run.init=",
    "run.pretrained=false",
    "run.log_interval=1",
    "run.save_every_epoch=false",
    "optimiser.freeze_epochs=0",
    "data.workers=0",
    "data.batch_size=4",
    "data.max_videos_per_class=4",
    "model.crop_px=32",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_each_config_opens_with_its_command_and_survives_a_round_trip(
    path: Path, tmp_path: Path
) -> None:
    settings = config.read(path)
    assert settings.name == path.stem
    assert path.read_text().startswith(f"# python -m train fit --config train/configs/{path.name}")
    config.write(tmp_path / "again.yaml", settings)
    assert config.read(tmp_path / "again.yaml") == settings


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_each_config_fits_two_steps(path: Path, tmp_path: Path) -> None:
    frames = min(config.read(path).model.clip_frames, 2)
    clip = [f"model.clip_frames={frames}", f"data.frames_per_track={frames}"]
    settings = config.read(path, [*SMALL, *clip])
    if settings.loss.teacher:
        small = replace(settings.model, stages=0)
        state = build(small).state_dict()
        hub.save(tmp_path / "teacher", config=small, state=state, heat_scale=1.0, card="")
        loss = replace(settings.loss, teacher=str(tmp_path / "teacher"))
        if loss.specialist:
            loss = replace(loss, specialist=loss.teacher)
        settings = replace(settings, loss=loss)
    people = [*portraits(), portraits()[0]]
    data: loop.TrainingData = loop.PortraitsData(people, people)
    if not settings.loss.mask:
        data = crops_data(tmp_path / "data", train=4, val=2, frames=2)
    lines: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        (row,) = loop.fit(settings, data, tmp_path / "run", lines.append).history
    assert [line[:19] for line in lines if line.startswith("epoch")] == ["epoch 1/1 step 1/2:"]
    assert 0.0 < row["loss"] < 20.0
    assert 0.0 <= row["val_auc_low"] <= row["val_auc"] <= row["val_auc_high"] <= 1.0
    # ResNet152 with its optimiser is 700 MB: not to be kept with the tests' folders.
    shutil.rmtree(tmp_path / "run")


def test_the_seeds_numbers_are_the_configs_numbers() -> None:
    b0 = config.read(CONFIGS / "frames_only_b0.yaml")
    assert (b0.optimiser.freeze_epochs, b0.augmentation.mixup) == (3, 0.4)
    assert (b0.loss.label_smoothing, b0.model.dropout) == (0.05, 0.3)
    assert 0.0 < b0.optimiser.unfrozen_lr < b0.optimiser.lr
    rnn = config.read(CONFIGS / "resnet_rnn.yaml")
    assert (rnn.data.batch_size, rnn.model.crop_px, rnn.model.dropout) == (16, 224, 0.3)
    assert (rnn.model.embed_dim, rnn.run.epochs, rnn.run.log_interval) == (512, 50, 10)
    assert (rnn.optimiser.lr, rnn.data.workers, rnn.run.pretrained) == (0.001, 4, True)
    for name, rate in (("simple_cnn", 1e-3), ("resnet18", 1e-4), ("efficientnet_lstm", 1e-4)):
        one = config.read(CONFIGS / f"compare_{name}.yaml")
        assert (one.model.clip_frames, one.data.batch_size, one.run.epochs) == (16, 4, 2)
        assert (one.optimiser.kind, one.optimiser.lr, one.run.seed) == ("adam", rate, 42)
        assert (one.schedule.kind, one.schedule.factor) == ("plateau", 0.5)
        assert one.optimiser.weight_decay == 1e-4
        assert (one.augmentation.flip, one.augmentation.rotation_deg) == (0.5, 10.0)
        assert one.augmentation.jitter == 0.2
    mobile, plain = (config.read(CONFIGS / f"mobilenetv3{end}.yaml") for end in ("", "_no_aug"))
    assert (mobile.loss.kind, mobile.loss.pos_weight) == ("bce", "auto")
    assert (mobile.data.batch_size, mobile.optimiser.lr, mobile.run.epochs) == (32, 1e-4, 10)
    assert (mobile.data.frames_per_track, mobile.model.crop_px) == (10, 224)
    off = config.Augmentation(flip=0, rotation_deg=0, jitter=0, blur=0)
    assert replace(mobile, name=plain.name, augmentation=off) == plain


def test_overrides_reach_their_sections() -> None:
    overrides = ["run.epochs=3", "model.crop_px=96", "optimiser.lr=1e-4", "logging.wandb=off"]
    settings = config.read(CONFIGS / "default.yaml", overrides)
    assert (settings.run.epochs, settings.model.crop_px) == (3, 96)
    assert (settings.optimiser.lr, settings.logging.wandb) == (1e-4, "off")
    auto = config.read(CONFIGS / "mobilenetv3.yaml", ["loss.pos_weight=2"])
    assert auto.loss.pos_weight == 2.0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.epoch=3", "Did you mean 'run.epochs'"),
        ("epochs=3", "Did you mean 'run.epochs'"),
        ("lr=3", "Did you mean 'optimiser.lr'"),
        ("optimizer.lr=3", "Did you mean 'optimiser.lr'"),
        ("model.crop=3", "Did you mean 'model.crop_px'"),
        ("run.epochs=0", r"run\.epochs must be at least 1, but got 0"),
        ("run.epochs=many", "run.epochs must be of type int"),
        ("run.epochs=1.5", "run.epochs must be of type int"),
        ("run.pretrained=1", "run.pretrained must be of type bool"),
        ("augmentation.flip=2", r"augmentation\.flip must lie in 0\.\.1"),
        ("data.sampling=odd", "data.sampling must be one of shuffled, balanced, paired"),
        ("loss.pos_weight=some", "pos_weight must be of type float or 'auto'"),
        ("loss.kind=cross_entropy", "pos_weight must be 1 with cross_entropy"),
        ("model.backbone=hf-hub:x", "backbone must be one of"),
        ("loss.distil=0.5", "loss.teacher must come with loss.distil or loss.hint above 0"),
        ("loss.teacher=default", "and they with it, but got 'default', 0 and 0"),
        ("loss.specialist=edge", "loss.specialist must come with a loss.teacher"),
        ("data.only=warps", "data.only must hold none but blend, swap, "),
        ("data.only=warp smoothed", "data.only must hold none but blend, swap, "),
        ("loss.distil=2", r"loss\.distil must lie in 0\.\.1"),
        ("run=3", "--set must hold known keys only, but got .run."),
        ("run.epochs", "must be section.key=value"),
        ("run.epochs=[", "must be YAML"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        config.read(CONFIGS / "mobilenetv3.yaml", [override])


def test_a_teacher_is_let_go_as_the_errors_say() -> None:
    alone = ["loss.teacher=", "loss.specialist=", "loss.distil=0", "loss.hint=0"]
    for name in ("default", "edge"):
        settings = config.read(CONFIGS / f"{name}.yaml", [*alone, "run.from_teacher=false"])
        assert (settings.loss.teacher, settings.loss.specialist) == ("", "")
    assert config.read(CONFIGS / "second.yaml", ["run.init="]).run.init == ""


@pytest.mark.parametrize("only", ["warp", "warp warp"])
def test_what_is_left_out_cannot_be_the_only_recipe(only: str) -> None:
    with pytest.raises(SettingError, match=r"data\.only must not be data\.left_out.*'warp"):
        config.read(CONFIGS / "mobilenetv3.yaml", [f"data.only={only}", "data.left_out=warp"])


def test_a_missing_config_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(tmp_path / "no.yaml"), "--run", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error[setting]: --config must be a file")
    assert err.count("\n") == 1
