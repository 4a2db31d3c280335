"""Training crops that a detector takes to be like a crop: by how they are forged, never by who is
shown, as the features are the detector's and the index holds no names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfexplain.structures import Neighbour, NeighbourIndex

__all__ = ["nearest"]


def nearest(index: NeighbourIndex, features: NDArray[np.float32], k: int) -> tuple[Neighbour, ...]:
    """The `k` training crops with the highest cosine to `features` (D,), nearest first; all of them
    where there are fewer. Raises ValueError for features of other weights."""
    width = index.features.shape[1]
    if features.shape != (width,) or not np.isfinite(features).all():
        raise ValueError(f"features must be ({width},) finite numbers, but got {features.shape}.")
    if k < 1:
        raise ValueError(f"k must be 1 or more, but got {k}.")
    known, asked = index.features.astype(np.float64), features.astype(np.float64)
    length = np.linalg.norm(known, axis=1) * np.linalg.norm(asked)
    likeness = known @ asked / np.maximum(length, 1e-12)
    # Of equals the first: the same crop has the same neighbours.
    order = np.argsort(-likeness, kind="stable")[:k]
    return tuple(
        Neighbour(int(index.labels[i]), float(likeness[i]), index.thumbnails[i]) for i in order
    )
