"""Runs a model on crops, with the same numbers every time: fixed threads, fixed batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfexplain.allocator import keep_memory
from dfexplain.folding import folded
from dfexplain.models import ModelConfig, VideoModel, build

__all__ = ["BATCH", "Engine", "EngineOutput", "TrackWindows", "hold_threads"]

# CPU logits are identical only for one batch size and one number of threads: short batches are
# padded, and nothing else in the process may change the threads.
BATCH = 8
THREADS = 2

Crops = NDArray[np.uint8]


class EngineOutput(NamedTuple):
    """logit (N,), evidence (N, h, w) in logits, features (N, D).

    mask (N, h, w) in 0..1, how forged a mask head takes each place to be; None without one.
    """

    logit: NDArray[np.float64]
    evidence: NDArray[np.float32]
    features: NDArray[np.float32]
    mask: NDArray[np.float32] | None = None

    def rows(self, start: int, stop: int | None = None) -> EngineOutput:
        """Some rows of the output."""
        rows = slice(start, stop)
        mask = None if self.mask is None else self.mask[rows]
        return EngineOutput(self.logit[rows], self.evidence[rows], self.features[rows], mask)

    @staticmethod
    def joined(parts: list[EngineOutput]) -> EngineOutput:
        """One output of the rows of several, all of one model."""
        masks = [part.mask for part in parts if part.mask is not None]
        return EngineOutput(
            np.concatenate([part.logit for part in parts]),
            np.concatenate([part.evidence for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate(masks) if masks else None,
        )


class Engine:
    """A model ready to score crops on the CPU, or on `device` ("cuda").

    `model` is the model as it was trained, for whoever asks for its layers. What scores is a copy
    of it with its batch norms folded (see `folding`), made when it is first asked.
    """

    def __init__(
        self, config: ModelConfig, state: Mapping[str, Tensor], *, device: str = "cpu"
    ) -> None:
        torch.set_num_threads(THREADS)
        keep_memory()
        self.config = config
        self.device = torch.device(device)
        # Built without memory or random numbers, which the state replaces at once.
        with torch.device("meta"):
            model = build(config)
        if dict(model.named_buffers()).keys() - model.state_dict().keys():
            # Tables that are computed and not kept in the file.
            with torch.random.fork_rng(devices=[]):
                model = build(config)
        model.load_state_dict(dict(state), assign=True)
        model = model.eval().requires_grad_(False).to(self.device)
        self.model = _channels_last(model)
        self._scoring: VideoModel | None = None
        self._mean = torch.tensor(config.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(config.std, device=self.device).view(1, 3, 1, 1)
        levels = torch.arange(256.0, device=self.device).view(256, 1, 1, 1).expand(256, 3, 1, 1)
        self._table = self.standardised(levels).view(1, 256, 3).cpu().numpy()

    def normalise(self, crops: Crops) -> Tensor:
        """RGB uint8 crops (N, S, S, 3) to the model's input (N, 3, S, S)."""
        # The numbers of `standardised` for each grey level, in a third of the time.
        rows = np.ascontiguousarray(crops).reshape(-1, *crops.shape[2:])
        frames = torch.from_numpy(cv2.LUT(rows, self._table).reshape(crops.shape)).to(self.device)
        # A channels-last view: the memory is already in the order that the convolutions want.
        return frames.permute(0, 3, 1, 2)

    def standardised(self, pixels: Tensor) -> Tensor:
        """Pixels (N, 3, S, S) in 0..255 to the model's input; gradients pass."""
        return (pixels / 255.0 - self._mean) / self._std

    def run(self, crops: Crops) -> EngineOutput:
        """Score crops (N, S, S, 3), each for itself or, where the model wants clips, as consecutive
        crops of one track (see `TrackWindows`).

        Those for themselves go in batches of BATCH, the last one padded.
        """
        size = self.config.crop_px
        if crops.ndim != 4 or crops.shape[1:] != (size, size, 3):
            raise ValueError(f"crops must be (N, {size}, {size}, 3), but got {crops.shape}.")
        if not len(crops):
            empty = np.zeros((0, 1, 1), np.float32)
            features = np.zeros((0, self.model.width), np.float32)
            return EngineOutput(
                np.zeros(0), empty, features, empty if self.config.mask_head else None
            )
        if self.config.clip_frames > 1:
            windows = TrackWindows(self)
            parts = [part for crop in crops if (part := windows.add(crop)) is not None]
            if (rest := windows.finish()) is not None:
                parts.append(rest)
            return EngineOutput.joined(parts)
        parts = []
        for start in range(0, len(crops), BATCH):
            batch = crops[start : start + BATCH]
            rows = len(batch)
            if rows < BATCH:
                batch = np.concatenate([batch, np.zeros((BATCH - rows, size, size, 3), np.uint8)])
            parts.append(self._explained(self.normalise(batch).unsqueeze(1)).rows(0, rows))
        return EngineOutput.joined(parts)

    def run_clips(self, clips: Crops) -> EngineOutput:
        """Score clips (V, T, S, S, 3), T = 1 for a model that judges each crop for itself: a row
        for each frame, V times T in all."""
        frames = self.config.clip_frames
        if clips.ndim != 5 or clips.shape[1] != frames:
            raise ValueError(f"clips must be (V, {frames}, S, S, 3), but got {clips.shape}.")
        if frames == 1:
            return self.run(clips[:, 0])
        return EngineOutput.joined([self.run_clip(clip) for clip in clips])

    def logits(self, clips: Crops) -> NDArray[np.float64]:
        """The logits (V, T) of the frames of clips (V, T, S, S, 3): see `run_clips`."""
        return self.run_clips(clips).logit.reshape(clips.shape[:2])

    def run_clip(self, crops: Crops) -> EngineOutput:
        """Score one clip of `clip_frames` crops (T, S, S, 3)."""
        return self._explained(self.normalise(crops).unsqueeze(0))

    def _explained(self, clips: Tensor) -> EngineOutput:
        if self._scoring is None:
            self._scoring = _channels_last(folded(self.model))
        output = self._scoring.explain(clips)
        return EngineOutput(
            output.frame_logits.flatten(0, 1).double().cpu().numpy(),
            output.evidence.flatten(0, 1).float().cpu().numpy(),
            output.features.flatten(0, 1).float().cpu().numpy(),
            None if output.mask is None else output.mask.flatten(0, 1).float().cpu().numpy(),
        )


def _channels_last(model: VideoModel) -> VideoModel:
    """The layout in which 2D convolutions are quickest; a model with 3D ones stays as it is."""
    if any(parameter.ndim == 5 for parameter in model.parameters()):
        return model
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


class TrackWindows:
    """Scores one track in windows of `clip_frames` crops that stand side by side.

    The last window ends with the track and reaches back over crops that have their score already; a
    track shorter than a window is filled up with its last crop. No more than a window is kept.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._length = engine.config.clip_frames
        self._crops: list[Crops] = []
        self.waiting = 0  # crops at the end that have no score yet

    def add(self, crop: Crops) -> EngineOutput | None:
        """Take the next crop (S, S, 3); the scores of all that wait once they fill a window."""
        self._crops = [*self._crops[1 - self._length :], crop]
        self.waiting += 1
        return self._score() if self.waiting == self._length else None

    def finish(self) -> EngineOutput | None:
        """The track is over: the scores of the crops that still wait, None where none does."""
        return self._score() if self.waiting else None

    def _score(self) -> EngineOutput:
        kept = len(self._crops)
        padding = [self._crops[-1]] * (self._length - kept)
        output = self._engine.run_clip(np.stack(self._crops + padding))
        rows = output.rows(kept - self.waiting, kept)
        self.waiting = 0
        return rows


def hold_threads(count: int) -> None:
    """From now on this process scores and finds faces on `count` threads, so that several processes
    share the cores. Another count may change a logit by about 1e-9. A later Engine undoes it."""
    torch.set_num_threads(count)
