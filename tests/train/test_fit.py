"""config.py, loop.py, portraits.py: settings that name their mistakes, a resume that is exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig
from tests.train.faces import portraits
from train import config, loop
from train.__main__ import main
from train.portraits import data_root, split_of

CONFIGS = Path(config.__file__).parent / "configs"
TINY = config.FitConfig(
    epochs=2,
    batch_pairs=1,
    workers=0,
    pretrained=False,
    model=ModelConfig(backbone="mobilenetv3_small_100", crop_px=64, crop_margin=0.05),
)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_each_config_loads_and_opens_with_its_command(path: Path) -> None:
    settings = config.read(path)
    assert settings.name == path.stem
    assert path.read_text().startswith(f"# python -m train fit --config train/configs/{path.name}")


def test_overrides_reach_the_model() -> None:
    path = CONFIGS / "sbi_lite0.yaml"
    settings = config.read(path, ["epochs=3", "model.crop_px=96", "max_lr=1"])
    assert (settings.epochs, settings.model.crop_px, settings.max_lr) == (3, 96, 1.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "Did you mean 'epochs'"),
        ("model.crop=3", "Did you mean 'crop_px'"),
        ("epochs=0", "epochs must be at least 1"),
        ("epochs=many", "epochs must be of type int"),
        ("model.backbone=hf-hub:x", "backbone must be one of"),
        ("epochs", "must be key=value"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        config.read(CONFIGS / "sbi_lite0.yaml", [override])


def test_a_missing_config_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(tmp_path / "no.yaml"), "--run", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error[setting]: --config must be a file")
    assert err.count("\n") == 1


def test_splits_are_by_person_and_about_80_10_10() -> None:
    names = [split_of(f"person-{i}") for i in range(5000)]
    assert names.count("train") / 5000 == pytest.approx(0.8, abs=0.02)
    assert names.count("val") / 5000 == pytest.approx(0.1, abs=0.015)
    # The portraits that ship with the tests are of people nobody may train on.
    assert {p.split for p in portraits()} == {"test"}


def test_a_folder_without_portraits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"must hold portraits\.csv"):
        data_root(tmp_path)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    people = list(portraits())

    def fit(settings: config.FitConfig, run: str) -> dict[str, torch.Tensor]:
        return loop.fit(settings, people, people, tmp_path / run, say=lambda _: None).state_dict()

    whole = fit(TINY, "whole")

    class Cut(RuntimeError):
        """The machine goes away after the first epoch."""

    def cut(line: str) -> None:
        if line.startswith('{"epoch": 2'):
            raise Cut

    with pytest.raises(Cut):
        loop.fit(TINY, people, people, tmp_path / "cut", say=cut)
    state = loop.load_checkpoint(tmp_path / "cut")
    assert state is not None
    assert state["epoch"] == 1
    resumed = fit(TINY, "cut")
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0)
    assert (tmp_path / "cut" / "history.csv").read_text().count("\n") == 3


def test_fit_moves_the_weights_and_says_what_it_measured(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = replace(TINY, epochs=1)
    model = loop.fit(settings, list(portraits()), list(portraits()), tmp_path, say=lines.append)
    torch.manual_seed(settings.seed)
    start = loop.build(settings.model)
    assert not torch.equal(start.head.weight, model.head.weight)
    assert '"val_auc"' in lines[-1]
    assert '"val_crops": 18' in lines[-1]
