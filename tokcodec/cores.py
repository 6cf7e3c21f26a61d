"""The cores of this process: how many threads our work may use, and the pool of threads that shares it out.

Linear algebra on matrices of a tile's size gains nothing from the threads of BLAS, which wait for one another. So each
tile has one BLAS thread, and tiles run side by side. Settings of BLAS are changed only while our work runs.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

AHEAD = 2
"""Parts for each thread that `spread` begins before the first result is taken: bounds the memory."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def available() -> int:
    """Cores that this process may use."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Threads that our work may use: one for each core, or fewer where `at_most` or the caller's settings say so.

    Those are what BLAS is set to, by threadpoolctl or a variable such as OPENBLAS_NUM_THREADS, and OMP_NUM_THREADS.
    """
    numbers = [available(), _state.limit, *_state.blas.threads(), *_own_blas().threads()]
    asked = os.environ.get("OMP_NUM_THREADS", "")  # of a BLAS that threadpoolctl does not know
    return max(1, min([*numbers, int(asked)] if asked.isdecimal() else numbers))


@contextmanager
def at_most(number: int | None) -> Iterator[None]:
    """Let the whole process use at most so many threads for our work; None changes nothing."""
    before = _state.limit
    _state.limit = before if number is None else min(before, number)
    try:
        yield
    finally:
        _state.limit = before


@contextmanager
def turn() -> Iterator[None]:
    """Do some work on one core, with one BLAS thread; waits while as many others as `threads` are at work.

    Within a turn of the same thread it changes nothing. Work in a turn must not wait for another thread's turn.
    """
    if _thread.at_work:
        yield
        return
    state, number = _state, threads()
    with state.changed:
        state.changed.wait_for(lambda: state.at_work < number)
        state.at_work += 1
    _thread.at_work = True
    try:
        with state.blas, _own_blas():
            yield
    finally:
        _thread.at_work = False
        with state.changed:
            state.at_work -= 1
            state.changed.notify_all()


def spread(work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
    """The results of some work on each part, in their order, each in a turn of a thread of the pool.

    A single part, and work that is itself part of a turn, stays in the caller's thread.

    Args:
        work: must be safe to call from several threads at once.
        parts: what to call it with.

    Raises: what the work raises, in the turn of that part.
    """
    number = threads()
    if number == 1 or len(parts) == 1 or _thread.at_work:
        for part in parts:
            yield _in_turn(work, part)
        return
    pool, rest = _pool(number), iter(parts)
    waiting: deque[Future[Result]] = deque()
    try:
        while True:
            for part in islice(rest, AHEAD * number - len(waiting)):
                waiting.append(pool.submit(_in_turn, work, part))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _in_turn(work: Callable[[Part], Result], part: Part) -> Result:
    with turn():
        return work(part)


@cache
def _pool(number: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(number, thread_name_prefix="tokcodec")


class _Blas:
    """Libraries held to one thread while anybody is inside; their settings come back when the last one leaves."""

    def __init__(self, *, per_thread: bool) -> None:
        self.lock = threading.Lock()
        self._per_thread, self._inside, self._before = per_thread, 0, list[int]()

    def threads(self) -> list[int]:
        """The setting of each library when nobody is inside."""
        with self.lock:
            return self._before if self._inside else self._settings()

    def __enter__(self) -> None:
        with self.lock:
            if not self._inside:
                self._before = self._settings()
                self._set([1] * len(self._before))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self._inside -= 1
            if not self._inside:
                self._set(self._before)

    def let_go(self) -> None:
        """The settings as they were, whoever is inside."""
        if self._inside:
            self._set(self._before)

    def _settings(self) -> list[int]:
        return [library.num_threads for library in _libraries(self._per_thread)]

    def _set(self, numbers: list[int]) -> None:
        for library, number in zip(_libraries(self._per_thread), numbers, strict=True):
            # From version 3.8 on the first thread that sets a number keeps the others from it.
            release = getattr(library, "clear_controlling_thread", lambda force: None)
            release(force=True)
            library.set_num_threads(number)
            release(force=True)


@cache
def _libraries(per_thread: bool) -> list[Any]:
    """threadpoolctl's handles of the BLAS libraries that NumPy uses.

    per_thread: those with a setting for each thread, which are built on OpenMP; else those with one for all.
    """
    import numpy  # noqa: F401 (a library must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in found if (getattr(library, "threading_layer", "") == "openmp") == per_thread]


class _State:
    """What all threads share."""

    def __init__(self) -> None:
        self.limit = 1 << 16
        self.at_work = 0
        self.changed = threading.Condition()
        self.blas = _Blas(per_thread=False)


class _Thread(threading.local):
    """What each thread has of its own."""

    at_work = False
    blas: _Blas | None = None


_state = _State()
_thread = _Thread()


def _own_blas() -> _Blas:
    if _thread.blas is None:
        _thread.blas = _Blas(per_thread=True)
    return _thread.blas


def _after_fork() -> None:
    """In the child there are no other threads: what they had begun is undone, and nobody waits for it."""
    global _state
    _pool.cache_clear()
    limit = _state.limit
    _state.blas.let_go()
    _state = _State()
    _state.limit = limit
    _thread.at_work = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _state.blas.lock.acquire(),
        after_in_parent=lambda: _state.blas.lock.release(),
        after_in_child=_after_fork,
    )
