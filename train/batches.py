"""From a data set to batches: which samples stand together, and how they become tensors.

An epoch's batches are a function of the seed and the epoch alone, so a run that was cut goes on in
the middle of an epoch with the very batches that were left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from dfexplain.errors import DataError, SettingError

__all__ = ["Batch", "Batches", "Row", "Sample", "Samples", "loader"]


class Row(NamedTuple):
    """What one clip of a sample is: its video and track, the groups it shares with others, and its
    label."""

    video: str
    track: str
    source: str
    label: int


class Sample(NamedTuple):
    """K clips (K, T, 3, S, S) uint8, the forged share of each cell (K, G, G), where G may be 0, and
    what a teacher sees in their place: clips like them, or none (0,) where it sees the same."""

    clips: Tensor
    cells: Tensor
    taught: Tensor = torch.zeros(0, dtype=torch.uint8)


class Samples(Protocol):
    """A data set whose item i gives the clips of `rows[i * K : (i + 1) * K]`, K = `per_item`.

    An item is a function of (seed, epoch, index) alone. Where they are `kept` they stay in the
    memory of the process that made them, so no other should.
    """

    per_item: int
    kept: bool
    rows: list[Row]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random choices the next items use."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Batch(NamedTuple):
    """B clips (B, T, 3, S, S) uint8, their labels (B,), cells (B, G, G), row numbers (B,), and what
    a teacher sees in their place (see Sample)."""

    clips: Tensor
    labels: Tensor
    cells: Tensor
    rows: Tensor
    taught: Tensor = torch.zeros(0, dtype=torch.uint8)


class Batches(Sampler[list[int]]):
    """Lists of item numbers, one a step: this process's share of each global batch.

    Incomplete batches are left out, unless the whole epoch is shorter than one batch. `start` is
    the first step that is still wanted.
    """

    def __init__(
        self,
        data: Samples,
        batch_size: int,
        sampling: str,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        unit = world * (2 if sampling == "paired" else 1) * data.per_item
        if batch_size % unit:
            raise SettingError(
                f"data.batch_size must be a multiple of {unit} (processes, pairs), but got "
                f"{batch_size}. Correct the config."
            )
        self.labels = np.array([r.label for r in data.rows])[:: data.per_item]
        self.sources = np.array([r.source for r in data.rows])[:: data.per_item]
        self.sampling, self.seed, self.rank, self.world = sampling, seed, rank, world
        self.epoch = self.start = 0
        whole = len(self._order())
        unit //= data.per_item
        self.size = min(batch_size // data.per_item, whole // unit * unit)
        if not self.size:
            raise DataError(
                f"the training samples must fill a batch of {unit}, but got {whole}. Add videos."
            )
        self.steps = whole // self.size

    def _order(self) -> NDArray[np.int64]:
        """All items of the epoch in order."""
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.sampling == "shuffled":
            return rng.permutation(len(self.labels))
        real, fake = (rng.permutation(np.flatnonzero(self.labels == c)) for c in (0, 1))
        if self.sampling == "balanced":
            # An epoch is as long as without balance: the rarer class repeats, the other is thinned.
            half = len(self.labels) // 2
            sides = [np.resize(side, half) for side in (real, fake) if len(side)]
            return np.stack(sides, axis=1).ravel()
        partners = {s: real[self.sources[real] == s] for s in np.unique(self.sources[real])}
        pairs = [(rng.choice(partners[s]), f) for f in fake if (s := self.sources[f]) in partners]
        if not pairs:
            raise DataError(
                "paired sampling must find fakes with a real video of the same source, but found "
                "none. Set data.sampling=balanced."
            )
        return np.array(pairs).ravel()

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        share = self.size // self.world
        for step in range(self.start, self.steps):
            first = step * self.size + self.rank * share
            yield order[first : first + share].tolist()


class _Items(Dataset["tuple[int, Sample] | DataError"]):
    """Hands an error on as a value: a worker process would bury its message in a traceback."""

    def __init__(self, data: Samples) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[int, Sample] | DataError:
        try:
            return index, self.data[index]
        except DataError as error:
            return error


class _Collate:
    """Lays the clips of several items in one batch; an error takes the place of its batch."""

    def __init__(self, data: Samples) -> None:
        self.per_item = data.per_item
        self.labels = torch.tensor([float(r.label) for r in data.rows])

    def __call__(self, items: list[tuple[int, Sample] | DataError]) -> Batch | DataError:
        good = []
        for item in items:
            if isinstance(item, DataError):
                return item
            good.append(item)
        each = torch.arange(self.per_item)
        rows = torch.cat([index * self.per_item + each for index, _ in good])
        clips, cells, taught = (torch.cat(part) for part in zip(*(s for _, s in good), strict=True))
        return Batch(clips, self.labels[rows], cells, rows, taught)


def loader(
    data: Samples, batches: Sampler[list[int]] | list[list[int]], workers: int, *, pin: bool = False
) -> Iterator[Batch]:
    """The batches as tensors, made in `workers` processes ahead of time.

    Raises DataError naming the file that cannot be read.
    """
    # OpenCV's threads do not survive the fork of the workers, which would wait for ever.
    cv2.setNumThreads(0)
    for batch in DataLoader(
        _Items(data),
        batch_sampler=batches,
        collate_fn=_Collate(data),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
        # Drawn from here alone: the seeds that the workers get are not used, but would be taken
        # out of the random numbers of the training step.
        generator=torch.Generator(),
    ):
        if isinstance(batch, DataError):
            raise batch
        yield batch
