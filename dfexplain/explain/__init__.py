"""Where the model looked, drawn on one scale, and what that is worth.

Grad-CAM (Selvaraju et al., ICCV 2017, eq. 1 and 2) weighs each feature map by the mean gradient of
the logit. With global average pooling and a linear head that gradient is the head's weight over the
number of positions, so the map comes with the forward pass (`models.frame`).
"""

from dfexplain.explain.drawing import (
    FAKE_RGB,
    GRAD_CAM,
    MASK_HEAD,
    OPACITY,
    REAL_RGB,
    colour_bar,
    lane_heatmap,
    overlay,
    overlay_frame,
)

__all__ = [
    "FAKE_RGB",
    "GRAD_CAM",
    "MASK_HEAD",
    "OPACITY",
    "REAL_RGB",
    "colour_bar",
    "lane_heatmap",
    "overlay",
    "overlay_frame",
]
