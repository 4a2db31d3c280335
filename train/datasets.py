"""What is trained on: cropped faces of labelled videos, or forgeries made from portraits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from dfexplain.errors import DataError, OneClassFold, SettingError
from train import splits
from train.augment import draw_wear, geometry_and_colour
from train.batches import Row, Sample, Samples
from train.config import FitConfig
from train.pictures import read_crop
from train.portraits import Portrait
from train.records import CropRow
from train.samples import PairDataset

__all__ = ["CropsData", "CropsDataset", "PortraitsData", "TrainingData", "positions"]

VALIDATION_SEED = 7_001
VALIDATION_DRAWS = 3


def positions(
    count: int, frames: int, stride: int = 0, rng: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """Which of `count` crops of a track make a clip of `frames`: (frames,) in time order.

    Stride 0 takes one out of each equal part of the track, else every `stride`-th in a row. `rng`
    draws where; without it the middles are taken. A short track is padded by repeating.
    """
    if stride == 0:
        within = np.full(frames, 0.5) if rng is None else rng.random(frames)
        return np.minimum(
            ((np.arange(frames) + within) * count / frames).astype(np.int64), count - 1
        )
    room = max(0, count - 1 - (frames - 1) * stride)
    first = room // 2 if rng is None else int(rng.integers(room + 1))
    return np.minimum(first + stride * np.arange(frames), count - 1)


def _read(path: Path, side: int) -> NDArray[np.uint8]:
    """A crop as RGB (S, S, 3). Raises DataError naming the file."""
    rgb = read_crop(path, side)
    if rgb is None:
        raise DataError(
            f"crops must be readable pictures, but got '{path}'. Extract it again or take its row "
            "out of the table."
        )
    return rgb


def _tracks(crops: Sequence[CropRow]) -> list[list[CropRow]]:
    """Crops by track in time order; in table order where the time is not known."""
    tracks: dict[tuple[str, str], list[CropRow]] = {}
    for crop in crops:
        if crop.video.label is None:
            raise DataError(
                f"videos to fit on must have a label, but {crop.video.key} has none. "
                "Take it out of the table."
            )
        tracks.setdefault((crop.video.key, crop.track), []).append(crop)
    return [sorted(track, key=lambda c: c.frame_index) for track in tracks.values()]


def _some_videos(crops: Sequence[CropRow], limit: int, seed: int) -> list[CropRow]:
    """The crops of at most `limit` videos of each class, drawn by `seed` (0: all)."""
    if not limit:
        return list(crops)
    rng = np.random.default_rng(seed)
    kept: set[str] = set()
    for label in (0, 1):
        keys = sorted({c.video.key for c in crops if c.video.label == label})
        kept.update(keys[i] for i in rng.permutation(len(keys))[:limit])
    return [c for c in crops if c.video.key in kept]


class CropsDataset:
    """Frames (T = 1: each crop is an item) or clips (T > 1: each track is an item) of a table.

    Training draws positions and changes by (seed, epoch, index); validation takes fixed positions
    and leaves the crops as they are. A picture that cannot be read is a DataError that names it.
    """

    per_item, kept = 1, False

    def __init__(
        self, crops: Sequence[CropRow], image_root: Path, config: FitConfig, *, training: bool
    ) -> None:
        limit = config.data.max_videos_per_class if training else 0
        tracks = _tracks(_some_videos(crops, limit, config.run.seed))
        if config.data.frames_per_track:
            most = config.data.frames_per_track
            tracks = [[t[i] for i in positions(len(t), min(most, len(t)))] for t in tracks]
        self.frames = config.model.clip_frames
        self.items = tracks if self.frames > 1 else [[crop] for t in tracks for crop in t]
        firsts = [item[0] for item in self.items]
        sources = _sources(firsts) if training else _clusters(firsts)
        self.rows = [
            Row(c.video.key, c.track, source, int(c.video.label or 0))
            for c, source in zip(firsts, sources, strict=True)
        ]
        self.image_root, self.config, self.training = image_root, config, training
        self.change = geometry_and_colour(config.augmentation) if training else v2.Identity()
        # Shared memory: workers that live on through the epochs must see the change.
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random choices the next items use."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        data, model = self.config.data, self.config.model
        rng = np.random.default_rng((self.config.run.seed, int(self._epoch[0]), index))
        jitter = rng if self.training and data.jitter else None
        track = self.items[index]
        places = positions(len(track), self.frames, data.stride, jitter)
        frames = [_read(self.image_root / track[i].file, model.crop_px) for i in places]
        if self.training and rng.random() < self.config.augmentation.wear:
            face_px = model.crop_px / (1.0 + 2.0 * model.crop_margin)
            frames = draw_wear(rng, moving=data.moving).apply(frames, face_px)
        clip = torch.from_numpy(np.stack(frames).transpose(0, 3, 1, 2).copy())  # (T, 3, S, S)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(rng.integers(2**62)))
            clip = self.change(clip)
        return Sample(clip[None], torch.zeros(1, 0, 0))


def _sources(crops: list[CropRow]) -> list[str]:
    """The recordings that the crops' videos were made from: what paired batches match."""
    return [c.video.source_id or c.video.key for c in crops]


def _clusters(crops: list[CropRow]) -> list[str]:
    """The first video of each crop's group of shared people and sources: what intervals cluster."""
    videos = list({c.video.key: c.video for c in crops}.values())
    first = {v.key: group[0].key for group in splits.groups(videos) for v in group}
    return [first[c.video.key] for c in crops]


class PortraitSamples:
    """Each portrait gives a real and a forged frame (`samples.PairDataset`), worn alike.

    With `draws` epochs laid end to end it is a validation set whose pairs are made once and kept.
    """

    per_item = 2

    def __init__(
        self, portraits: list[Portrait], config: FitConfig, seed: int, draws: int = 0
    ) -> None:
        asked = config.data
        if draws:  # What validates is drawn and worn as the made clips are, cameras apart.
            asked = replace(asked, reshaped=False, hard_wear=0.0, favoured="", before_camera=False)
        self.pairs = PairDataset(portraits, config.model, seed=seed, data=asked)
        self.kept = draws > 0
        self._made: dict[int, Sample] = {}
        self.rows = [
            Row(f"{p.file}#{draw}/{name}", "A", p.identity, label)
            for draw in range(max(1, draws))
            for p in portraits
            for label, name in enumerate(("real", "forged"))
        ]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random choices the next items use."""
        self.pairs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.rows) // 2

    def __getitem__(self, index: int) -> Sample:
        if index in self._made:
            return self._made[index]
        draw, portrait = divmod(index, len(self.pairs))
        if self.kept:
            self.pairs.set_epoch(draw)
        pair, cells, taught = self.pairs[portrait]
        where = torch.stack([torch.zeros_like(cells), cells])
        made = Sample(pair[:, None], where, taught[:, None] if taught.numel() else taught)
        if self.kept:
            self._made[index] = made
        return made


@dataclass(frozen=True)
class CropsData:
    """Two crops tables, which share no person and no source, and where their pictures lie."""

    train: list[CropRow]
    val: list[CropRow]
    image_root: Path

    def training(self, config: FitConfig) -> Samples:
        """The training samples. Raises OneClassFold if they are all real or all fake, SettingError
        for a mask head, which tables cannot teach."""
        if config.model.mask_head:
            raise SettingError(
                "model.mask_head must be false for tables of crops, but got true: they do not say "
                "where a crop is forged. Train on portraits, or set model.mask_head=false."
            )
        return _both("train", CropsDataset(self.train, self.image_root, config, training=True))

    def validation(self, config: FitConfig) -> Samples:
        """The validation samples. Raises OneClassFold if they are all real or all fake."""
        return _both("val", CropsDataset(self.val, self.image_root, config, training=False))

    def digest(self) -> str:
        """Names the tables: a run resumes on the data that it began with."""
        return _digest([repr(self.train), repr(self.val)])


@dataclass(frozen=True)
class PortraitsData:
    """Portraits of real people, from which forgeries are made while training."""

    train: list[Portrait]
    val: list[Portrait]

    def training(self, config: FitConfig) -> Samples:
        """Pairs that are new in each epoch."""
        return PortraitSamples(self.train, config, config.run.seed)

    def validation(self, config: FitConfig) -> Samples:
        """Pairs that are the same at every call."""
        return PortraitSamples(self.val, config, VALIDATION_SEED, VALIDATION_DRAWS)

    def digest(self) -> str:
        """Names the portraits: a run resumes on the data that it began with."""
        return _digest([p.file for p in (*self.train, *self.val)])


TrainingData = CropsData | PortraitsData


def _both(split: str, data: CropsDataset) -> CropsDataset:
    fakes = sum(row.label for row in data.rows)
    if not 0 < fakes < len(data.rows):
        raise OneClassFold(
            f"{split} must hold real and fake videos, but got {len(data.rows) - fakes} real and "
            f"{fakes} fake samples. Split the data set again."
        )
    return data


def _digest(names: list[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
