"""How large each architecture is (C13, I12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import nn

from dfexplain.models.config import ARCHITECTURE_NAMES, LEAST_FRAMES, POOLINGS, ModelConfig
from dfexplain.models.registry import build

__all__ = ["SizeRow", "parameter_table", "parameter_text", "size_of"]


class SizeRow(NamedTuple):
    """`trainable` of the `parameters` learn; `megabytes` (10^6 bytes) is the file of tensors."""

    name: str
    parameters: int
    trainable: int
    megabytes: float


def size_of(name: str, model: nn.Module) -> SizeRow:
    """Count one model, as it is frozen or not; the meta device will do."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    return SizeRow(name, sum(n for n, _ in counts), sum(n for n, on in counts if on), size / 1e6)


def _each_architecture() -> dict[str, ModelConfig]:
    configs = {
        name: ModelConfig(architecture=name, clip_frames=16 if name in LEAST_FRAMES else 1)
        for name in ARCHITECTURE_NAMES
        if name != "pooled"
    }
    pooled = [ModelConfig("pooled", "efficientnet_b0", clip_frames=16, pooling=p) for p in POOLINGS]
    return configs | {config.label: config for config in pooled}


def parameter_table(configs: Mapping[str, ModelConfig] | None = None) -> list[SizeRow]:
    """One row for each named config; without them, for each architecture as it comes."""
    rows = []
    for name, config in (configs or _each_architecture()).items():
        with torch.device("meta"):
            rows.append(size_of(name, build(config)))
    return rows


def parameter_text(rows: Iterable[SizeRow]) -> str:
    """The table as aligned text."""
    head = ("model", "parameters", "trainable", "MB")
    cells = [(r.name, f"{r.parameters:,}", f"{r.trainable:,}", f"{r.megabytes:.1f}") for r in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (head, *cells)
    )
