"""The training crops that weights carry along, for the app to set beside a flagged crop.

Portraits alone, whose licences allow it: the terms of research data sets do not let their faces go
anywhere. No name goes along.
"""

from __future__ import annotations

import cv2
import numpy as np

from dfexplain.engine import Engine
from dfexplain.structures import NeighbourIndex
from dfexplain.structures.neighbours import THUMBNAIL_PX
from dfexplain.weights_folder import FILES, NEIGHBOURS
from train.material import Material, PortraitMaterial

__all__ = ["MOST", "index"]

# Crops at most, half of them forged; fewer where features are so wide that the file would not fit.
MOST = 400
# What the header of the file takes, generously.
_HEADER = 2**12


def index(engine: Engine, material: Material) -> NeighbourIndex | None:
    """Crops of training people as the detector sees them, as many real as forged; None for data
    that may not be passed on."""
    if not isinstance(material, PortraitMaterial):
        return None
    row_bytes = 2 * engine.model.width + 3 * THUMBNAIL_PX**2 + 1
    most = min(MOST, (FILES[NEIGHBOURS] - _HEADER) // row_bytes)
    features, labels, thumbnails = [], [], []
    for crops, label in material.crops("train", engine.config, most):
        features.append(engine.run(crops).features)
        labels.append(np.full(len(crops), label, np.uint8))
        size = (THUMBNAIL_PX, THUMBNAIL_PX)
        thumbnails += [cv2.resize(crop, size, interpolation=cv2.INTER_AREA) for crop in crops]
    return NeighbourIndex(
        np.concatenate(features).astype(np.float16),
        np.concatenate(labels),
        np.stack(thumbnails).astype(np.uint8),
    )
