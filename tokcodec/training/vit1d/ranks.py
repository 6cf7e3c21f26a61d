"""The processes of one training: torchrun starts them, each with a number (its rank) and a part of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ...tokenizers import torch_device
from ..journal import Journal

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Ranks:
    """This process among all processes of the training."""

    device: torch.device
    """Where it computes."""
    rank: int = 0
    """Its number, from 0."""
    world: int = 1
    """Number of processes."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(x)
        return x

    def wrap(self, module: M) -> nn.Module:
        """The module, which averages its gradients over all processes."""
        return module if self.world == 1 else DistributedDataParallel(module, broadcast_buffers=False)

    def shared(self, value: Any) -> Any:
        """The first process's value, in all processes: tensors, numbers, lists and dictionaries."""
        values = [value]
        if self.world > 1:
            distributed.broadcast_object_list(values)
        return values[0]


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the other processes that torchrun has started, if any, for the time of a block.

    Args:
        device: auto, cpu, cuda or cuda:N. With several processes auto and cuda are one device for each of a machine.

    Raises:
        DeviceError: the device is missing.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    place = torch_device(device)
    if world == 1:
        yield Ranks(place)
        return
    if place.type == "cuda" and ":" not in device:
        place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Ranks(place, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()


class SharedJournal(Journal):
    """The journal of a run of several processes: the first one writes, and all begin with its checkpoint.

    Args:
        folder: folder of the run.
        ranks: this process.
    """

    def __init__(self, folder: Path, ranks: Ranks) -> None:
        super().__init__(folder, "log", "checkpoint")
        self.folder, self._ranks = folder, ranks

    def record(self, **values: object) -> None:
        if self._ranks.first:
            super().record(**values)

    def save(self, state: Mapping[str, Any]) -> None:
        if self._ranks.first:
            super().save(state)

    def load(self) -> dict[str, Any] | None:
        state: dict[str, Any] | None = self._ranks.shared(super().load() if self._ranks.first else None)
        return state
