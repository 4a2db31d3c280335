"""mtcnn.py: facenet_pytorch's networks to the bit, and its weights without its imports."""

from __future__ import annotations

import importlib.util

import facenet_pytorch
import pytest
import torch
from torch import nn

from dfexplain import mtcnn
from dfexplain.errors import SettingError


def reference() -> facenet_pytorch.MTCNN:
    return facenet_pytorch.MTCNN(keep_all=True).eval()


@pytest.mark.parametrize(("place", "side"), [(1, 24), (2, 48)])
def test_the_networks_say_what_those_of_the_package_say(place: int, side: int) -> None:
    theirs = reference()
    wanted: nn.Module = (theirs.pnet, theirs.rnet, theirs.onet)[place]
    wanted.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    own = mtcnn.load(torch.device("cpu"))[place]
    crops = torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.inference_mode():
        for one, other in zip(own(crops), wanted(crops), strict=True):
            assert one.std() > 0
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_all_tensors_and_thresholds_are_those_of_the_package() -> None:
    theirs = reference()
    assert tuple(theirs.thresholds) == mtcnn.THRESHOLDS
    networks = mtcnn.load(torch.device("cpu"))
    for own, wanted in zip(networks, (theirs.pnet, theirs.rnet, theirs.onet), strict=True):
        state = wanted.state_dict()
        assert own.state_dict().keys() == state.keys()
        for name, tensor in own.state_dict().items():
            torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)
        assert not own.training


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"facenet-pytorch must be installed.*requirements\.txt"):
        mtcnn.load(torch.device("cpu"))
