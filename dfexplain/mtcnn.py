"""MTCNN's three networks with the weights that facenet-pytorch ships, without importing it.

Its import brings torchvision, a second in each process that looks for faces. The layers are those
of Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", SPL 2016, fig. 2; `tests/test_mtcnn.py` holds their numbers against the package's. Of two
classes the second is "face".
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from dfexplain.errors import SettingError

__all__ = ["THRESHOLDS", "ONet", "PNet", "RNet", "load"]

# The least confidence after each network, facenet-pytorch's defaults.
THRESHOLDS = (0.6, 0.7, 0.7)
_PACKAGE = "facenet_pytorch"


class PNet(nn.Module):
    """Proposes: its layers only, which `cascade` arranges in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)


class RNet(nn.Module):
    """Refines."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Crops (N, 3, 24, 24) in -1..1 to shifts (N, 4) in shares of a side, classes (N, 2)."""
        maps = self.pool(self.prelu1(self.conv1(crops)))
        maps = self.pool(self.prelu2(self.conv2(maps)))
        hidden = self.prelu4(self.dense4(_flat(self.prelu3(self.conv3(maps)))))
        return self.dense5_2(hidden), self.dense5_1(hidden).softmax(1)


class ONet(nn.Module):
    """Has the last word."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2 = nn.Linear(256, 2), nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.last_pool = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Crops (N, 3, 48, 48) in -1..1 to shifts (N, 4), five points (N, 10), first their x, in
        shares of a side, and classes (N, 2)."""
        maps = self.pool(self.prelu1(self.conv1(crops)))
        maps = self.pool(self.prelu2(self.conv2(maps)))
        maps = self.last_pool(self.prelu3(self.conv3(maps)))
        hidden = self.prelu5(self.dense5(_flat(self.prelu4(self.conv4(maps)))))
        return self.dense6_2(hidden), self.dense6_3(hidden), self.dense6_1(hidden).softmax(1)


def _flat(maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N, W * H * C): columns first, as the weights were learnt."""
    return maps.permute(0, 3, 2, 1).flatten(1)


def load(device: torch.device) -> tuple[PNet, RNet, ONet]:
    """The three, for evaluation, channels last: pooling is a third of the cost and 2 to 4 times
    faster so. Raises SettingError where facenet-pytorch is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise SettingError(
            "facenet-pytorch must be installed, for its weights find the faces, but it is not. "
            "Install requirements.txt."
        )
    data = Path(found.origin).parent / "data"
    networks = PNet(), RNet(), ONet()
    for network, name in zip(networks, ("pnet", "rnet", "onet"), strict=True):
        # The package's own file, and plain tensors all the same.
        state = torch.load(data / f"{name}.pt", map_location="cpu", weights_only=True)
        network.load_state_dict(state)
        network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    return networks
