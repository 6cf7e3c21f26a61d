"""Options of `tokcodec dataset` that say who does the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .bundles import bundled

if TYPE_CHECKING:
    from ..datasets.engines import Engine

MAX_JOBS = 64
"""Threads of `datasets.bulk`, which has the same limit: to import it takes long."""


@dataclass(frozen=True)
class WorkerPool:
    """Who does the work. Raises click.UsageError for options of the other engine."""

    engine: str
    workers: int | None
    address: str | None
    num_cpus: int
    num_gpus: float

    def __post_init__(self) -> None:
        if self.engine == "local" and (self.address is not None or self.num_gpus):
            raise click.UsageError("--address and --num-gpus go with --engine ray.")

    @property
    def jobs(self) -> int:
        """Threads of a worker that read ahead."""
        return min(self.num_cpus, MAX_JOBS) if self.num_cpus > 1 else 0

    def device(self, device: str) -> str:
        """The device of the workers: where they have a part of a GPU, auto is cuda."""
        return "cuda" if self.num_gpus > 0 and device == "auto" else device

    def start(self) -> Engine:
        """The engine. Raises MissingPackageError or EngineError."""
        if self.engine == "local":
            from ..cores import available
            from ..datasets.engines.local import Local

            return Local(self.workers or max(1, available() // self.num_cpus), self.num_cpus)
        from ..datasets.engines.ray import Ray, need_ray

        need_ray()
        return Ray(self.address, self.workers, self.num_cpus, self.num_gpus)


engine_options = bundled(
    "pool",
    WorkerPool,
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Processes on this machine, or a Ray cluster.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Shards at a time; by default as many as there are cores for.",
    ),
    click.option(
        "--address",
        metavar="ADDRESS",
        help="With --engine ray: auto, host:port or ray://host:port of a cluster; by default one is started here.",
    ),
    click.option(
        "--num-cpus",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="Cores of a worker; with more than one it reads ahead.",
    ),
    click.option(
        "--num-gpus",
        type=click.FloatRange(0),
        default=0.0,
        metavar="N",
        help="With --engine ray: GPUs of a worker; 0.25 lets four share one.",
    ),
)
