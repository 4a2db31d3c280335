"""convert.py: old checkpoints become states of known models, or one line says why not (I10)."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from dfexplain import hub
from dfexplain.errors import WeightsRefused
from dfexplain.models import DeepFakeMobileNet, ModelConfig, build
from train.convert import convert, infer, open_checkpoint

CNN = ModelConfig("simple_cnn", crop_px=64)


def state_of(config: ModelConfig) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(config).state_dict()


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: tensor for key, tensor in state.items()}


WRAPPED: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "best.pt": lambda state: {"model_state_dict": state, "epoch": 3, "optimizer": {"lr": 1e-4}},
    "best.ckpt": lambda state: {
        "state_dict": prefixed("model.", state) | {"criterion.pos_weight": torch.ones(1)},
        "pytorch-lightning_version": "2.0",
        "hyper_parameters": {"lr": 1e-4},
    },
    "best_model.pth": lambda state: prefixed("module.", state),
    "net.pt": lambda state: {"net": state, "acc": 91.85},
    "compiled.pt": lambda state: {"model": prefixed("_orig_mod.", state)},
}


@pytest.mark.parametrize("named", [True, False], ids=["named", "inferred"])
@pytest.mark.parametrize("name", WRAPPED)
def test_the_state_is_found_wherever_programs_put_it(
    name: str, named: bool, tmp_path: Path
) -> None:
    state = state_of(CNN)
    path = saved(tmp_path / name, WRAPPED[name](state))
    read = convert(path, CNN if named else None)
    assert list(read) == list(state)
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_seed_4s_checkpoint_becomes_weights_of_the_app(tmp_path: Path) -> None:
    alone = DeepFakeMobileNet(pretrained=False).eval()
    path = saved(tmp_path / "best_model.pth", alone.state_dict())
    config, state = open_checkpoint(path)
    assert config.architecture == "deepfake_mobilenet"
    weights = hub.save(tmp_path / "old", config=config, state=state, heat_scale=1.0, card="old")
    model = build(weights.config).eval()
    model.load_state_dict(weights.state)
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(pictures[:, None])[0], alone(pictures)[:, 0])


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet_b0"])
def test_a_plain_classifier_becomes_a_frame_model(
    backbone: str, outputs: int, tmp_path: Path
) -> None:
    plain = timm.create_model(backbone, pretrained=False, num_classes=outputs).eval()
    path = saved(tmp_path / "best.pt", {"state_dict": plain.state_dict()})
    config, state = open_checkpoint(path)
    assert (config.architecture, config.backbone) == ("frame", backbone)
    model = build(config).eval()
    model.load_state_dict(state)
    pictures = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = plain(pictures)
        wanted = scores[:, 0] if outputs == 1 else scores[:, 1] - scores[:, 0]
        torch.testing.assert_close(model(pictures[:, None])[0], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig("resnet18_mean", clip_frames=16),
        ModelConfig("efficientnet_b0_lstm", clip_frames=16),
        ModelConfig("r3d_18", clip_frames=16),
        ModelConfig("pooled", "tf_efficientnet_lite0", pooling="lstm", clip_frames=16),
        ModelConfig("pooled", "resnet18", pooling="divided", clip_frames=16, embed_dim=64),
        ModelConfig("resnet_rnn", clip_frames=16, embed_dim=64),
    ],
    ids=lambda config: config.label,
)
def test_every_kind_of_model_is_known_by_its_tensors(config: ModelConfig) -> None:
    with torch.device("meta"):
        state = build(config).state_dict()
    assert infer(prefixed("module.", state)) == config


def test_our_own_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    config = ModelConfig("simple_cnn", crop_px=96, crop_margin=0.1, clip_frames=5)
    state = state_of(config)
    averaged = {key: tensor * 2 for key, tensor in state.items()}
    content = {"model": state, "averaged": averaged, "config": config.to_dict(), "epoch": 2}
    read = open_checkpoint(saved(tmp_path / "best.pt", content))
    assert read.config == config
    assert all(torch.equal(read.state[key], averaged[key]) for key in state)


def test_half_precision_becomes_the_models_own(tmp_path: Path) -> None:
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state_of(CNN).items()}
    read = convert(saved(tmp_path / "best.pt", halves), CNN)
    assert {v.dtype for v in read.values()} == {torch.float32, torch.int64}


def changed(**changes: Any) -> dict[str, Tensor]:
    state = dict(state_of(CNN))
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (changed(features__0__weight=None), r"got 1 that do not fit: missing 'features.0.weight'"),
        (changed(surprise=torch.ones(1)), r"unexpected 'surprise'"),
        (
            changed(classifier__3__weight=torch.ones(3, 128)),
            r"'classifier.3.weight' is \(3, 128\) instead of \(2, 128\)",
        ),
        ({f"layer.{i}": torch.ones(1) for i in range(9)}, "missing .*; missing .*; missing [^;]*$"),
    ],
)
def test_what_does_not_fit_is_said(state: dict[str, Tensor], said: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsRefused, match=said) as refused:
        convert(saved(tmp_path / "best.pt", state), CNN)
    assert "\n" not in str(refused.value)


def test_a_stranger_is_named_by_its_first_keys(tmp_path: Path) -> None:
    path = saved(tmp_path / "best.pt", {"layer.weight": torch.ones(2, 2)})
    with pytest.raises(WeightsRefused, match=r"known architecture, but got 1 tensors like 'layer"):
        convert(path)


class _Shell:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch harmed",)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a pickle that runs a command": lambda path: path.write_bytes(pickle.dumps(_Shell())),
    "the same in torch's archive": lambda path: torch.save({"state_dict": _Shell()}, path),
    "a whole module": lambda path: torch.save(nn.Linear(2, 2), path),
    "half a file": lambda path: path.write_bytes(saved(path, state_of(CNN)).read_bytes()[:5000]),
    "words": lambda path: path.write_text("not a checkpoint"),
    "nothing": lambda path: path.write_bytes(b""),
    "a list": lambda path: torch.save([torch.ones(1)], path),
    "no tensors": lambda path: torch.save({"epoch": 3}, path),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_and_broken_files_are_refused_in_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best.pt"
    HOSTILE[kind](path)
    with pytest.raises(WeightsRefused, match=r"best.pt must hold") as refused:
        convert(path)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "harmed").exists()


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsRefused, match="checkpoint must be a file"):
        convert(tmp_path / "best.pt")
