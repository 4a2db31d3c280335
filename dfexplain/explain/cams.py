"""Class activation maps by pytorch-grad-cam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.models import FrameModel

__all__ = ["library_grad_cam"]

Array = NDArray[np.float32]


def library_grad_cam(engine: Engine, crops: NDArray[np.uint8]) -> Array:
    """Grad-CAM of crops (N, S, S, 3) by pytorch-grad-cam: (N, S, S) in 0..1, each map stretched.

    The reference that the closed form is tested against; the app never shows it.
    """
    import torch
    from pytorch_grad_cam import GradCAM
    from torch import Tensor, nn

    if not isinstance(engine.model, FrameModel):
        raise TypeError(f"engine must run a FrameModel, but got {engine.config.label}.")
    frame_model: FrameModel = engine.model

    class Logit(nn.Module):
        """One column of logits, as the library expects."""

        def __init__(self) -> None:
            super().__init__()
            self.model = frame_model

        def forward(self, frames: Tensor) -> Tensor:
            logit: Tensor = self.model.forward_frames(frames).logit
            return logit[:, None]

    class Fake:
        """Explain the logit: the library's default target is the wrong class of one logit."""

        def __call__(self, output: Tensor) -> Tensor:
            return output[-1]

    # Outside inference_mode: the library needs the gradients.
    with torch.enable_grad():
        cam = GradCAM(model=Logit(), target_layers=[frame_model.maps])
        frames = engine.normalise(crops).requires_grad_()
        maps = cam(frames, targets=[Fake() for _ in crops])
        cam.activations_and_grads.release()
    return np.asarray(maps, np.float32)
