"""explain.methods: which methods each architecture is offered, and that the closed form is right
for all of them. G1, G2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dfexplain.engine import Engine
from dfexplain.explain import perturbation
from dfexplain.explain.cams import library_maps
from dfexplain.explain.methods import available, maps
from dfexplain.models import ARCHITECTURES, ModelConfig, build


def filled(config: ModelConfig) -> Engine:
    """Random weights, drawn at once: to build a large network as usual takes seconds."""
    with torch.device("meta"):
        state = build(config).state_dict()
    random = torch.Generator().manual_seed(0)
    for name, value in state.items():
        if value.ndim > 1:
            spread = (value.shape[0] / value.numel()) ** 0.5
            state[name] = torch.empty(value.shape).normal_(0.0, spread, generator=random)
        else:
            fill = 0 if name.endswith(("bias", "running_mean", "num_batches_tracked")) else 1
            state[name] = torch.full(value.shape, fill, dtype=value.dtype)
    return Engine(config, state)


POOLED = ModelConfig("pooled", "mobilenetv3_small_100", 64, embed_dim=16, clip_frames=2)
CLIP = ModelConfig(crop_px=32, clip_frames=2)
PERTURBATION = {"occlusion", "rise", "shap"}
CAMS = {"grad_cam", "grad_cam_pp", "hires_cam", "layer_cam", "eigen_cam"}
OF_NORMED = CAMS - {"grad_cam_pp", "layer_cam"}
# Every architecture with the maps that it is offered beside those that need scores alone.
OFFERED = {
    "frame": (replace(CLIP, mask_head=True, clip_frames=1), {*CAMS, "mask_head"}),
    "frame of convnext": (ModelConfig(backbone="convnext_tiny", crop_px=32), OF_NORMED),
    "pooled": (replace(POOLED, pooling="attention"), CAMS),
    "pooled, divided": (replace(POOLED, pooling="divided"), CAMS),
    "pooled of tokens": (
        replace(POOLED, backbone="vit_tiny_patch16_224", pooling="lstm"),
        {*OF_NORMED, "attention_rollout"},
    ),
    **{
        name: (replace(CLIP, architecture=name), CAMS)
        for name in ("simple_cnn", "resnet18_mean", "efficientnet_b0_lstm", "resnet_rnn", "r3d_18")
    },
    "deepfake_mobilenet": (ModelConfig("deepfake_mobilenet", crop_px=64), CAMS),
    "s3d": (replace(CLIP, architecture="s3d", clip_frames=8), CAMS),
    "mvit_v2_s": (replace(CLIP, architecture="mvit_v2_s"), OF_NORMED),
    "swin3d_t": (replace(CLIP, architecture="swin3d_t"), OF_NORMED),
}


@pytest.mark.parametrize("name", OFFERED)
def test_every_architecture_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, offered = OFFERED[name]
    running = filled(config)
    assert set(available(running)) == offered | PERTURBATION
    for constant, few in {"OCCLUSION_GRID": 2, "SHAP_GRID": 1, "SHAP_ORDERS": 1}.items():
        monkeypatch.setattr(perturbation, constant, few)
    monkeypatch.setattr(perturbation, "RISE_MASKS", 2)
    shape = (1, config.clip_frames, config.crop_px, config.crop_px, 3)
    clips = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    # Those of scores alone know nothing of what is inside: a few networks stand for all.
    drawn_here = offered | (PERTURBATION if name in ("pooled", "simple_cnn", "r3d_18") else set())
    found = {method: maps(running, clips, method) for method in drawn_here}
    for values in found.values():
        assert values.shape[:2] == shape[:2]
        assert values.ndim == 4
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    evidence = found["grad_cam"]
    closely = 1e-4 * np.abs(evidence).max()
    assert closely > 0.0
    np.testing.assert_allclose(found["hires_cam"], evidence, atol=closely)
    if config.pooling != "divided":  # the others pool over places first: all gradients are alike
        library = library_maps(running, clips, "grad_cam")
        np.testing.assert_allclose(library, evidence, atol=closely)


def test_all_architectures_are_here() -> None:
    assert {config.architecture for config, _ in OFFERED.values()} == set(ARCHITECTURES)
