"""Attention rollout: from which patches a vision transformer's last tokens were mixed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfexplain.engine import Engine
from dfexplain.explain.cams import batches
from dfexplain.models import VideoModel

__all__ = ["attention_rollout", "has_global_attention"]

Array = NDArray[np.float32]


def has_global_attention(model: VideoModel) -> bool:
    """Whether every token of each layer of the backbone attends to all others (ViT, DeiT)."""
    config = model.config
    return config.architecture in ("frame", "pooled") and config.backbone.startswith(
        ("vit_", "deit_")
    )


def attention_rollout(engine: Engine, clips: NDArray[np.uint8]) -> Array:
    """By how much each patch (V, T, h, w) exceeds its even share of the attention; 0 and above.

    Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, eq. 1: the product
    over layers of attention, mean over heads, where half of each token comes from itself. Of the
    product the patches' tokens are averaged, as these models pool them. 1 means twice the share.
    """
    # A copy carries the hooks: another thread may be running the model itself.
    backbone: Any = copy.deepcopy(engine.model.backbone)
    mixed: list[Tensor] = []  # of one pass: where each token (B, L, L) comes from so far
    queries: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, query: Tensor) -> None:
        queries.append(query)

    for block in backbone.blocks:

        def mix(
            _module: nn.Module, _inputs: object, key: Tensor, scale: float = block.attn.scale
        ) -> None:
            attention = (queries.pop() @ key.transpose(-2, -1) * scale).softmax(dim=-1).mean(dim=1)
            itself = torch.eye(attention.shape[-1], device=attention.device)
            layer = 0.5 * attention + 0.5 * itself
            mixed[:] = [layer @ mixed[0] if mixed else layer]

        # Queries and keys pass through these two, normed or not, whichever way attention is run.
        block.attn.q_norm.register_forward_hook(keep)
        block.attn.k_norm.register_forward_hook(mix)
    prefix = int(backbone.num_prefix_tokens)
    found: list[Array] = []
    for batch, rows in batches(engine, clips):
        with torch.no_grad():
            backbone.forward_features(batch.flatten(0, 1))
        shares = mixed.pop()[:, prefix:, prefix:].mean(dim=1)
        shares = shares / shares.sum(dim=1, keepdim=True)
        side = round(shares.shape[1] ** 0.5)
        above = (shares * shares.shape[1] - 1.0).clamp(min=0.0)
        found.append(above.reshape(-1, clips.shape[1], side, side)[:rows].cpu().numpy())
    return np.concatenate(found)
