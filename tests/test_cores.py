"""Cores: never more working threads than cores, the caller's BLAS settings are restored, results are in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from tokcodec import cores


def numpy_blas() -> list[Any]:
    """threadpoolctl's handle of the BLAS in NumPy's wheel, none with another NumPy. SciPy's wheel has its own."""
    found = ThreadpoolController().select(user_api="blas", prefix="libscipy_openblas").lib_controllers
    return [library for library in found if "numpy.libs" in library.filepath]


def blas() -> int:
    """Threads of NumPy's BLAS."""
    (library,) = numpy_blas()
    return int(library.num_threads)


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Simulate four cores that BLAS may use, on any machine and in any environment."""
    if not numpy_blas():
        pytest.skip("NumPy has another BLAS here than its wheels for Linux")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cores, "available", lambda: 4)
    with threadpool_limits(4, "blas"):
        yield


class Crowd:
    """Counts how many are at work at a time."""

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def work(self, part: int) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        assert blas() == 1
        with self.lock:
            self.now -= 1
        return part * part


def test_results_in_order_by_all_cores() -> None:
    crowd = Crowd()
    assert list(cores.spread(crowd.work, range(40))) == [part * part for part in range(40)]
    assert 2 <= crowd.most <= 4 and blas() == 4


def test_callers_share_the_cores() -> None:
    """Eight callers have no more threads at work than one; so has work that spreads its own parts."""
    crowd = Crowd()

    def call(part: int) -> int:
        return sum(cores.spread(crowd.work, range(part)))

    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(call, range(8))) == [sum(i * i for i in range(part)) for part in range(8)]
    assert list(cores.spread(call, range(8))) == [sum(i * i for i in range(part)) for part in range(8)]
    assert crowd.most <= 4 and blas() == 4


def test_little_is_begun_ahead() -> None:
    begun: list[int] = []
    results = cores.spread(lambda part: begun.append(part), range(100))
    for _ in range(3):
        next(results)
    time.sleep(0.02)
    assert len(begun) <= 3 + 4 * cores.AHEAD
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.02)
    assert len(begun) <= 3 + 4 * cores.AHEAD


@pytest.mark.parametrize("number", [1, 2])
def test_who_has_set_fewer_threads_gets_no_more(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def used() -> int:
        crowd = Crowd()
        list(cores.spread(crowd.work, range(20)))
        assert crowd.most <= number
        return cores.threads()

    with threadpool_limits(number, "blas"):
        assert used() == number and blas() == number
    with cores.at_most(number), cores.at_most(None), cores.at_most(3):
        assert used() == number
    monkeypatch.setenv("OMP_NUM_THREADS", str(number))
    assert used() == number


def test_an_error_ends_it_and_the_setting_comes_back() -> None:
    def fail(part: int) -> None:
        raise KeyError(part)

    for parts in ([5], range(5, 30)):
        with pytest.raises(KeyError, match="5"):
            list(cores.spread(fail, parts))
    assert list(cores.spread(Crowd().work, range(9)))[-1] == 64
    assert blas() == 4


def test_the_setting_comes_back_when_the_last_one_leaves() -> None:
    first, second = cores.turn(), cores.turn()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with second:
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with first:
        thread.start()
        inside.wait(5)
        assert blas() == 1
        with cores.turn():  # of the same thread
            assert blas() == 1
    assert blas() == 1 and cores.threads() == 4
    leave.set()
    thread.join()
    assert blas() == 4


def test_a_setting_by_another_thread_does_not_keep_us_from_it() -> None:
    """threadpoolctl lets only one thread change it, while that thread is inside its limits."""
    with ThreadPoolExecutor(1) as other, threadpool_limits(3, "blas"):
        assert other.submit(lambda: list(cores.spread(Crowd().work, [1]))).result() == [1]
        assert blas() == 3
    assert blas() == 4


def check_child(found: Callable[[tuple[int, int, list[int]]], None]) -> None:
    before = blas()
    found((before, blas(), list(cores.spread(Crowd().work, range(9)))))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child() -> None:
    """A forked child has the caller's setting and its own threads, even if others were working."""
    context = multiprocessing.get_context("fork")
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with cores.turn():
            inside.set()
            leave.wait(5)

    list(cores.spread(Crowd().work, range(9)))  # the pool is there
    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(5)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=check_child, args=(sender.send,))
    child.start()
    assert receiver.poll(10) and receiver.recv() == (4, 4, [part * part for part in range(9)])
    child.join()
    leave.set()
    thread.join()
    assert blas() == 4


def test_as_many_as_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 <= cores.available() <= (os.cpu_count() or 1)
    for name in ("process_cpu_count", "cpu_count"):
        monkeypatch.setattr(os, name, lambda: None, raising=False)
    assert cores.available() == 1
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 9}, raising=False)
    assert cores.available() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.available() == 1
