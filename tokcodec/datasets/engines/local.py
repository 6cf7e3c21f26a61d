"""Processes on this machine. Each has one core, so that many of them do not fight for the cores."""

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
    """workers: processes; cpus: threads that each may use."""

    workers: int
    cpus: int = 1

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """See `Engine`."""
        context = multiprocessing.get_context("spawn")  # forks would inherit threads and locks
        ended, end = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            min(self.workers, max(len(tasks), 1)), context, initializer=_prepare, initargs=(ended, self.cpus)
        )
        try:
            with _deaf_to_interrupts():
                waiting = {pool.submit(function, task) for task in tasks}  # starts the workers
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise EngineError("a worker died: killed, or out of memory; the same command goes on from here") from error
        finally:
            end.close()  # the workers end at once, whatever they are at
            ended.close()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started in here are deaf to Ctrl-C from their first moment: it reaches the whole group, and who started
    them ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # one that came meanwhile is delivered now


def _prepare(ended: Connection, cpus: int) -> None:
    """In a worker, before it imports what computes."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus))  # torch and NumPy's library heed it, and so does `cores`
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where `_deaf_to_interrupts` cannot do it
    threading.Thread(target=_end_with, args=(ended,), daemon=True).start()


def _end_with(ended: Connection) -> None:
    """End when the process that started us closes its end of the pipe, or dies."""
    ended.poll(None)
    os._exit(1)
