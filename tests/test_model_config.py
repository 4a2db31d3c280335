"""models/config.py: which settings a model can have, and those of older files."""

from __future__ import annotations

import pytest

from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"architecture": "s3d", "clip_frames": 7}, r"clip_frames must lie in 8\.\.64 for s3d"),
        ({"architecture": "r3d_18"}, r"clip_frames must lie in 2\.\.64"),
        ({"clip_frames": 65}, "clip_frames"),
        ({"clip_frames": True}, "clip_frames must be of type int"),
        ({"pooling": "max"}, "pooling must be one of"),
        ({"stages": 7}, r"stages must lie in 0\.\.6"),
        ({"stages": 3, "backbone": "resnet18"}, r"stages must be 0 for resnet18 \(frame\)"),
        (
            {"stages": 3, "architecture": "pooled"},
            r"stages must be 0 for tf_efficientnet_lite0 \(pooled\)",
        ),
        ({"embed_dim": 40}, "embed_dim must be a multiple of 16"),
        ({"backbone": "vit_tiny_patch16_224", "crop_px": 100}, "crop_px must be a multiple of 16"),
        ({"backbone": "swin_tiny_patch4_window7_224", "crop_px": 240}, "a multiple of 32"),
    ],
)
def test_settings_that_no_model_can_have_are_refused(changes: dict[str, object], rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        ModelConfig.from_dict({**ModelConfig().to_dict(), **changes})


def test_a_config_of_the_first_format_still_loads() -> None:
    first = ModelConfig().to_dict()
    for later in ("clip_frames", "pooling", "embed_dim", "mask_head", "stages"):
        del first[later]
    assert ModelConfig.from_dict(first) == ModelConfig()
    del first["crop_px"]
    with pytest.raises(SettingError, match=r"crop_px must be in config\.json"):
        ModelConfig.from_dict(first)
