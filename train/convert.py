"""Old checkpoints (best.pt, best.ckpt, best_model.pth) to the state of a known model.

They are pickles, so they are read here only and by `torch.load(weights_only=True)`, which makes
tensors and plain containers and nothing else. What does not fit is said. Only what lies beside the
model in a wrapper of it, such as the weight of a loss in a Lightning module, is left out.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dfexplain.errors import SettingError, WeightsRefused
from dfexplain.models import ModelConfig, build
from dfexplain.models.config import ARCHITECTURE_NAMES, BACKBONES, LEAST_FRAMES, POOLINGS

__all__ = ["Converted", "convert", "infer", "open_checkpoint"]

# Where training programs put the state, ours first.
_KEYS = ("averaged", "state_dict", "model_state_dict", "model", "net", "ema", "weights")
# What wrappers put before each key: DDP, Lightning modules, torch.compile.
_PREFIXES = ("", "module.", "model.", "net.", "_orig_mod.", "module.model.", "model.module.")
# What timm and torchvision call the last layer of a plain classifier.
_CLASSIFIERS = ("classifier", "fc", "head", "head.fc", "classifier.1")
# Sequence models judge clips of the length that the seed documents trained them on.
_CLIP_FRAMES = 16

Shapes = Mapping[str, tuple[torch.Size, torch.dtype]]


class Converted(NamedTuple):
    """A model's settings and its state, ready for `hub.save`."""

    config: ModelConfig
    state: dict[str, Tensor]


def convert(path: Path, config: ModelConfig | None = None) -> dict[str, Tensor]:
    """The state in a checkpoint, with the keys, shapes and dtypes of the model that `config` names.

    See `open_checkpoint`, which tells the config, too.
    """
    return open_checkpoint(path, config).state


def open_checkpoint(path: Path, config: ModelConfig | None = None) -> Converted:
    """Read a checkpoint as the model that `config` names; without it, as the one it says it is, or
    else the one whose keys and shapes it has (`infer`).

    A classifier with two outputs on a plain backbone becomes one logit, fake (1) minus real (0).
    Raises WeightsRefused for a file that is no plain checkpoint or does not fit, with the first
    three keys that are missing, unexpected or of another shape.
    """
    content = _load(path)
    tensors = _tensors(content, path)
    if config is None and isinstance(content.get("config"), dict):
        try:
            config = ModelConfig.from_dict(content["config"])
        except SettingError:
            config = None  # the settings of another program
    if config is None:
        config = infer(tensors, path.name)
    expected = _expected(config)
    variants = list(_variants(tensors, config))
    best = min(variants, key=lambda variant: len(_misfits(variant, expected)))
    if misfits := _misfits(best, expected):
        raise WeightsRefused(
            f"{path.name} must hold the state of {config.label}, but got {len(misfits)} that do "
            f"not fit: {'; '.join(misfits[:3])}. Name the model that it is of."
        )
    state = {key: best[key].to(dtype).contiguous() for key, (_, dtype) in expected.items()}
    return Converted(config, state)


def infer(tensors: Mapping[str, Tensor], name: str = "the checkpoint") -> ModelConfig:
    """The registered model whose keys and shapes these tensors have.

    How crops are cut, and how many frames a clip has, no tensor tells: those are the defaults.
    Raises WeightsRefused where there is none.
    """
    for config in _candidates(tensors):
        expected = _expected(config)
        for variant in _variants(tensors, config):
            if not _misfits(variant, expected):
                return config
    shown = ", ".join(repr(key) for key in list(tensors)[:3])
    raise WeightsRefused(
        f"{name} must hold the state of a known architecture, but got {len(tensors)} tensors like "
        f"{shown:.200}. Name the model that it is of."
    )


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsRefused(f"checkpoint must be a file, but got '{path}'. Check the path.")
    try:
        with warnings.catch_warnings():
            # Of a pickle that torch did not write; whether it can be read is seen below.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise WeightsRefused(
            f"{path.name} must hold plain tensors, but torch.load(weights_only=True) refuses it "
            f"({type(error).__name__}). Ask its author for the state_dict alone."
        ) from error
    if not isinstance(content, dict):
        raise WeightsRefused(
            f"{path.name} must hold a dictionary of tensors, but got {type(content).__name__}. "
            "Ask its author for the state_dict alone."
        )
    return content


def _tensors(content: dict[str, Any], path: Path) -> dict[str, Tensor]:
    inner = (content.get(key) for key in _KEYS)
    for place in (content, *(value for value in inner if isinstance(value, dict))):
        if place and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in place.items()):
            return dict(place)
    raise WeightsRefused(
        f"{path.name} must hold a state under {', '.join(_KEYS)} or by itself, but got the keys "
        f"{', '.join(map(str, list(content)[:5]))!r:.200}."
    )


def _variants(tensors: Mapping[str, Tensor], config: ModelConfig) -> Iterator[dict[str, Tensor]]:
    """The tensors under each reading of their names."""
    for prefix in _PREFIXES:
        named = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if not named:
            continue
        yield named
        if config.architecture == "frame":
            yield from _plain_classifiers(named)


def _plain_classifiers(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """A backbone with one linear layer of one or two outputs, as a `frame` model."""
    for name in _CLASSIFIERS:
        weight, bias = tensors.get(f"{name}.weight"), tensors.get(f"{name}.bias")
        if weight is None or bias is None or weight.ndim != 2 or weight.shape[0] not in (1, 2):
            continue
        rest = {k: v for k, v in tensors.items() if not k.startswith(f"{name}.")}
        if len(weight) == 2:
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        yield {f"backbone.{k}": v for k, v in rest.items()} | {
            "head.weight": weight,
            "head.bias": bias,
        }


def _misfits(tensors: Mapping[str, Tensor], expected: Shapes) -> list[str]:
    lines = [f"missing {key!r}" for key in expected if key not in tensors]
    lines += [f"unexpected {key!r:.80}" for key in tensors if key not in expected]
    return lines + [
        f"{key!r} is {tuple(tensors[key].shape)} instead of {tuple(shape)}"
        for key, (shape, _) in expected.items()
        if key in tensors and tensors[key].shape != shape
    ]


@lru_cache(maxsize=64)
def _expected(config: ModelConfig) -> Shapes:
    with torch.device("meta"):
        model = build(config)
    return {key: (tensor.shape, tensor.dtype) for key, tensor in model.state_dict().items()}


def _candidates(tensors: Mapping[str, Tensor]) -> Iterator[ModelConfig]:
    """Every registered model that is worth a comparison, the quick ones to build first."""
    widths = [t.shape[-1] for key, t in tensors.items() if key.endswith("classifier.weight")]
    for name in ARCHITECTURE_NAMES:
        if name in ("frame", "pooled"):
            continue
        frames = 1 if name in ("simple_cnn", "deepfake_mobilenet") else _CLIP_FRAMES
        config = ModelConfig(architecture=name, clip_frames=max(frames, LEAST_FRAMES.get(name, 1)))
        yield config
        if name == "resnet_rnn":
            yield from (replace(config, embed_dim=w) for w in widths if _can_be_embed_dim(w))
    keys = " ".join(tensors)
    for backbone in BACKBONES:
        frame = ModelConfig(backbone=backbone)
        if "pooling." not in keys:
            yield frame
            continue
        heads = [t.shape[-1] for key, t in tensors.items() if key.endswith("head.weight")]
        for pooling in POOLINGS:
            for size in heads:
                if _can_be_embed_dim(size):
                    yield replace(
                        frame,
                        architecture="pooled",
                        pooling=pooling,
                        embed_dim=size,
                        clip_frames=_CLIP_FRAMES,
                    )


def _can_be_embed_dim(size: int) -> bool:
    return 16 <= size <= 2048 and size % 16 == 0
