"""Attention over tokens, plain and divided between time and space."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["DividedBlock", "TransformerBlock", "positions"]

HEADS = 8


def positions(count: int, width: int, like: Tensor) -> Tensor:
    """Sines and cosines (count, width) that tell places apart (Vaswani et al., NeurIPS 2017, sec.
    3.5), on the device of `like`."""
    place = torch.arange(count, device=like.device, dtype=torch.float32)[:, None]
    pair = torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
    angle = place * torch.exp(pair * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


class _Attention(nn.Module):
    """Multi-head self-attention over tokens (N, L, E), after a layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        rows, length, width = tokens.shape
        split = self.project(self.norm(tokens)).view(rows, length, 3, HEADS, width // HEADS)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(seen.transpose(1, 2).reshape(rows, length, width))
        return out


def _mlp(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 2 * width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(2 * width, width),
    )


class TransformerBlock(nn.Module):
    """Attention and a two-layer network, each added to its normed input, on tokens (N, L, E)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention = _Attention(width)
        self.mlp = _mlp(width, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the same shape."""
        tokens = tokens + self.attention(tokens)
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed


class DividedBlock(nn.Module):
    """Divided space-time attention on tokens (B, T, P, E) of T frames with P places each.

    First each place attends to itself in all frames, then each frame to its own places (Bertasius
    et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021, sec. 3 and
    fig. 2, T+S): T + P comparisons for a token instead of T * P.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.time = _Attention(width)
        self.space = _Attention(width)
        self.mlp = _mlp(width, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the same shape."""
        batch, frames, places, width = tokens.shape
        tracks = tokens.transpose(1, 2).reshape(batch * places, frames, width)
        over_time = self.time(tracks).view(batch, places, frames, width).transpose(1, 2)
        tokens = tokens + over_time
        tokens = tokens + self.space(tokens.flatten(0, 1)).view(tokens.shape)
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed
