"""Training crops to set beside a crop that was flagged: how they look, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["THUMBNAIL_PX", "NeighbourIndex"]

THUMBNAIL_PX = 48


@dataclass(frozen=True)
class NeighbourIndex:
    """N training crops: `features` (N, D) float16 of the detector, `labels` (N,) uint8, 1 forged,
    and `thumbnails` (N, 48, 48, 3) uint8 RGB. It holds no name and no person."""

    features: NDArray[np.float16]
    labels: NDArray[np.uint8]
    thumbnails: NDArray[np.uint8]

    def __post_init__(self) -> None:
        rows = len(self.labels)
        shapes = ((rows,), (rows, THUMBNAIL_PX, THUMBNAIL_PX, 3))
        if (self.labels.shape, self.thumbnails.shape) != shapes or self.features.ndim != 2:
            raise ValueError(
                f"NeighbourIndex must hold a label and a thumbnail (48, 48, 3) for each of {rows} "
                f"rows, but got {self.labels.shape} and {self.thumbnails.shape}."
            )
        if len(self.features) != rows or not bool((self.labels <= 1).all()):
            raise ValueError(
                f"NeighbourIndex must hold features and labels 0 or 1 of {rows} rows, but got "
                f"{len(self.features)} rows of features and labels up to {self.labels.max()}."
            )

    def __len__(self) -> int:
        return len(self.labels)
