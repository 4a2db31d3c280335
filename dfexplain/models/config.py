"""The part of a weights folder's config.json that says which model it is and what it is fed."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, fields
from typing import Any

from dfexplain.errors import SettingError

__all__ = ["ARCHITECTURE_NAMES", "BACKBONES", "POOLINGS", "ModelConfig"]

# An allowlist, because timm reads `hf-hub:` and `local-dir:` in a name as orders to fetch files.
# The names are timm's; those that begin with `tv_` are torchvision's.
BACKBONES = (
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "mobilenetv3_small_100",
    "resnet18",
    "tf_efficientnet_lite1",
    "tf_efficientnet_lite2",
    "tf_efficientnet_lite3",
    "tf_efficientnet_lite4",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "convnext_tiny",
    "convnext_small",
    "legacy_xception",
    "xception41",
    "vit_tiny_patch16_224",
    "vit_small_patch16_224",
    "deit_tiny_patch16_224",
    "deit_small_patch16_224",
    "swin_tiny_patch4_window7_224",
    "swin_small_patch4_window7_224",
    "tv_efficientnet_b0",
    "tv_mobilenet_v3_small",
)

# `frame` and `pooled` are built around `backbone`; the others bring their own.
OF_A_BACKBONE = ("frame", "pooled")
# Convolve over time: the fewest frames that leave one after their strides.
LEAST_FRAMES = {"r3d_18": 2, "s3d": 8, "mvit_v2_s": 2, "swin3d_t": 2}
ARCHITECTURE_NAMES = (
    *OF_A_BACKBONE,
    "simple_cnn",
    "resnet18_mean",
    "efficientnet_b0_lstm",
    "resnet_rnn",
    "deepfake_mobilenet",
    *LEAST_FRAMES,
)
# EfficientNets can be cut after a stage (Tan and Le, ICML 2019, table 1 without its first row); how
# many input pixels a place of the last map then stands for.
CUTTABLE = ("tf_efficientnet_lite", "efficientnet_b")
STAGE_STRIDES = (2, 4, 8, 16, 16, 32)
STRIDE_PX = 32
# Over time, and the one over the places of a frame.
POOLINGS = ("mean", "attention", "lstm", "transformer", "divided")
BY_MASK = "mask"


def _nearest(name: str) -> str:
    """What a backbone must be, with the names most like `name`: a refusal has no room for all."""
    near = difflib.get_close_matches(name[:80].lower(), BACKBONES, n=3, cutoff=0.0)
    return f"be one of {len(BACKBONES)} names (docs/weights_format.md), such as {', '.join(near)}"


@dataclass(frozen=True)
class ModelConfig:
    """Which model, and how its crops are cut and normalised.

    `crop_px` is the side S of a crop in pixels, `crop_margin` the share of the face box's longer
    side added on every side of it. `mean` and `std` are for RGB in [0, 1]. `clip_frames` is the
    number T of consecutive crops of one face that the model judges together; 1: each on its own.
    `backbone` matters for the architectures `frame` and `pooled`, `pooling` for `pooled`, and
    `embed_dim`, the width of what follows the backbone, for `pooled` and `resnet_rnn`. With a
    `mask_head` a `frame` model also says where it thinks that a crop is forged, and with the
    pooling `mask` it judges by these places above all. `stages` keeps so many of the stages of an
    EfficientNet, 0 all of them.
    """

    architecture: str = "frame"
    backbone: str = "tf_efficientnet_lite0"
    crop_px: int = 224
    crop_margin: float = 0.3
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    dropout: float = 0.2
    clip_frames: int = 1
    pooling: str = "mean"
    embed_dim: int = 512
    mask_head: bool = False
    stages: int = 0

    def __post_init__(self) -> None:
        least = LEAST_FRAMES.get(self.architecture, 1)
        cell = self._cell_px()
        known = self.backbone in BACKBONES
        rules = (
            (
                "architecture",
                self.architecture in ARCHITECTURE_NAMES,
                f"be one of {', '.join(ARCHITECTURE_NAMES)}",
            ),
            ("backbone", known, "" if known else _nearest(self.backbone)),
            ("crop_px", 32 <= self.crop_px <= 512, "lie in 32..512"),
            ("crop_px", self.crop_px % cell == 0, f"be a multiple of {cell} for {self.label}"),
            ("crop_margin", 0.0 <= self.crop_margin <= 1.0, "lie in 0..1"),
            ("mean", all(0.0 <= v <= 1.0 for v in self.mean), "lie in 0..1"),
            ("std", all(0.01 <= v <= 2.0 for v in self.std), "lie in 0.01..2"),
            ("dropout", 0.0 <= self.dropout < 1.0, "lie in 0..1"),
            (
                "clip_frames",
                least <= self.clip_frames <= 64,
                f"lie in {least}..64 for {self.architecture}",
            ),
            (
                "pooling",
                self.pooling in (*POOLINGS, BY_MASK),
                f"be one of {', '.join((*POOLINGS, BY_MASK))}",
            ),
            (
                "embed_dim",
                16 <= self.embed_dim <= 2048 and self.embed_dim % 16 == 0,
                "be a multiple of 16 in 16..2048",
            ),
            (
                "mask_head",
                not self.mask_head or self.architecture == "frame",
                f"be false for {self.architecture}",
            ),
            (
                "pooling",
                self.pooling != BY_MASK or self.mask_head,
                "be another than mask without a mask_head",
            ),
            ("stages", 0 <= self.stages <= len(STAGE_STRIDES), f"lie in 0..{len(STAGE_STRIDES)}"),
            (
                "stages",
                not self.stages or self._can_be_cut(),
                f"be 0 for {self.backbone} ({self.architecture})",
            ),
        )
        for name, holds, rule in rules:
            if not holds:
                got = repr(getattr(self, name))
                got = got if len(got) <= 30 else f"{got[:27]}..."
                raise SettingError(f"{name} must {rule}, but got {got}. Correct config.json.")

    @property
    def label(self) -> str:
        """The model in a few words: `tf_efficientnet_lite0 (frame)`, `resnet18_mean`."""
        if self.architecture not in OF_A_BACKBONE:
            return self.architecture
        kind = self.architecture
        kept = f", {self.stages} stages" if self.stages else ""
        return f"{self.backbone}{kept} ({f'{kind}, {self.pooling}' if kind == 'pooled' else kind})"

    @property
    def stride_px(self) -> int:
        """How many pixels of a crop a place of the last feature map stands for, in each direction
        (of a network that is not cut: 32, as nearly all have it)."""
        return STAGE_STRIDES[self.stages - 1] if self.stages else STRIDE_PX

    def _can_be_cut(self) -> bool:
        return self.architecture == "frame" and self.backbone.startswith(CUTTABLE)

    def _cell_px(self) -> int:
        """What the side of a crop must be a multiple of: models that cut it into patches."""
        if self.architecture in OF_A_BACKBONE:
            return {"vit": 16, "deit": 16, "swin": 32}.get(self.backbone.partition("_")[0], 1)
        return 1

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """Read the model's keys out of a parsed config.json.

        Keys that came after the first version of the format have defaults. Raises SettingError
        naming the key that is missing, of the wrong type or out of its range.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name not in data:
                if item.name in _LATER:
                    continue
                raise SettingError(f"{item.name} must be in config.json, but it is missing.")
            value = data[item.name]
            if item.name in ("mean", "std"):
                if not (
                    isinstance(value, list)
                    and len(value) == 3
                    and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
                ):
                    raise SettingError(
                        f"{item.name} must be a list of three numbers, but got {value!r:.60}."
                    )
                values[item.name] = tuple(float(v) for v in value)
                continue
            kind = type(getattr(cls, item.name))
            fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
            # To Python true is an int as well.
            if not fits or isinstance(value, bool) != (kind is bool):
                raise SettingError(
                    f"{item.name} must be of type {kind.__name__}, but got {value!r:.60}."
                )
            values[item.name] = kind(value)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The keys of config.json that describe the model, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


_LATER = ("clip_frames", "pooling", "embed_dim", "mask_head", "stages")
