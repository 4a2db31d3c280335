"""What an export measures on: crops to look at, validation videos to score, words for the card.

Portraits and tables of crops of labelled videos offer the same: `Material`. To calibrate weights
that are there, videos to score are enough: `Scoring`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dfexplain.errors import DataError
from dfexplain.models import ModelConfig
from dfexplain.tracks import crop_face
from dfexplain.weights_folder import Weights
from train import card_data, made_clips
from train.card_data import Subject
from train.datasets import positions
from train.detecting import FileTask, Task, detect
from train.forgeries import RECIPES
from train.importers.files import locate
from train.pictures import read_crop
from train.portraits import Portrait
from train.records import CropRow, VideoRecord
from train.samples import PairDataset
from train.scores import ScoredVideo, score_crops

__all__ = ["Material", "PortraitMaterial", "Scoring", "TableMaterial", "VideoMaterial"]

Crops = NDArray[np.uint8]
SEEDS = {"train": 8_002, "val": 8_003}
# Crops looked at of one track: neighbours say the same thing again.
A_TRACK = 4
AS_THE_APP = "as the app scores a file"


class Scoring(Protocol):
    """Videos that a calibration may stand on."""

    def score(self, weights: Weights, workers: int) -> Iterator[ScoredVideo]:
        """The validation videos, scored by a weights folder, in a fixed order."""

    def measured_on(self, kept: Sequence[ScoredVideo]) -> str:
        """What the scored videos are, in one sentence."""

    def subject(self) -> Subject:
        """The words of the card."""


class Material(Scoring, Protocol):
    """The data of one run."""

    def crops(self, split: str, config: ModelConfig, limit: int) -> Iterator[tuple[Crops, int]]:
        """Crops (N, S, S, 3) of one class with their label; about `limit` of them in all, spread
        over the people of "train" or "val". N is a whole clip where the model wants clips."""

    def unworn(self, config: ModelConfig, limit: int) -> Crops:
        """At most `limit` crops (N, S, S, 3) of training people as a good camera sees them; none
        where the data are videos, whose wear is their own."""


def _counts(kept: Sequence[ScoredVideo]) -> tuple[int, int]:
    labels = Counter(s.record.label for s in kept)
    return labels[0], labels[1]


def _in_words(kept: Sequence[ScoredVideo], which: str, how: str) -> str:
    reals, fakes = _counts(kept)
    sets = ", ".join(sorted({s.record.dataset for s in kept}))
    return (
        f"{len(kept)} videos of {which}{sets:.400} ({reals} real, {fakes} fake), scored {how}. Not "
        "measured on forgeries and cameras of other kinds."
    )


@dataclass(frozen=True)
class PortraitMaterial:
    """Portraits: crops and clips are made of them. The card tells the number of `test` people, and
    the recipe that was `left_out` of the training."""

    train: list[Portrait]
    val: list[Portrait]
    test: int | None = None
    left_out: str = ""

    def crops(self, split: str, config: ModelConfig, limit: int) -> Iterator[tuple[Crops, int]]:
        """See `Material`."""
        people = self.train if split == "train" else self.val
        pairs = PairDataset(people, config, seed=SEEDS[split])
        count = min(max(1, limit // 2), len(pairs))
        chosen = np.unique(np.linspace(0, len(pairs) - 1, count).astype(int))
        both = np.stack([pairs[int(i)][0].numpy().transpose(0, 2, 3, 1) for i in chosen])
        for label in (0, 1):
            yield both[:, label], label

    def unworn(self, config: ModelConfig, limit: int) -> Crops:
        """See `Material`."""
        chosen = np.unique(np.linspace(0, len(self.train) - 1, limit).astype(int))
        faces = [(self.train[i].rgb, self.train[i].box_xyxy) for i in chosen]
        return np.stack([crop_face(*f, config.crop_margin, config.crop_px) for f in faces])

    def score(self, weights: Weights, workers: int) -> Iterator[ScoredVideo]:
        """See `Material`."""
        clips = (made_clips.CALIBRATION, made_clips.FILMED_CALIBRATION)
        tasks = [task for chosen in clips for task in made_clips.tasks(self.val, chosen)]
        yield from detect(weights.folder, tasks, workers)

    def measured_on(self, kept: Sequence[ScoredVideo]) -> str:
        """See `Material`."""
        reals, fakes = _counts(kept)
        people = len({s.record.identities for s in kept})
        return (
            f"{len(kept)} made clips of {people} people who were not trained on ({reals} untouched,"
            f" {fakes} forged by {len(RECIPES)} recipes; moving portraits, half of them as drawn "
            "cameras film them, H.264 CRF 18 to 30). No deepfakes of others were among them."
        )

    def subject(self) -> Subject:
        """See `Material`."""
        return card_data.portraits(self.train, self.val, test=self.test, left_out=self.left_out)


@dataclass(frozen=True)
class TableMaterial:
    """Crops tables of labelled videos. With `video_root`, below which the videos lie, they are
    scored as the app scores a file; without it, their crops are."""

    train: list[CropRow]
    val: list[CropRow]
    image_root: Path
    video_root: Path | None = None
    terms: Mapping[str, str] = field(default_factory=dict)
    licence: str = "other"

    def crops(self, split: str, config: ModelConfig, limit: int) -> Iterator[tuple[Crops, int]]:
        """See `Material`. Raises DataError for a picture that cannot be read."""
        rows = self.train if split == "train" else self.val
        tracks: dict[tuple[str, str], list[CropRow]] = defaultdict(list)
        for row in rows:
            tracks[row.video.key, row.track].append(row)
        names = sorted(tracks)
        size = config.clip_frames if config.clip_frames > 1 else A_TRACK
        count = min(max(1, limit // size), len(names))
        for i in np.unique(np.linspace(0, len(names) - 1, count).astype(int)):
            track = sorted(tracks[names[i]], key=lambda row: row.frame_index)
            places = positions(len(track), size, stride=int(config.clip_frames > 1))
            if config.clip_frames == 1:
                places = np.unique(places)
            pictures = [self._read(track[place], config.crop_px) for place in places]
            yield np.stack(pictures), int(track[0].video.label or 0)

    def _read(self, row: CropRow, side: int) -> Crops:
        picture = read_crop(self.image_root / row.file, side)
        if picture is None:
            raise DataError(
                f"crops must be readable pictures, but got '{row.file}'. Extract it again."
            )
        return picture

    def unworn(self, config: ModelConfig, limit: int) -> Crops:
        """See `Material`."""
        return np.zeros((0, config.crop_px, config.crop_px, 3), np.uint8)

    def _videos(self, rows: Sequence[CropRow]) -> list[VideoRecord]:
        return list({row.video.key: row.video for row in rows}.values())

    def score(self, weights: Weights, workers: int) -> Iterator[ScoredVideo]:
        """See `Material`."""
        if self.video_root is None:
            yield from score_crops(weights, self.val, self.image_root)
            return
        videos = VideoMaterial(self._videos(self.val), self.video_root)
        yield from videos.score(weights, workers)

    def measured_on(self, kept: Sequence[ScoredVideo]) -> str:
        """See `Material`."""
        how = "from their crops" if self.video_root is None else AS_THE_APP
        return _in_words(kept, "the validation split of ", how)

    def subject(self) -> Subject:
        """See `Material`."""
        videos = self._videos(self.train), self._videos(self.val)
        return card_data.videos(*videos, self.terms, self.licence)


@dataclass(frozen=True)
class VideoMaterial:
    """Labelled videos below `root`, scored as the app scores a file. Implements `Scoring`."""

    videos: list[VideoRecord]
    root: Path

    def score(self, weights: Weights, workers: int) -> Iterator[ScoredVideo]:
        """See `Scoring`."""
        tasks: list[Task] = [FileTask(v, locate(self.root, v.path)) for v in self.videos]
        yield from detect(weights.folder, tasks, workers)

    def measured_on(self, kept: Sequence[ScoredVideo]) -> str:
        """See `Scoring`."""
        return _in_words(kept, "", AS_THE_APP)

    def subject(self) -> Subject:
        """See `Scoring`."""
        return card_data.videos([], self.videos, {})
