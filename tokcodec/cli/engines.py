"""Options of `tokcodec dataset` that say who does the work."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..datasets.engines import Engine

MAX_JOBS = 64
"""Threads of `datasets.bulk`, which has the same limit: to import it takes long."""


def engine_of(
    engine: str, workers: int | None, address: str | None, num_cpus: int, num_gpus: float
) -> Callable[[], Engine]:
    """Makes the engine. Raises click.UsageError for options of the other one."""
    if engine == "local":
        if address is not None or num_gpus:
            raise click.UsageError("--address and --num-gpus go with --engine ray.")

        def local() -> Engine:
            from ..cores import available
            from ..datasets.engines.local import Local

            return Local(workers or max(1, available() // num_cpus), num_cpus)

        return local

    def ray() -> Engine:
        from ..datasets.engines.ray import Ray, need_ray

        need_ray()
        return Ray(address, workers, num_cpus, num_gpus)

    return ray


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, handed to the command as `make_engine`, which makes the engine, and `jobs`.

    jobs: threads of a worker that read ahead. Where workers have a part of a GPU the command's device auto is cuda.
    """

    @functools.wraps(command)
    def collect(
        engine: str, workers: int | None, address: str | None, num_cpus: int, num_gpus: float, **options: Any
    ) -> Any:
        make_engine = engine_of(engine, workers, address, num_cpus, num_gpus)
        jobs = min(num_cpus, MAX_JOBS) if num_cpus > 1 else 0
        if num_gpus > 0 and options.get("device") == "auto":
            options["device"] = "cuda"
        return command(make_engine=make_engine, jobs=jobs, **options)

    for decorate in (
        click.option(
            "--num-gpus",
            type=click.FloatRange(0),
            default=0.0,
            metavar="N",
            help="With --engine ray: GPUs of a worker; 0.25 lets four share one.",
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
            "--address",
            metavar="ADDRESS",
            help="With --engine ray: auto, host:port or ray://host:port of a cluster; by default one is started here.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1),
            metavar="N",
            help="Shards at a time; by default as many as there are cores for.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Processes on this machine, or a Ray cluster.",
        ),
    ):
        collect = decorate(collect)
    return collect
