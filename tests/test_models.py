"""models: counts of the seeds, one interface for all, evidence in logits (C1 to C10, C13, I11)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dfexplain.models import (
    ARCHITECTURES,
    DeepFakeMobileNet,
    ModelConfig,
    VideoModel,
    build,
    parameter_table,
    parameter_text,
    size_of,
)
from dfexplain.models.blocks import DividedBlock, positions
from dfexplain.models.config import ARCHITECTURE_NAMES, BACKBONES, LEAST_FRAMES, POOLINGS

POOLED = ModelConfig("pooled", "mobilenetv3_small_100", 64, embed_dim=32, clip_frames=4)
# Everything that is quick to run on a CPU.
QUICK = {
    "frame": ModelConfig(backbone="mobilenetv3_small_100", crop_px=64),
    "frame, cut": ModelConfig(crop_px=64, stages=5),
    "frame of torchvision": ModelConfig(backbone="tv_mobilenet_v3_small", crop_px=64),
    "frame of tokens": ModelConfig(backbone="vit_tiny_patch16_224", crop_px=64),
    **{name: replace(POOLED, pooling=name) for name in POOLINGS},
    **{
        name: ModelConfig(name, crop_px=64, clip_frames=4)
        for name in ("simple_cnn", "resnet18_mean", "efficientnet_b0_lstm", "deepfake_mobilenet")
    },
    "s3d": ModelConfig("s3d", crop_px=32, clip_frames=8),
    "swin3d_t": ModelConfig("swin3d_t", crop_px=33, clip_frames=3),
}
INDEPENDENT = {"frame", "frame, cut", "frame of torchvision", "frame of tokens", "simple_cnn"}


def model_of(config: ModelConfig, seed: int = 0) -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(config).eval()


def clips_of(config: ModelConfig, batch: int = 2, frames: int | None = None) -> Tensor:
    size = (batch, frames or config.clip_frames, 3, config.crop_px, config.crop_px)
    return torch.randn(size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("simple_cnn", 422_530), ("resnet18_mean", 11_603_650), ("efficientnet_b0_lstm", 5_619_966)],
)
def test_the_three_models_of_seed_3_have_its_counts(name: str, parameters: int) -> None:
    (row,) = parameter_table({name: ModelConfig(name)})
    assert (row.parameters, row.trainable) == (parameters, parameters)


def test_the_table_has_a_line_for_every_architecture() -> None:
    rows = parameter_table()
    text = parameter_text(rows).splitlines()
    assert len(text) == len(rows) + 1
    assert {row.name.split()[0] for row in rows} >= set(ARCHITECTURES) - {"pooled"}
    assert {f"efficientnet_b0 (pooled, {p})" for p in POOLINGS} <= {row.name for row in rows}
    simple = next(line for line in text if line.startswith("simple_cnn"))
    # 422,530 parameters, 4 batch norms' running values and counters.
    assert simple.split() == ["simple_cnn", "422,530", "422,530", "1.7"]
    assert len({len(line) for line in text}) == 1


def test_seed_4_tests_its_model_like_this() -> None:
    model = DeepFakeMobileNet(pretrained=False)
    output = model(torch.randn(2, 3, 224, 224))
    assert output.shape == (2, 1)


def test_the_mobilenet_of_seed_4_freezes_and_keeps_its_keys() -> None:
    alone = DeepFakeMobileNet(pretrained=False).eval()
    alone.freeze_backbone()
    learning = {name for name, p in alone.named_parameters() if p.requires_grad}
    assert learning == {f"model.classifier.{i}.{k}" for i in (0, 3) for k in ("weight", "bias")}
    alone.unfreeze_backbone()
    assert all(p.requires_grad for p in alone.parameters())
    config = QUICK["deepfake_mobilenet"]
    inside = build(config).eval()
    inside.load_state_dict(alone.state_dict())
    clips = clips_of(config)
    with torch.no_grad():
        torch.testing.assert_close(inside(clips)[1].flatten(), alone(clips.flatten(0, 1))[:, 0])


@pytest.mark.parametrize("name", QUICK)
def test_one_interface_for_all(name: str) -> None:
    config = QUICK[name]
    model, clips = model_of(config), clips_of(config)
    batch, frames = clips.shape[:2]
    with torch.no_grad():
        logit, frame_logits = model(clips)
        maps = model.encode(clips)
        output = model.decide(maps, frames)
    assert logit.shape == (batch,)
    assert frame_logits.shape == (batch, frames)
    assert maps.ndim == 5
    assert output.features.shape == (batch, frames, model.width)
    torch.testing.assert_close(output.logit, logit)
    # A clip's numbers do not depend on the clips beside it.
    with torch.no_grad():
        torch.testing.assert_close(model(clips[1:])[0], logit[1:], atol=1e-5, rtol=1e-4)
    if name in INDEPENDENT:
        torch.testing.assert_close(frame_logits.mean(dim=1), logit)
    if config.architecture in LEAST_FRAMES:
        assert (frame_logits == logit[:, None]).all()


@pytest.mark.parametrize("name", QUICK)
def test_explaining_scores_the_same_and_is_in_logits(name: str) -> None:
    config = QUICK[name]
    model, clips = model_of(config), clips_of(config)
    explained = model.explain(clips)
    with torch.no_grad():
        torch.testing.assert_close(explained.frame_logits, model(clips)[1])
    assert explained.evidence.shape[:2] == clips.shape[:2]
    assert float(explained.evidence.abs().max()) > 0
    assert not explained.evidence.requires_grad
    head = getattr(model, "head", None)
    if config.architecture in ("frame", *LEAST_FRAMES) and frames_divide(model, clips):
        assert isinstance(head, nn.Linear)
        torch.testing.assert_close(
            explained.evidence.mean(dim=(1, 2, 3)) + head.bias,
            explained.frame_logits.mean(dim=1),
            atol=1e-5,
            rtol=1e-4,
        )


def frames_divide(model: VideoModel, clips: Tensor) -> bool:
    with torch.no_grad():
        return clips.shape[1] % model.encode(clips).shape[1] == 0


def test_the_closed_form_is_the_gradient_form() -> None:
    config = QUICK["frame"]
    model, clips = model_of(config), clips_of(config)
    closed, general = model.explain(clips), VideoModel.explain(model, clips)
    for one, other in zip(closed, general, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_evidence_of_a_deep_head_is_what_a_small_change_of_the_map_does() -> None:
    """HiResCAM by finite differences: scaling one place's activations by 1 + e changes the sum of
    the frames' logits by e times its evidence over the number of places."""
    config = QUICK["simple_cnn"]
    model, clips = model_of(config).double(), clips_of(config, batch=1).double()
    evidence = model.explain(clips).evidence
    with torch.no_grad():
        maps = model.encode(clips)
        before = model.decide(maps, 4).frame_logits.sum()
        maps[0, 2, :, 1, 3] *= 1 + 1e-6
        after = model.decide(maps, 4).frame_logits.sum()
    places = evidence.shape[2] * evidence.shape[3]
    assert float((after - before) / 1e-6) == pytest.approx(
        float(evidence[0, 2, 1, 3]) / places, rel=1e-3, abs=1e-9
    )


def test_sequence_models_see_the_order_and_averages_do_not() -> None:
    seen = {}
    for name in ("mean", "attention", "lstm", "transformer", "divided"):
        config = QUICK[name]
        model, clips = model_of(config), clips_of(config)
        with torch.no_grad():
            seen[name] = float((model(clips)[0] - model(clips.flip(1))[0]).abs().max())
    assert max(seen["mean"], seen["attention"]) < 1e-6
    assert min(seen["lstm"], seen["transformer"], seen["divided"]) > 1e-6


def test_divided_attention_sees_its_place_in_time_and_its_frame_in_space() -> None:
    block = DividedBlock(16, 0.0).eval()
    tokens = torch.randn(1, 3, 4, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    # Only time attention: what reaches frame 0, place 0 comes from place 0 of all frames.
    block.time(tokens[:, :, 0]).sum().backward()
    assert tokens.grad is not None
    assert bool((tokens.grad[0, :, 0] != 0).any(dim=1).all())
    assert not tokens.grad[0, :, 1:].any()
    # Time, then space: everything reaches every token.
    tokens.grad = None
    block(tokens)[0, 0, 0].sum().backward()
    assert bool((tokens.grad != 0).any(dim=3).all())


def test_positions_tell_places_apart() -> None:
    table = positions(50, 32, torch.zeros(1))
    assert table.shape == (50, 32)
    assert float(torch.cdist(table, table).fill_diagonal_(9).min()) > 0.1


def test_attention_pooling_weighs_frames_and_its_shares_are_whole() -> None:
    config = QUICK["attention"]
    model, clips = model_of(config), clips_of(config)
    with torch.no_grad():
        output = model.decide(model.encode(clips), 4)
        shares = model.pooling.shares(output.features)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))
    torch.testing.assert_close((shares * output.frame_logits).sum(dim=1), output.logit)
    assert float(shares.std()) > 0


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_backbone_and_head_are_all_and_freezing_holds_the_backbone(name: str) -> None:
    config = ModelConfig(name, "resnet18", clip_frames=16 if name in LEAST_FRAMES else 1)
    with torch.device("meta"):
        model = build(config)
    backbone, head = list(model.backbone_parameters()), list(model.head_parameters())
    assert backbone
    assert head
    assert sum(p.numel() for p in backbone + head) == sum(p.numel() for p in model.parameters())
    model.freeze_backbone()
    assert not any(p.requires_grad for p in backbone)
    assert all(p.requires_grad for p in head)
    frozen = size_of(name, model)
    assert frozen.trainable == sum(p.numel() for p in head)
    model.unfreeze_backbone()
    assert size_of(name, model).trainable == frozen.parameters


def test_a_frozen_batch_norm_keeps_what_it_measured() -> None:
    config = QUICK["simple_cnn"]
    model, clips = model_of(config), clips_of(config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.freeze_backbone()
    model.train()
    model(clips)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    model.unfreeze_backbone()
    model(clips)
    assert not torch.equal(before["features.1.running_mean"], model.features[1].running_mean)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_gives_square_maps_of_its_width(backbone: str) -> None:
    config = ModelConfig("pooled", backbone, crop_px=64, pooling="mean", embed_dim=16)
    with torch.device("meta"):
        model = build(config).eval()
        maps = model.encode(torch.zeros(1, 2, 3, 64, 64))
        logit, _ = model(torch.zeros(1, 2, 3, 64, 64))
    assert maps.shape[:2] == (1, 2)
    assert maps.shape[3] == maps.shape[4] >= 2
    assert logit.shape == (1,)


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "efficientnet_b1"])
@pytest.mark.parametrize("stages", range(1, 7))
def test_a_cut_network_keeps_its_first_stages_and_their_stride(backbone: str, stages: int) -> None:
    whole = ModelConfig(backbone=backbone, crop_px=64)
    cut = replace(whole, stages=stages)
    with torch.device("meta"):
        models = [build(config).eval() for config in (whole, cut)]
        maps = models[1].encode(torch.zeros(1, 1, 3, 64, 64))
    assert maps.shape[2:] == (512, 64 // cut.stride_px, 64 // cut.stride_px)
    theirs, own = (model.state_dict() for model in models)
    kept = {name for name in theirs if name in own and own[name].shape == theirs[name].shape}
    assert {name for name in own if name.startswith("backbone.blocks")} <= kept
    assert max(int(n.split(".")[2]) for n in kept if n.startswith("backbone.blocks")) == stages - 1


@pytest.mark.parametrize("name", ["resnet_rnn", "r3d_18", "mvit_v2_s"])
def test_the_large_ones_keep_the_interface(name: str) -> None:
    config = ModelConfig(name, crop_px=64, clip_frames=10, embed_dim=32)
    with torch.device("meta"):
        model = build(config).eval()
        clips = torch.zeros(2, 10, 3, 64, 64)
        output = model.decide(model.encode(clips), 10)
    assert output.logit.shape == (2,)
    assert output.frame_logits.shape == (2, 10)
    assert output.features.shape == (2, 10, model.width)


def test_the_recurrent_network_of_seed_2_hears_the_past_only() -> None:
    config = ModelConfig("resnet_rnn", crop_px=32, clip_frames=3)
    with torch.device("meta"):
        model = build(config)
    assert model.width == 512
    assert model.get_submodule("classifier").out_features == 2
    maps = torch.randn(1, 3, 2048, 1, 1)
    for part in ("embed", "rnn", "classifier"):
        model.get_submodule(part).to_empty(device="cpu")
    for parameter in (*model.get_submodule("rnn").parameters(), *model.classifier.parameters()):
        nn.init.normal_(parameter, std=0.1)
    model.embed = nn.Linear(2048, 512)
    model.eval()
    with torch.no_grad():
        first = model.decide(maps, 3)
        maps[:, 2] += 1.0
        second = model.decide(maps, 3)
    torch.testing.assert_close(first.frame_logits[:, :2], second.frame_logits[:, :2])
    assert float((first.logit - second.logit).abs()) > 1e-6
    torch.testing.assert_close(second.logit, second.frame_logits[:, -1])


def test_the_registry_and_the_allowlist_are_one() -> None:
    assert set(ARCHITECTURES) == set(ARCHITECTURE_NAMES)
