"""Runs tasks in processes on this machine. Each process uses `cpus` threads, so that they do not compete for cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ...errors import EngineError
from . import Result, Task


@dataclass(frozen=True)
class Local:
    """The engine of local processes."""

    workers: int
    """Number of processes."""
    cpus: int = 1
    """Number of threads of each."""

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """See `Engine`."""
        context = multiprocessing.get_context("spawn")  # forks would inherit threads and locks
        ended, end = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            min(self.workers, max(len(tasks), 1)), context, initializer=_prepare, initargs=(ended, self.cpus)
        )
        try:
            with _interrupts_blocked():
                waiting = {pool.submit(function, task) for task in tasks}  # starts the workers
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise EngineError("a worker died (killed, or out of memory); repeat the command to resume") from error
        finally:
            end.close()  # ends the workers at once
            ended.close()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Workers started in this block ignore Ctrl-C, which reaches the whole process group. Their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # delivers a signal that arrived in the block


def _prepare(ended: Connection, cpus: int) -> None:
    """Prepare a worker before it imports NumPy and torch."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus))  # torch and NumPy's library heed it, and so does `cores`
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where `_interrupts_blocked` has no effect
    threading.Thread(target=_end_with, args=(ended,), daemon=True).start()


def _end_with(ended: Connection) -> None:
    """End this process when its parent closes its end of the pipe, or dies."""
    ended.poll(None)
    os._exit(1)
