"""The part of a weights folder's config.json that says which model it is and what it is fed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from dfexplain.errors import SettingError

__all__ = ["BACKBONES", "ModelConfig"]

# An allowlist, because timm reads `hf-hub:` and `local-dir:` in a name as orders to fetch files.
BACKBONES = (
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "mobilenetv3_small_100",
    "resnet18",
)


@dataclass(frozen=True)
class ModelConfig:
    """Which model, and how its crops are cut and normalised.

    `crop_px` is the side S of a crop in pixels, `crop_margin` the share of the face box's longer
    side added on every side of it. `mean` and `std` are for RGB in [0, 1].
    """

    architecture: str = "frame"
    backbone: str = "tf_efficientnet_lite0"
    crop_px: int = 224
    crop_margin: float = 0.3
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        rules = (
            ("architecture", self.architecture == "frame", "be 'frame'"),
            ("backbone", self.backbone in BACKBONES, f"be one of {', '.join(BACKBONES)}"),
            ("crop_px", 32 <= self.crop_px <= 512, "lie in 32..512"),
            ("crop_margin", 0.0 <= self.crop_margin <= 1.0, "lie in 0..1"),
            ("mean", all(0.0 <= v <= 1.0 for v in self.mean), "lie in 0..1"),
            ("std", all(0.01 <= v <= 2.0 for v in self.std), "lie in 0.01..2"),
            ("dropout", 0.0 <= self.dropout < 1.0, "lie in 0..1"),
        )
        for name, holds, rule in rules:
            if not holds:
                raise SettingError(
                    f"{name} must {rule}, but got {getattr(self, name)!r}. Correct config.json."
                )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """Read the model's keys out of a parsed config.json.

        Raises SettingError naming the key that is missing, of the wrong type or out of its range.
        """
        kinds = {"architecture": str, "backbone": str, "crop_px": int}
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name not in data:
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
            kind = kinds.get(item.name, float)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (isinstance(value, kind) or (kind is float and number)) or value is True:
                raise SettingError(
                    f"{item.name} must be of type {kind.__name__}, but got {value!r:.60}."
                )
            values[item.name] = kind(value)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The keys of config.json that describe the model, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
