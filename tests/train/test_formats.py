"""formats.py: what is written is what the model says, in every format (I7)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from dfexplain.errors import DataError, SettingError
from dfexplain.models import ModelConfig, VideoModel, build
from train import formats

CNN = ModelConfig("simple_cnn", crop_px=32, clip_frames=3)
MODELS = {
    "simple_cnn": CNN,
    "frame": ModelConfig(backbone="mobilenetv3_small_100", crop_px=32),
    "lstm": ModelConfig(
        "pooled", "tv_mobilenet_v3_small", 32, clip_frames=3, pooling="lstm", embed_dim=32
    ),
    "divided over tokens": ModelConfig(
        "pooled", "vit_tiny_patch16_224", 32, clip_frames=2, pooling="divided", embed_dim=32
    ),
    "3D": ModelConfig("r3d_18", crop_px=32, clip_frames=2),
}


# TorchScript is deprecated for torch.export; phones and servers still read it.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def model_of(config: ModelConfig) -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(config)


@pytest.mark.parametrize("name", MODELS)
def test_every_format_gives_the_models_logits(name: str, tmp_path: Path) -> None:
    config = MODELS[name]
    model = model_of(config)
    kinds = ["torchscript", "onnx"] if name == "3D" else list(formats.KINDS)
    paths = formats.write(model, tmp_path / "new", kinds)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    size = (3, config.clip_frames, 3, config.crop_px, config.crop_px)
    clips = torch.randn(size, generator=torch.Generator().manual_seed(1))
    model.eval()
    with torch.no_grad():
        logit, frame_logits = model(clips)
        script = torch.jit.load(paths[0])
        torch.testing.assert_close(script(clips)[0], logit, atol=1e-4, rtol=1e-3)
    session = onnxruntime.InferenceSession(paths[1], providers=["CPUExecutionProvider"])
    got = session.run(["logit", "frame_logits"], {"clips": clips.numpy()})
    np.testing.assert_allclose(got[0], logit.numpy(), atol=1e-4)
    np.testing.assert_allclose(got[1], frame_logits.numpy(), atol=1e-4)


def test_every_file_carries_its_settings(tmp_path: Path) -> None:
    paths = formats.write(model_of(CNN), tmp_path, list(formats.KINDS))
    assert [p.name for p in paths] == [
        "model.torchscript.pt",
        "model.onnx",
        "model.state_dict.pt",
        "model.config.json",
    ]
    extra = {"config.json": ""}
    torch.jit.load(paths[0], _extra_files=extra)
    (prop,) = onnx.load(paths[1]).metadata_props
    for text in (extra["config.json"], prop.value, paths[3].read_text("utf-8")):
        assert ModelConfig.from_dict(json.loads(text)) == CNN
    state = torch.load(paths[2], weights_only=True)
    assert state.keys() == model_of(CNN).state_dict().keys()


def test_a_file_that_answers_something_else_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = torch.onnx.export

    def altered(model: torch.nn.Module, *args: object, **options: object) -> object:
        with torch.no_grad():
            model.get_parameter("classifier.3.bias")[1] += 0.01
        return export(model, *args, **options)

    monkeypatch.setattr(torch.onnx, "export", altered)
    with pytest.raises(DataError, match=r"model.onnx must give the model's logits within 1e-05"):
        formats.write(model_of(CNN), tmp_path, ["onnx"])
    assert list(tmp_path.iterdir()) == []


def test_unknown_formats_and_closed_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="formats must be of torchscript, onnx, state_dict"):
        formats.write(model_of(CNN), tmp_path, ["pickle"])
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="folder must be one that can be written"):
        formats.write(model_of(CNN), tmp_path / "file", ["state_dict"])
