"""Portraits for tests: the three that ship in tests/data, with their faces as MTCNN finds them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from dfexplain.faces import FaceDetector
from train.portraits import Portrait, split_of

FOLDER = Path(__file__).parent.parent / "data" / "portraits"


@cache
def portraits() -> tuple[Portrait, ...]:
    found = []
    for path in sorted(FOLDER.glob("*.jpg")):
        rgb = np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)
        (faces,) = FaceDetector().detect([rgb])
        identity = f"congress-{path.stem}"
        found.append(
            Portrait(
                file=path.name,
                identity=identity,
                licence="public domain",
                split=split_of(identity),
                rgb=rgb,
                box_xyxy=faces.box_xyxy[0],
                landmarks_xy=faces.landmarks_xy[0],
            )
        )
    return tuple(found)
