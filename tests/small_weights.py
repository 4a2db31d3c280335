"""Small weights with random numbers, and files of a weights folder altered on purpose."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors.torch
import torch

from dfexplain import calibration as calibrations
from dfexplain import evaluation as evaluations
from dfexplain import hub
from dfexplain.models import ModelConfig, build
from dfexplain.structures import Calibration, NeighbourIndex
from tests.calibrations import make_evaluation as evaluation
from train import card as cards
from train import card_data
from train.records import VideoRecord

__all__ = [
    "CONFIG",
    "altered_header",
    "calibration",
    "card",
    "evaluation",
    "files_of",
    "heatmaps",
    "neighbours",
    "publishable",
    "sealed",
    "state",
    "write",
]

CONFIG = ModelConfig(backbone="mobilenetv3_small_100", crop_px=64)


@lru_cache
def state(seed: int = 0) -> Mapping[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MappingProxyType(build(CONFIG).state_dict())


def calibration(max_distance: float | None = None) -> Calibration:
    """A calibration of made-up scores, not yet bound to weights."""
    random = np.random.default_rng(0)
    labels = np.arange(120) % 2
    return calibrations.fit(
        random.normal(size=120) + 2.0 * labels,
        labels,
        np.arange(120) // 4,
        measured_on="made-up scores",
        weights_sha256="",
        min_face_px=40.0,
        max_distance=max_distance,
    )


def card(measured: Calibration, terms: str = "made for the tests") -> str:
    """A whole model card of weights that were trained on labelled videos."""
    videos = [VideoRecord(f"{i}.mp4", i % 2, "made", method="swap" * (i % 2)) for i in range(6)]
    return cards.write(
        config=CONFIG,
        calibration=measured,
        subject=card_data.videos(videos[:4], videos[4:], {"made": terms}),
        trained=cards.Trained("small", 1, "name: small", (0.75, 0.6, 0.9), 40),
        slices={"forgery": [cards.Slice("swap", 60, 0.9, None)]},
        unscored=0,
        size_bytes=1_000_000,
    )


def publishable(folder: Path, seed: int = 0, calibrated: bool = True) -> Path:
    """Write a weights folder that may be published."""
    measured = calibration()
    hub.save(
        folder,
        config=CONFIG,
        state=state(seed),
        heat_scale=1.0,
        card=card(measured),
        calibration=measured if calibrated else None,
    )
    return folder


def heatmaps(folder: Path, gain: float, low: float, high: float) -> dict[str, object]:
    """The content of a heatmaps.json for a weights folder."""
    return {
        "weights_sha256": json.loads((folder / "config.json").read_text())["sha256"],
        "gain": gain,
        "gain_interval": [low, high],
        "cover": "blur",
        "measured_on": "made-up crops",
        "method": "grad_cam",
        "scales": {"grad_cam": 1.0, "occlusion": 0.25},
        "tables": evaluations.to_dict(evaluation())["tables"],
    }


def neighbours(width: int = 576) -> NeighbourIndex:
    """An index of six crops, each near to its own axis of feature space."""
    random = np.random.default_rng(0)
    features = 0.01 * random.random((6, width))
    features[np.arange(6), np.arange(6)] = 1.0
    return NeighbourIndex(
        features.astype(np.float16),
        (np.arange(6) % 2).astype(np.uint8),
        random.integers(0, 256, (6, 48, 48, 3), dtype=np.uint8),
    )


def out_of_distribution(width: int = 576) -> hub.OutOfDistribution:
    random = np.random.default_rng(0)
    return hub.OutOfDistribution(
        mean=random.normal(size=width).astype(np.float32),
        components=random.normal(size=(3, width)).astype(np.float32),
        variances=np.array([3.0, 2.0, 1.0], np.float32),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def sealed(files: dict[str, bytes], model: bytes) -> dict[str, bytes]:
    """The files with another model.safetensors, and config.json vouching for it."""
    config = json.loads(files["config.json"]) | {"sha256": hashlib.sha256(model).hexdigest()}
    # What was measured with the first weights does not belong to these.
    kept = {name: data for name, data in files.items() if name in ("config.json", "README.md")}
    return kept | {"model.safetensors": model, "config.json": json.dumps(config).encode()}


def altered_header(model: bytes, old: str, new: str) -> bytes:
    """The safetensors file with the first `old` in the text of its header replaced."""
    length = int.from_bytes(model[:8], "little")
    header = model[8 : 8 + length].decode()
    assert old in header
    text = header.replace(old, new, 1).encode()
    return len(text).to_bytes(8, "little") + text + model[8 + length :]


def altered_tensors(model: bytes, **changes: Any) -> bytes:
    """The safetensors file with tensors replaced; a key is written with `__` for its dots."""
    tensors = safetensors.torch.load(model)
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    return safetensors.torch.save(tensors, metadata={"format": "pt"})
