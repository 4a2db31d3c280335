"""folding.py: every architecture says the same with its batch norms folded."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dfexplain.engine import Engine
from dfexplain.folding import folded
from dfexplain.models import VideoModel, backbones, build
from dfexplain.models.config import ARCHITECTURE_NAMES, BACKBONES, LEAST_FRAMES, ModelConfig
from dfexplain.models.efficientnet import SameConv2d

# One of each way in which norms are listed; `pytest -m slow` has them all.
QUICK = {"tf_efficientnet_lite0", "mobilenetv3_small_100", "resnet18", "tv_mobilenet_v3_small"}
# No batch norm, or none that a convolution of the same parent comes right before.
WITHOUT = ("convnext_", "vit_", "deit_", "swin_")


def _lived_in(model: nn.Module) -> nn.Module:
    """Random norms: of a new one the mean is 0 and the variance 1, and folding does nothing."""
    random = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight, 0.8, 1.2),
                (module.bias, -0.2, 0.2),
            ):
                assert tensor is not None
                tensor.data.uniform_(low, high, generator=random)
    return model.eval()


def _norms(model: nn.Module) -> int:
    return sum(isinstance(module, _BatchNorm) for module in model.modules())


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in BACKBONES],
)
def test_a_folded_backbone_gives_the_same_maps(name: str) -> None:
    size = 224 if name.startswith("swin") else 64
    torch.manual_seed(0)
    _same_maps(name, _lived_in(backbones.create(name, size)), size)


def test_a_cut_backbone_folds_its_own_head_as_well() -> None:
    torch.manual_seed(0)
    plain = _lived_in(backbones.create("tf_efficientnet_lite0", 64, stages=5))
    _same_maps("tf_efficientnet_lite0", plain, 64)
    assert _norms(folded(plain)) == 0


def _same_maps(name: str, plain: nn.Module, size: int) -> None:
    lean = folded(plain)
    if name.startswith(WITHOUT):
        assert lean is plain
        return
    assert _norms(lean) < _norms(plain)  # Xceptions keep those of their separable convolutions
    pictures = torch.rand(2, 3, size, size) * 2 - 1
    with torch.inference_mode():
        maps, same = (backbones.maps_of(model, pictures) for model in (plain, lean))
    assert float(maps.abs().max()) > 0
    torch.testing.assert_close(same, maps, rtol=1e-3, atol=1e-4 * float(maps.abs().max()))


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("sides", [(48, 48), (24, 30), (25, 25), (24, 25)])
def test_a_padding_made_even_changes_nothing(kernel: int, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = SameConv2d(6, 6, kernel, stride=2, groups=6)
    plain = nn.Sequential(conv, nn.BatchNorm2d(6), nn.ReLU()).eval()
    lean = folded(plain)
    assert not any(isinstance(layer, SameConv2d) for layer in lean.children())
    maps = torch.randn(2, 6, *sides)
    with torch.inference_mode():
        torch.testing.assert_close(lean(maps), plain(maps), rtol=1e-4, atol=1e-5)


def test_other_paddings_stay() -> None:
    layers = (
        SameConv2d(6, 6, 3, stride=2),
        SameConv2d(6, 6, 3, stride=1, groups=6),
        SameConv2d(6, 6, 3, stride=2, groups=6, dilation=2),
        SameConv2d(6, 6, 4, stride=2, groups=6),
        SameConv2d(6, 6, (3, 5), stride=2, groups=6),
        nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6),
    )
    for layer in layers:
        lean = folded(nn.Sequential(layer, nn.BatchNorm2d(6)).eval())
        assert type(lean[0]) is type(layer)


@pytest.mark.parametrize(
    "name",
    [
        "simple_cnn",
        "deepfake_mobilenet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("r3d_18", "s3d")),
    ],
)
def test_a_folded_architecture_gives_the_same_logits(name: str) -> None:
    assert name in ARCHITECTURE_NAMES
    frames = LEAST_FRAMES.get(name, 1)
    torch.manual_seed(0)
    model = build(ModelConfig(architecture=name, crop_px=64, clip_frames=frames))
    plain = _lived_in(model)
    lean = folded(plain)
    assert _norms(lean) == 0
    clips = torch.rand(1, frames, 3, 64, 64)
    with torch.inference_mode():
        for a, b in zip(plain(clips), lean(clips), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_the_engine_scores_folded_and_keeps_the_model_as_it_was() -> None:
    config = ModelConfig(backbone="resnet18", crop_px=64)
    torch.manual_seed(0)
    state = _lived_in(build(config)).state_dict()
    running = Engine(config, state)
    assert isinstance(running.model, VideoModel)
    kept = running.model.state_dict()
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in state.items())
    crops = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8).numpy()
    with torch.inference_mode():
        logits, _ = running.model(running.normalise(crops).unsqueeze(1))
    said = torch.from_numpy(running.run(crops).logit).float()
    torch.testing.assert_close(said, logits, rtol=1e-4, atol=1e-5)
