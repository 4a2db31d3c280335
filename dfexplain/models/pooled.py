"""Any backbone of the allowlist on every frame, with one of five ways to see frames together (C1).

Each way gives every frame features (B, T, E) and a share (B, T) of the clip. The head is linear, so
the clip's logit is the mean of its frames' logits by these shares.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dfexplain.models import backbones
from dfexplain.models.base import ModelOutput
from dfexplain.models.blocks import DividedBlock, TransformerBlock, positions
from dfexplain.models.config import ModelConfig
from dfexplain.models.sequence import SequenceModel

__all__ = ["WAYS", "PooledModel"]

BLOCKS = 2


class _Mean(nn.Module):
    """Frames do not see each other, and all count alike."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(width, config.embed_dim), nn.ReLU())

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps (B, T, D, h, w) to the features (B, T, E) of frames."""
        features: Tensor = self.embed(maps.mean(dim=(3, 4)))
        return features

    def shares(self, features: Tensor) -> Tensor:
        """What each frame counts for: (B, T), 1 for each clip."""
        return torch.full_like(features[..., 0], 1.0 / features.shape[1])


class _Attention(_Mean):
    """Frames that matter count for more: attention pooling (Ilse et al., ICML 2018, eq. 8)."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__(width, config)
        hidden = config.embed_dim // 4
        self.weigh = nn.Sequential(
            nn.Linear(config.embed_dim, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False)
        )

    def shares(self, features: Tensor) -> Tensor:
        """See _Mean."""
        weights: Tensor = self.weigh(features).squeeze(2)
        return weights.softmax(dim=1)


class _LSTM(_Mean):
    """A bidirectional LSTM reads the frames (Hochreiter and Schmidhuber 1997)."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__(width, config)
        size = config.embed_dim
        self.lstm = nn.LSTM(size, size // 2, batch_first=True, bidirectional=True)

    def forward(self, maps: Tensor) -> Tensor:
        """See _Mean."""
        features: Tensor = self.lstm(super().forward(maps))[0]
        return features


class _Transformer(_Mean):
    """Frames attend to each other (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__(width, config)
        size = config.embed_dim
        self.embed = nn.Sequential(nn.Linear(width, size))
        self.blocks = nn.Sequential(
            *(TransformerBlock(size, config.dropout) for _ in range(BLOCKS))
        )
        self.norm = nn.LayerNorm(size)

    def forward(self, maps: Tensor) -> Tensor:
        """See _Mean."""
        tokens = super().forward(maps)
        tokens = tokens + positions(tokens.shape[1], tokens.shape[2], tokens)
        features: Tensor = self.norm(self.blocks(tokens))
        return features


class _Divided(_Mean):
    """The places of all frames attend to each other, over time and space in turn.

    As in TimeSformer (see `blocks.DividedBlock`), over a backbone's map instead of raw patches.
    """

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__(width, config)
        size = config.embed_dim
        self.embed = nn.Sequential(nn.Linear(width, size))
        self.blocks = nn.Sequential(*(DividedBlock(size, config.dropout) for _ in range(BLOCKS)))
        self.norm = nn.LayerNorm(size)

    def forward(self, maps: Tensor) -> Tensor:
        """See _Mean."""
        tokens: Tensor = self.embed(maps.flatten(3).transpose(2, 3))  # (B, T, P, E)
        _, frames, places, size = tokens.shape
        tokens = tokens + positions(frames, size, tokens)[:, None] + positions(places, size, tokens)
        features: Tensor = self.norm(self.blocks(tokens)).mean(dim=2)
        return features


WAYS: dict[str, Callable[[int, ModelConfig], _Mean]] = {
    "mean": _Mean,
    "attention": _Attention,
    "lstm": _LSTM,
    "transformer": _Transformer,
    "divided": _Divided,
}


class PooledModel(SequenceModel):
    """`config.backbone` on each frame, `config.pooling` over time, one linear logit."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, config.backbone)
        self.width = config.embed_dim
        self.pooling = WAYS[config.pooling](backbones.width_of(self.backbone), config)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.width, 1)

    def decide(self, maps: Tensor, frames: int) -> ModelOutput:
        """See VideoModel."""
        features = self.pooling(maps)
        frame_logits = self.head(self.dropout(features)).squeeze(2)
        logit = (self.pooling.shares(features) * frame_logits).sum(dim=1)
        return ModelOutput(logit, frame_logits, features)
