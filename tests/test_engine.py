"""engine.py and models: the same numbers whatever the batch; evidence sums to the logit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dfexplain.engine import BATCH, Engine
from dfexplain.errors import SettingError
from dfexplain.models import FrameModel, ModelConfig, build
from dfexplain.models.config import BACKBONES
from dfexplain.models.frame import EVERYWHERE

SMALL = ModelConfig(backbone="resnet18", crop_px=64)


def engine(config: ModelConfig = SMALL) -> Engine:
    torch.manual_seed(0)
    return Engine(config, build(config).state_dict())


def crops(rows: int, size: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(rows).integers(0, 256, (rows, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("backbone", BACKBONES[:4])
def test_mean_evidence_plus_bias_is_the_logit(backbone: str) -> None:
    running = engine(ModelConfig(backbone=backbone, crop_px=64))
    output = running.run(crops(3))
    assert isinstance(running.model, FrameModel)
    bias = float(running.model.head.bias[0])
    np.testing.assert_allclose(output.evidence.mean(axis=(1, 2)) + bias, output.logit, atol=1e-5)
    assert output.features.shape == (3, running.model.head.in_features)


def test_a_row_does_not_depend_on_its_batch() -> None:
    running, pictures = engine(), crops(2 * BATCH + 3)
    whole = running.run(pictures)
    parts = [running.run(pictures[i : i + 5]) for i in range(0, len(pictures), 5)]
    np.testing.assert_allclose(np.concatenate([p.logit for p in parts]), whole.logit, atol=1e-6)
    np.testing.assert_array_equal(running.run(pictures).logit, whole.logit)


def test_grey_levels_become_the_numbers_of_the_formula() -> None:
    running = engine(replace(SMALL, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)))
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    pixels = torch.from_numpy(levels).permute(0, 3, 1, 2)
    told = running.normalise(levels[:, :, ::-1])  # whose memory runs backwards
    assert torch.equal(told, running.standardised(pixels.float()).flip(3))
    assert told.is_contiguous(memory_format=torch.channels_last)


def test_a_mask_head_says_where_and_changes_no_score() -> None:
    plain, pictures = engine(), crops(2 * BATCH + 3)
    model = build(replace(SMALL, mask_head=True)).eval()
    model.load_state_dict(plain.model.state_dict(), strict=False)
    assert isinstance(model, FrameModel)
    assert model.mask is not None
    running = Engine(model.config, model.state_dict())
    output, without = running.run(pictures), plain.run(pictures)
    np.testing.assert_array_equal(output.logit, without.logit)
    assert without.mask is None
    assert output.mask is not None
    assert output.mask.shape == output.evidence.shape
    with torch.inference_mode():
        maps = model.encode(running.normalise(pictures).unsqueeze(1)).flatten(0, 1)
        cells = torch.einsum("ndhw,d->nhw", maps, model.mask.weight[0, :, 0, 0]) + model.mask.bias
    np.testing.assert_allclose(output.mask, cells.sigmoid().numpy(), atol=1e-5)
    empty = running.run(pictures[:0])
    assert empty.mask is not None
    assert len(empty.mask) == 0
    with pytest.raises(SettingError, match="mask_head must be false for simple_cnn"):
        ModelConfig(architecture="simple_cnn", mask_head=True)


def test_no_crops_give_no_rows() -> None:
    output = engine().run(np.zeros((0, 64, 64, 3), np.uint8))
    assert len(output.logit) == len(output.evidence) == len(output.features) == 0


def test_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(N, 64, 64, 3\)"):
        engine().run(crops(1, size=32))


def test_pooling_by_the_mask_judges_by_the_masked_places() -> None:
    torch.manual_seed(0)
    config = replace(SMALL, mask_head=True, pooling="mask")
    model = build(config).eval()
    assert isinstance(model, FrameModel)
    assert model.mask is not None
    nn.init.normal_(model.mask.weight, std=0.5)
    pictures, running = crops(3), Engine(config, model.state_dict())
    output = running.run(pictures)
    with torch.inference_mode():
        clips = running.normalise(pictures).unsqueeze(1)
        maps = model.encode(clips).flatten(0, 1)
        cells = model.mask(maps).sigmoid() + EVERYWHERE
        pooled = (maps * cells).sum(dim=(2, 3)) / cells.sum(dim=(2, 3))
        wanted = model.head(pooled).squeeze(1)
        logits, _ = model(clips)
    np.testing.assert_allclose(output.logit, wanted.numpy(), atol=1e-5)
    np.testing.assert_allclose(output.logit, logits.numpy(), atol=1e-5)
    bias = float(model.head.bias[0].detach())
    np.testing.assert_allclose(output.evidence.mean(axis=(1, 2)) + bias, output.logit, atol=1e-5)
    plain = Engine(replace(config, pooling="mean"), model.state_dict()).run(pictures)
    assert np.abs(plain.logit - output.logit).max() > 1e-4
    np.testing.assert_allclose(output.mask, plain.mask, atol=1e-6)
    with pytest.raises(SettingError, match="pooling must be another than mask without"):
        replace(SMALL, pooling="mask")


def test_variants_of_a_clip_are_scored_as_it_is() -> None:
    pictures = crops(6)
    np.testing.assert_array_equal(
        engine().logits(pictures[:, None])[:, 0], engine().run(pictures).logit
    )
    clips = engine(ModelConfig(architecture="resnet18_mean", crop_px=64, clip_frames=3))
    both = clips.logits(np.stack([pictures[:3], pictures[3:]]))
    np.testing.assert_array_equal(both[1], clips.run_clip(pictures[3:]).logit)
    with pytest.raises(ValueError, match=r"clips must be \(V, 3, S, S, 3\)"):
        clips.logits(pictures[:, None])


def test_a_clip_scores_the_mean_of_its_frames() -> None:
    model = build(SMALL).eval()
    clips = torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, frames = model(clips)
    assert logits.shape == (2,)
    assert frames.shape == (2, 3)
    torch.testing.assert_close(frames.mean(dim=1), logits)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backbone", "hf-hub:org/name"),
        ("backbone", "local-dir:/etc"),
        ("crop_px", 4096),
        ("crop_px", True),
        ("crop_margin", -0.1),
        ("mean", [0.5, 0.5]),
        ("std", [0.0, 1.0, 1.0]),
        ("dropout", "0.2"),
        ("architecture", "unknown"),
    ],
)
def test_hostile_config_values_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(SettingError, match=key):
        ModelConfig.from_dict({**ModelConfig().to_dict(), key: value})


def test_config_round_trip() -> None:
    config = ModelConfig(crop_px=160, crop_margin=0.05)
    assert ModelConfig.from_dict(config.to_dict()) == config
