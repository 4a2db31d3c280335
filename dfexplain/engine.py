"""Runs a model on crops, with the same numbers every time: fixed threads, fixed batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfexplain.models import FrameModel, ModelConfig, build

__all__ = ["BATCH", "Engine", "EngineOutput"]

# CPU logits are identical only for one batch size and one number of threads: short batches are
# padded, and nothing else in the process may change the threads.
BATCH = 8
THREADS = 2


class EngineOutput(NamedTuple):
    """logit (N,), evidence (N, h, w) in logits, features (N, D)."""

    logit: NDArray[np.float64]
    evidence: NDArray[np.float32]
    features: NDArray[np.float32]

    def row(self, i: int) -> EngineOutput:
        """One row of the output, as an output of one row."""
        rows = slice(i, i + 1)
        return EngineOutput(self.logit[rows], self.evidence[rows], self.features[rows])


class Engine:
    """A model ready to score crops on the CPU, or on `device` ("cuda")."""

    def __init__(
        self, config: ModelConfig, state: Mapping[str, Tensor], *, device: str = "cpu"
    ) -> None:
        torch.set_num_threads(THREADS)
        self.config = config
        self.device = torch.device(device)
        # Built without memory or random numbers, which the state replaces at once.
        with torch.device("meta"):
            model = build(config)
        model.load_state_dict(dict(state), assign=True)
        model = model.eval().requires_grad_(False).to(self.device)
        self.model: FrameModel = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean = torch.tensor(config.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(config.std, device=self.device).view(1, 3, 1, 1)

    def normalise(self, crops: NDArray[np.uint8]) -> Tensor:
        """RGB uint8 crops (N, S, S, 3) to the model's input (N, 3, S, S)."""
        # A channels-last view: the memory is already in the order that the convolutions want.
        frames = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device).permute(0, 3, 1, 2)
        return (frames.float() / 255.0 - self._mean) / self._std

    @torch.inference_mode()
    def run(self, crops: NDArray[np.uint8]) -> EngineOutput:
        """Score crops (N, S, S, 3), in batches of BATCH, the last one padded."""
        size = self.config.crop_px
        if crops.ndim != 4 or crops.shape[1:] != (size, size, 3):
            raise ValueError(f"crops must be (N, {size}, {size}, 3), but got {crops.shape}.")
        parts: list[EngineOutput] = []
        for start in range(0, len(crops), BATCH):
            batch = crops[start : start + BATCH]
            rows = len(batch)
            if rows < BATCH:
                batch = np.concatenate([batch, np.zeros((BATCH - rows, size, size, 3), np.uint8)])
            output = self.model.forward_frames(self.normalise(batch))
            parts.append(
                EngineOutput(
                    output.logit[:rows].double().cpu().numpy(),
                    output.evidence[:rows].float().cpu().numpy(),
                    output.features[:rows].float().cpu().numpy(),
                )
            )
        if not parts:
            width = self.model.head.in_features
            empty = np.zeros((0, 1, 1), np.float32)
            return EngineOutput(np.zeros(0), empty, np.zeros((0, width), np.float32))
        return EngineOutput(*(np.concatenate(column) for column in zip(*parts, strict=True)))
