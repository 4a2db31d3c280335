"""Class activation maps over a model's last feature maps, weighted by pytorch-grad-cam.

The library finds maps and gradients by hooks on a layer, weighs the one by the other, cuts off what
is negative and stretches each map to 0..1. The first two steps are used here, the others are left
out: a map keeps its sign where its method has one, and its size.

The backbone runs once and without gradients; the library differentiates the head alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfexplain.engine import BATCH, Engine
from dfexplain.models import VideoModel

__all__ = ["batches", "evidence", "library_maps", "mask"]

Array = NDArray[np.float32]
Clips = NDArray[np.uint8]


def batches(engine: Engine, clips: Clips) -> Iterator[tuple[Tensor, int]]:
    """The model's input (B, T, 3, S, S), batch by batch, and how many of its rows count.

    As in the engine: BATCH crops at a time, the last batch padded, and one clip at a time.
    """
    frames = clips.shape[1]
    size = BATCH if frames == 1 else 1
    for start in range(0, len(clips), size):
        batch = clips[start : start + size]
        rows = len(batch)
        if rows < size:
            batch = np.concatenate([batch, np.zeros((size - rows, *clips.shape[1:]), np.uint8)])
        crops = engine.normalise(batch.reshape(-1, *batch.shape[2:]))
        yield crops.reshape(-1, frames, *crops.shape[1:]), rows


def evidence(engine: Engine, clips: Clips) -> Array:
    """The evidence (V, T, h, w) in logits that comes with every score (`models.base`)."""
    return _by_clip(engine.run_clips(clips).evidence, clips)


def mask(engine: Engine, clips: Clips) -> Array:
    """What the model's mask head says, (V, T, h, w) in 0..1; the model must have one."""
    found = engine.run_clips(clips).mask
    if found is None:
        raise ValueError("the engine's model must have a mask head.")
    return _by_clip(found, clips)


def _by_clip(maps: Array, clips: Clips) -> Array:
    return maps.reshape(*clips.shape[:2], *maps.shape[1:])


class _Head(nn.Module):
    """What a model makes of its last maps, which come through a layer that hooks can find."""

    def __init__(self, model: VideoModel, times: int, frames: int) -> None:
        super().__init__()
        self.model = model
        self.last = nn.Identity()
        self.times = times
        self.frames = frames

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B * t, D, h, w) to the logits (B, T) of frames."""
        clips = self.last(maps).unflatten(0, (-1, self.times))
        return self.model.decide(clips, self.frames).frame_logits


def library_maps(engine: Engine, clips: Clips, name: str) -> Array:
    """Maps (V, T, h, w) of clips by the library's class of that name.

    "grad_cam": Selvaraju et al., ICCV 2017, eq. 1 and 2 without the ReLU; "hires_cam": Draelos and
    Carin 2020, eq. 5; "grad_cam_pp": Chattopadhay et al., WACV 2018, eq. 7 and 19; "layer_cam":
    Jiang et al., IEEE TIP 2021; "eigen_cam": Muhammad and Yeasin, IJCNN 2020. The first two are
    signed, the others are cut off at 0 as in their papers.

    Explained is the sum of a clip's frame logits. Each map of a time is weighed for itself. The
    gradients are times the number of places, so that the maps of the gradient are in logits, as
    in `VideoModel.explain`.
    """
    # Slow to import, and it brings a plotting library: only for those who ask for it.
    from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM

    kind = {
        "grad_cam": GradCAM,
        "grad_cam_pp": GradCAMPlusPlus,
        "hires_cam": HiResCAM,
        "layer_cam": LayerCAM,
        "eigen_cam": EigenCAM,
    }[name]
    frames = clips.shape[1]
    found: list[Array] = []
    for batch, rows in batches(engine, clips):
        with torch.no_grad():
            maps = engine.model.encode(batch)
        times, places = maps.shape[1], maps.shape[1] * maps.shape[3] * maps.shape[4]
        head = _Head(engine.model, times, frames)
        cam = kind(head, [head.last])
        # A recurrent network's backward pass in evaluation is not offered by cuDNN.
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=not maps.is_cuda):
            logits = cam.activations_and_grads(maps.flatten(0, 1).requires_grad_())
            logits.sum().backward()
        activations = cam.activations_and_grads.activations[0].numpy()
        gradients = cam.activations_and_grads.gradients[0].numpy() * (places / frames)
        if name == "grad_cam_pp":
            # Its weights (eq. 19) are the same if activations shrink as much as gradients grow, and
            # the library's guard against dividing by zero, 1e-6, would swallow the gradients of
            # wide heads as they are.
            activations = activations / (places / frames)
        values = cam.get_cam_image(maps, head.last, [], activations, gradients, False)
        cam.activations_and_grads.release()
        # Frame k lies in the map of time k * t // T.
        seen_in = np.arange(frames) * times // frames
        found.append(values.reshape(-1, times, *values.shape[1:])[:rows, seen_in])
    values = np.concatenate(found)
    if name == "eigen_cam":
        # A singular vector has no sign of its own: the larger side is the one that stands out.
        high, low = (m(values, axis=(2, 3), keepdims=True) for m in (np.max, np.min))
        values = np.where(high < -low, -values, values)
    if name not in ("grad_cam", "hires_cam"):
        values = np.maximum(values, 0.0)
    return np.asarray(values, np.float32)
