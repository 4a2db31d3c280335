"""One process or many: `torchrun --nproc-per-node N -m -- train fit ...` runs one on each device.

(The two dashes keep torchrun from taking `--run` for an option of its own.)
Each process takes its share of every global batch and gradients are averaged, so N processes learn
what one would (Li et al., PyTorch Distributed, VLDB 2020). Process 0 alone writes files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dfexplain.errors import SettingError

__all__ = ["Here", "group", "pick_device"]


@dataclass(frozen=True)
class Here:
    """This process: its number among `world`, and its device."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """A module whose backward pass averages gradients over the processes.

        To be called anew whenever other weights are to learn: it sees those that learn now.
        """
        if self.world == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids)

    def total(self, part: Tensor) -> Tensor:
        """The sum of the processes' tensors of one shape."""
        whole = part.clone()
        if self.world > 1:
            dist.all_reduce(whole)
        return whole

    def gather(self, part: Any) -> list[Any]:
        """Every process's object, in the order of the processes."""
        parts = [part] * self.world
        if self.world > 1:
            dist.all_gather_object(parts, part)
        return parts

    def agree(self, wish: bool) -> bool:
        """What process 0 wishes."""
        return bool(self.gather(wish)[0])

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give every process those of process 0, in place."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)


def pick_device(wanted: str, local_rank: int = 0) -> torch.device:
    """`auto` takes a CUDA device where there is one. Raises SettingError for one that is not."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise SettingError("run.device must be at hand, but got 'cuda'. Set run.device=auto.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank)


@contextmanager
def group(wanted: str) -> Iterator[Here]:
    """Join the other processes that torchrun started, if it did: NCCL on CUDA, Gloo on CPUs."""
    if not dist.is_torchelastic_launched():
        yield Here(0, 1, pick_device(wanted))
        return
    device = pick_device(wanted, int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Here(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
