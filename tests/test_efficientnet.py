"""models/efficientnet.py: timm's EfficientNet-Lite to the bit, without timm."""

from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torch

from dfexplain.models.efficientnet import CUT_WIDTH, LITE, EfficientNetLite
from tests.sources import ROOT

NAME = "tf_efficientnet_lite0"


def pictures(side: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(side)
    return torch.randn(3, 3, side, side, generator=random)


@pytest.mark.parametrize(
    ("name", "side"), [(NAME, 75), (NAME, 160), *((name, 64) for name in LITE)]
)
@pytest.mark.parametrize("training", [False, True], ids=["asked", "training"])
def test_its_maps_and_gradients_are_timms(name: str, side: int, training: bool) -> None:
    theirs = timm.create_model(name, num_classes=0, global_pool="").train(training)
    own = EfficientNetLite(name).train(training)
    assert list(own.state_dict()) == list(theirs.state_dict())
    own.load_state_dict(theirs.state_dict())
    one, other = own.forward_features(pictures(side)), theirs.forward_features(pictures(side))
    assert one.std() > 0
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    for maps in (one, other):
        maps.square().mean().backward()  # type: ignore[no-untyped-call]
    for mine, its in zip(own.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=1e-4, atol=1e-7)
    for mine, its in zip(own.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=0)


def test_first_numbers_spread_as_timms_do() -> None:
    torch.manual_seed(0)
    own, theirs = EfficientNetLite(), timm.create_model(NAME, num_classes=0, global_pool="")
    for (name, mine), its in zip(own.named_parameters(), theirs.parameters(), strict=True):
        if mine.numel() >= 2_000:
            assert (mine.std() / its.std()).item() == pytest.approx(1.0, abs=0.1), name
        if mine.dim() == 1:
            torch.testing.assert_close(mine, its)


@pytest.mark.parametrize(
    ("name", "stages"), [*((NAME, stages) for stages in range(1, 7)), ("tf_efficientnet_lite2", 5)]
)
def test_a_network_that_is_cut_has_timms_first_stages_and_a_head_of_its_own(
    name: str, stages: int
) -> None:
    theirs = timm.create_model(name, num_classes=0, global_pool="").eval()
    own = EfficientNetLite(name, stages).eval()
    own.load_state_dict(
        {
            name: theirs.state_dict().get(name, tensor)
            if not name.startswith(("conv_head", "bn2"))
            else tensor
            for name, tensor in own.state_dict().items()
        }
    )
    seen = pictures(96)
    first = theirs.blocks[:stages](theirs.bn1(theirs.conv_stem(seen)))
    maps = own.forward_features(seen)
    assert maps.shape == (3, CUT_WIDTH, *first.shape[2:])
    wanted = own.bn2(own.conv_head(first)).clamp(0.0, 6.0)
    torch.testing.assert_close(maps, wanted, rtol=0, atol=0)


def test_what_ships_scores_a_video_without_timm_torchvision_and_facenet_pytorch() -> None:
    asked = (
        "import sys\n"
        "from dfexplain import hub\n"
        "from dfexplain.detector import Detector\n"
        "for name in hub.shipped():\n"
        "    result = Detector(hub.load(name)).analyze('examples/forged.mp4')\n"
        "    assert [*result], name\n"
        "print(*{'timm', 'torchvision', 'facenet_pytorch', 'torch._dynamo'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
