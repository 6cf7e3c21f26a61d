"""The cores of this process: the number of threads for our work, and the pool that distributes it.

Linear algebra on matrices of a tile's size gains nothing from the threads of BLAS, which wait for one another. So each
tile has one BLAS thread, and tiles run in parallel. The settings of BLAS are changed only while our work runs.
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
"""Number of parts per thread that `spread` starts ahead of the caller. It bounds the memory."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def available() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Number of threads for our work: one per core, or fewer by `at_most` or the caller's settings.

    The caller's settings are the number of threads of BLAS, set by threadpoolctl or a variable such as
    OPENBLAS_NUM_THREADS, and OMP_NUM_THREADS.
    """
    numbers = [available(), _state.limit, *_state.blas.threads(), *_own_blas().threads()]
    setting = os.environ.get("OMP_NUM_THREADS", "")  # for a BLAS that threadpoolctl does not know
    return max(1, min([*numbers, int(setting)] if setting.isdecimal() else numbers))


def blas_kernels() -> set[str]:
    """Names of the processors whose kernels NumPy's OpenBLAS uses, such as "Haswell". Empty with another BLAS."""
    libraries = [*_libraries(per_thread=False), *_libraries(per_thread=True)]
    return {getattr(library, "architecture", None) or "" for library in libraries} - {""}


@contextmanager
def at_most(number: int | None) -> Iterator[None]:
    """Limit the threads of the whole process for our work to `number`. None changes nothing."""
    before = _state.limit
    _state.limit = before if number is None else min(before, number)
    try:
        yield
    finally:
        _state.limit = before


@contextmanager
def turn() -> Iterator[None]:
    """Do the work of the block on one core, with one BLAS thread. Waits while `threads()` other turns are running.

    A turn within a turn of the same thread changes nothing. Work in a turn must not wait for another thread's turn.
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
    """Call `work` on each part in the threads of the pool, each in a turn, and yield the results in order.

    A single part, and work that runs within a turn already, stays in the caller's thread. An exception of a part is
    raised in place of its result.

    Args:
        work: called with a part. Several threads call it at once.
        parts: the parts.
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
    """Limits libraries to one thread while a thread is inside, and restores their settings when the last one leaves.

    Args:
        per_thread: for libraries with a setting for each thread; otherwise for those with one for all threads.
    """

    def __init__(self, *, per_thread: bool) -> None:
        self.lock = threading.Lock()
        self._per_thread, self._inside, self._before = per_thread, 0, list[int]()

    def threads(self) -> list[int]:
        """The setting of each library outside of our work."""
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
        """Restore the settings, even if threads are inside."""
        if self._inside:
            self._set(self._before)

    def _settings(self) -> list[int]:
        return [library.num_threads for library in _libraries(self._per_thread)]

    def _set(self, numbers: list[int]) -> None:
        for library, number in zip(_libraries(self._per_thread), numbers, strict=True):
            # From version 3.8 on only the first thread that sets a number may change it again.
            release = getattr(library, "clear_controlling_thread", lambda force: None)
            release(force=True)
            library.set_num_threads(number)
            release(force=True)


@cache
def _libraries(per_thread: bool) -> list[Any]:
    """threadpoolctl's handles of the BLAS libraries that NumPy uses.

    Args:
        per_thread: return those with a setting for each thread, which are built on OpenMP; otherwise those with one
            setting for all threads.
    """
    import numpy  # noqa: F401 (only loaded libraries are found)
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in libraries if (getattr(library, "threading_layer", "") == "openmp") == per_thread]


class _State:
    """The state that all threads share."""

    def __init__(self) -> None:
        self.limit = 1 << 16
        self.at_work = 0
        self.changed = threading.Condition()
        self.blas = _Blas(per_thread=False)


class _Thread(threading.local):
    """The state of each thread."""

    at_work = False
    blas: _Blas | None = None


_state = _State()
_thread = _Thread()


def _own_blas() -> _Blas:
    if _thread.blas is None:
        _thread.blas = _Blas(per_thread=True)
    return _thread.blas


def _after_fork() -> None:
    """Reset the state in the child, which has none of the other threads."""
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
