"""Runs tasks on a Ray cluster. Ray repeats a task if its worker or machine is lost."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from ...cores import available
from ...errors import EngineError, need, reason
from . import Result, Task

RETRIES = 3
REACH_SECONDS = 10
STORE_BYTES = 100 << 20
"""Size of the object store of a cluster that is started for the run. Tasks and outcomes are small."""


@dataclass(frozen=True)
class Ray:
    """The engine of a Ray cluster."""

    address: str | None = None
    """Address of a cluster: "auto", host:port or ray://host:port. None: start one with `workers` times `cpus` cores."""
    workers: int | None = None
    """Number of simultaneous tasks. None: all that the cluster has room for."""
    cpus: float = 1
    """Cores of a task."""
    gpus: float = 0
    """GPUs of a task."""

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """See `Engine`. Raises MissingPackageError if Ray is not installed."""
        ray = need_ray()
        started = self._connect(ray)
        remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=RETRIES)(function)
        waiting = deque(tasks)
        running: dict[Any, Task] = {}
        try:
            while waiting or running:
                while waiting and len(running) < (self.workers or len(tasks)):
                    task = waiting.popleft()
                    running[remote.remote(task)] = task
                (done,), _ = ray.wait(list(running), num_returns=1)
                task = running.pop(done)
                try:
                    result: Result = ray.get(done)
                except ray.exceptions.RayTaskError:
                    raise  # an exception of the function
                except ray.exceptions.RayError as error:
                    lost = f"its worker was lost {RETRIES + 1} times ({type(error).__name__})"
                    raise EngineError(f"{task.name}: {lost}; repeat the command to resume") from error
                yield result
        finally:
            if started:
                ray.shutdown()
            else:
                for left in running:
                    ray.cancel(left, force=True)

    def _connect(self, ray: Any) -> bool:
        """Whether a connection was made. Raises EngineError."""
        if ray.is_initialized():
            return False
        where = self.address or "a cluster on this machine"
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        if self.address is None:
            total = max(1, round((self.workers or available()) * self.cpus))
            options |= {"num_cpus": total, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        try:
            if self.address is not None:
                found = _find(self.address)
                where = self.address if found == self.address else f"{self.address} ({found})"
                _reach(found)
            ray.init(self.address or "local", **options)
        except Exception as error:  # a timeout at the start is a plain Exception
            text = re.split(r"[.;] |\n", reason(error))[0]
            raise EngineError(f"{where}: no Ray cluster can be reached: {text}") from error
        if self.address is None and (there := ray.cluster_resources().get("GPU", 0)) < self.gpus:
            ray.shutdown()  # it would wait forever for another machine
            raise EngineError(f"--num-gpus {self.gpus:g}: Ray finds {there:g} GPUs on this machine")
        return True


def need_ray() -> Any:
    """Import Ray. Raises MissingPackageError if it is not installed."""
    need("ray", "--engine ray", extra="ray")
    import ray

    return ray


def _find(address: str) -> str:
    """The address that Ray finds for "auto", perhaps of a dead cluster. Raises ConnectionError if there is none."""
    if address != "auto":
        return address
    from ray._private.services import get_ray_address_from_environment

    return str(get_ray_address_from_environment(address, None))


def _reach(address: str) -> None:
    """Raise OSError if nothing listens there. Ray would wait for a minute and print pages of text."""
    match = re.fullmatch(r"(?:ray://)?([^/:]+):(\d+)/?", address)
    if match:
        socket.create_connection((match[1], int(match[2])), timeout=REACH_SECONDS).close()
