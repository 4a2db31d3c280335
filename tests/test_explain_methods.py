"""explain.methods: every method finds planted evidence, keeps its scale, and repeats itself.

G1, G2, N2.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import perturbation
from dfexplain.explain.cover import variants
from dfexplain.explain.methods import METHODS, maps
from dfexplain.models import FrameModel, ModelConfig, build
from tests.test_engine import engine

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

SIDE = 64
RED, GREEN = (230, 40, 40), (40, 230, 40)
# Rows and columns of what decides, and of what the models see as well and make nothing of.
PATCH = (slice(32, 48), slice(16, 32))
DISTRACTION = (slice(0, 32), slice(32, 64))
# Fooled by what stands out and does not count, each for its reason.
LOOK_ELSEWHERE = {
    "eigen_cam": "shows the strongest pattern of the maps, and never asks the head about it",
    "attention_rollout": "shows which patches were mixed, and not what was made of them",
}
COLOURS = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])  # red and green, 0 for greys


@cache
def planted(frames: int = 1) -> Engine:
    """A frame model with two channels: how red and how green each block of 8 px is. Its head and
    its mask head read red alone."""
    config = ModelConfig(
        backbone="mobilenetv3_small_100",
        crop_px=SIDE,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        clip_frames=frames,
        mask_head=True,
    )
    running = engine(config)
    model = running.model
    assert isinstance(model, FrameModel)
    colours, head, mask = nn.Conv2d(3, 2, 8, stride=8), nn.Linear(2, 1), nn.Conv2d(2, 1, 1)
    with torch.no_grad():
        colours.weight[:] = COLOURS[:, :, None, None] / 64
        colours.bias.fill_(-0.2)
        head.weight[:] = torch.tensor([[80.0, 0.0]])
        head.bias.fill_(-1.0)
        mask.weight[:] = torch.tensor([20.0, 0.0]).view(1, 2, 1, 1)
        mask.bias.fill_(-6.0)
    model.backbone = nn.Sequential(nn.Sequential(colours, nn.ReLU()))
    model.head, model.mask, model.width = head, mask, 2
    model.eval().requires_grad_(False)
    return running


@cache
def attentive(frames: int = 1) -> Engine:
    """A ViT whose tokens say how red and how green their patch is. All attend to both colours, most
    to green, add nothing of what they see, and the head reads red alone."""
    config = ModelConfig(
        backbone="vit_tiny_patch16_224",
        crop_px=SIDE,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        clip_frames=frames,
    )
    with torch.device("meta"):
        names = build(config).state_dict()
    state = {name: torch.zeros(value.shape) for name, value in names.items()}
    for name, value in state.items():
        if "norm" in name and name.endswith("weight"):
            value.fill_(1.0)
        if name.endswith("attn.qkv.bias"):
            value[0:192:64] = 1.0  # the first number of each head's query
        if name.endswith("attn.qkv.weight"):
            value[192:384:64, :2] = torch.tensor([3.0, 4.0])  # and of each head's key
    state["backbone.patch_embed.proj.weight"][:2] = COLOURS[:, :, None, None] / 256
    state["backbone.patch_embed.proj.bias"][2] = 1.0  # or a layer norm makes much of little
    state["head.weight"][0, 0] = 1.0
    return Engine(config, state)


def crop(*patches: str, seed: int = 0) -> Image:
    """Grey with some grain, and a red patch, a green one or both on it."""
    grain = np.random.default_rng(seed).integers(-25, 26, (SIDE, SIDE, 1))
    picture = np.repeat(120 + grain, 3, axis=2).astype(np.uint8)
    if "green" in patches:
        picture[DISTRACTION] = GREEN
    if "red" in patches:
        picture[PATCH] = RED
    return picture


def model_for(method: str, frames: int = 1) -> Engine:
    return attentive(frames) if method == "attention_rollout" else planted(frames)


def drawn(method: str, *crops: Image) -> Array:
    """The maps (N, h, w) of crops, each for itself."""
    return maps(model_for(method), np.stack(crops)[:, None], method)[:, 0]


def points_at_the_patch(values: Array) -> bool:
    """Whether the middle of the map's highest cell lies in PATCH."""
    cell = np.unravel_index(values.argmax(), values.shape)
    y, x = (int((k + 0.5) * SIDE / n) for k, n in zip(cell, values.shape, strict=True))
    return all(side.start <= at < side.stop for at, side in zip((y, x), PATCH, strict=True))


def test_the_planted_patch_alone_decides() -> None:
    for running in (planted(), attentive()):
        pictures = np.stack([crop(), crop("green"), crop("red"), crop("red", "green")])
        plain, green, red, both = running.run(pictures).logit
        assert abs(green - plain) < 0.05 * (red - plain)
        assert both > green + 0.9 * (red - plain)


@cache
def scenes(method: str) -> dict[str, Array]:
    """The map (h, w) of each scene."""
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    pictures = {
        "red": crop("red"),
        "red beside green": crop("red", "green"),
        "grey": crop(),
        "noise": noise,
        "black": np.zeros_like(noise),
    }
    return dict(zip(pictures, drawn(method, *pictures.values()), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_patch_that_decides(method: str) -> None:
    seen = scenes(method)
    assert points_at_the_patch(seen["red"])
    assert points_at_the_patch(seen["red beside green"]) == (method not in LOOK_ELSEWHERE)


@pytest.mark.parametrize("method", METHODS)
def test_without_evidence_a_map_is_blank_on_the_scale_of_one_with(method: str) -> None:
    seen = scenes(method)
    for name in ("grey", "noise", "black"):
        assert np.abs(seen[name]).max() < 0.1 * seen["red"].max(), name


@pytest.mark.parametrize("method", [name for name, each in METHODS.items() if not each.signed])
def test_an_unsigned_map_is_nowhere_below_zero(method: str) -> None:
    assert min(values.min() for values in scenes(method).values()) >= 0.0


@pytest.mark.parametrize("method", METHODS)
def test_the_same_clips_give_the_same_bytes_whatever_stands_beside_them(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perturbation, "RISE_MASKS", 20)
    monkeypatch.setattr(perturbation, "SHAP_ORDERS", 1)
    pictures = [crop("red"), crop("red", "green", seed=2)]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    together = drawn(method, *pictures)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert drawn(method, *pictures).tobytes() == together.tobytes()
    np.testing.assert_allclose(drawn(method, pictures[1])[0], together[1], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_runs_the_model_as_often_as_it_says(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = model_for(method, frames=2)
    passes: list[int] = []
    # Of the class: rollout runs a copy of the backbone.
    kind = type(running.model.backbone)
    name = "forward_features" if method == "attention_rollout" else "forward"
    forward = getattr(kind, name)

    def counted(module: nn.Module, pictures: Tensor) -> Tensor:
        passes.append(len(pictures))
        result: Tensor = forward(module, pictures)
        return result

    clip = np.stack([crop(), crop("red")])
    running.logits(clip[None])
    monkeypatch.setattr(kind, name, counted)
    # Clips run one at a time, two crops each; a Sequential in the other is seen twice.
    values = maps(running, clip[None], method)
    outer = 1 if method == "attention_rollout" else 2
    assert sum(passes) == METHODS[method].passes * 2 * outer
    # Only the frame with the patch has evidence.
    assert points_at_the_patch(values[0, 1])
    assert np.abs(values[0, 0]).max() < 0.1 * values[0, 1].max()


def test_occlusion_is_the_fall_of_the_score() -> None:
    """One window alone lies over a corner of the grid, and over no other corner."""
    running, clip = planted(), crop("red")[None]
    clip[0, :16, :16] = RED
    cells = np.ones((perturbation.OCCLUSION_GRID,) * 2, np.float32)
    cells[:2, :2] = 0.0
    shown = cv2.resize(cells, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)[None]
    fall = running.logits(clip[None]) - running.logits(variants(clip, 1.0 - shown))
    assert fall[0, 0] > 0.1
    values = maps(running, clip[None], "occlusion")[0, 0]
    np.testing.assert_allclose(values[0, 0], fall[0, 0], atol=1e-5)
    assert abs(values[-1, -1]) < 1e-5


def test_shapley_values_add_up_to_what_blurring_all_of_it_takes_away() -> None:
    running, clip = planted(), crop("red")[None]
    blurred = variants(clip, np.ones((1, SIDE, SIDE), np.float32))
    wanted = running.logits(clip[None]) - running.logits(blurred)
    values = maps(running, clip[None], "shap")[0, 0]
    np.testing.assert_allclose(values.mean(), wanted[0, 0], rtol=1e-4)


def test_rollout_is_the_product_of_attentions() -> None:
    """Against the attention that timm keeps when it is told not to fuse it."""
    config = ModelConfig("pooled", "deit_tiny_patch16_224", 32, clip_frames=2, embed_dim=16)
    running = engine(config)
    clip = np.random.default_rng(0).integers(0, 256, (1, 2, 32, 32, 3), dtype=np.uint8)
    product = torch.eye(5)

    def multiply(_module: nn.Module, _inputs: object, attention: Tensor) -> None:
        nonlocal product
        product = (attention.mean(dim=1) + torch.eye(5)) / 2 @ product

    hooks = []
    for block in running.model.backbone.blocks:
        block.attn.fused_attn = False
        hooks.append(block.attn.attn_drop.register_forward_hook(multiply))
    running.run_clip(clip[0])
    for hook in hooks:
        hook.remove()
    shares = product[:, 1:, 1:].mean(dim=1)
    wanted = (4 * shares / shares.sum(dim=1, keepdim=True) - 1).clamp(min=0).reshape(1, 2, 2, 2)
    values = maps(running, clip, "attention_rollout")
    assert values.max() > 1e-4
    np.testing.assert_allclose(values, wanted.numpy(), atol=1e-6)


def test_what_does_not_apply_is_refused_in_words() -> None:
    clips = crop()[None, None]
    with pytest.raises(SettingError, match=r"method must be one of grad_cam, .* but got 'mask_hea"):
        maps(attentive(), clips, "mask_head")
    with pytest.raises(ValueError, match=r"clips must be \(V, 1, 64, 64, 3\)"):
        maps(planted(), clips[0], "grad_cam")
    with pytest.raises(ValueError, match="V of 1 or more"):
        maps(planted(), clips[:0], "grad_cam")


def test_methods_say_what_they_are() -> None:
    assert all(name == method.name for name, method in METHODS.items())
    assert set(LOOK_ELSEWHERE) < set(METHODS)
    for method in METHODS.values():
        assert method.note.endswith(".")
        assert ". " not in method.note
