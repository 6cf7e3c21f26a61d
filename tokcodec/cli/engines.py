"""Options of `tokcodec dataset` that choose the workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .bundles import bundled

if TYPE_CHECKING:
    from ..datasets.engines import Engine

MAX_JOBS = 64
"""At most this many threads per worker, as in `datasets.bulk`, whose import takes long."""


@dataclass(frozen=True)
class WorkerPool:
    """The workers of a run. Raises click.UsageError for options of the other engine."""

    engine: str
    """"local" or "ray"."""
    workers: int | None
    """Number of workers, each with a shard at a time. None: the cores divided by `num_cpus`, or Ray's choice."""
    address: str | None
    """Address of a Ray cluster. None: one is started."""
    num_cpus: int
    """Cores of a worker."""
    num_gpus: float
    """GPUs of a worker, 0.25 for a quarter of one. Ray only."""

    def __post_init__(self) -> None:
        if self.engine == "local" and (self.address is not None or self.num_gpus):
            raise click.UsageError("--address and --num-gpus need --engine ray.")

    @property
    def jobs(self) -> int:
        """Number of threads of a worker that read ahead."""
        return min(self.num_cpus, MAX_JOBS) if self.num_cpus > 1 else 0

    def device(self, device: str) -> str:
        """The device of the workers: "cuda" instead of "auto" if they have a share of a GPU."""
        return "cuda" if self.num_gpus > 0 and device == "auto" else device

    def start(self) -> Engine:
        """Start the engine.

        Raises:
            MissingPackageError: Ray is not installed.
            EngineError: the cluster cannot be reached or started.
        """
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
        help="Use processes on this machine, or a Ray cluster.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Number of workers, each with a shard at a time. Default: cores / --num-cpus.",
    ),
    click.option(
        "--address",
        metavar="ADDRESS",
        help="With --engine ray: auto, host:port or ray://host:port of a cluster. Default: start one here.",
    ),
    click.option(
        "--num-cpus",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="Cores per worker. With more than one it reads ahead.",
    ),
    click.option(
        "--num-gpus",
        type=click.FloatRange(0),
        default=0.0,
        metavar="N",
        help="With --engine ray: GPUs per worker. With 0.25 four workers share one.",
    ),
)
