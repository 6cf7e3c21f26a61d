"""Processor time of all processes below this one, those of a Ray cluster too. Linux only."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

EVERY = 0.2
"""Seconds between two looks. What a process takes after the last look before its end is missed: the raylet ignores the
ends of its workers, so that the system adds their time to no other process."""
PROC = Path("/proc")


class ProcessorTime:
    """Measures within its context; `seconds` has the sum afterwards, 0 on other systems."""

    def __enter__(self) -> ProcessorTime:
        self._before = _times(os.getpid())
        self._last = dict(self._before)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            self._last |= _times(os.getpid())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._last |= _times(os.getpid())
        self.seconds = sum(took - self._before.get(process, 0.0) for process, took in self._last.items())


def _times(process: int) -> dict[int, float]:
    """Seconds of user and system time of all processes below a process, by their numbers."""
    found: dict[int, float] = {}
    for thread in (PROC / str(process) / "task").glob("*"):
        with suppress(OSError):  # it has ended
            for child in map(int, (thread / "children").read_text().split()):
                fields = (PROC / str(child) / "stat").read_text().rpartition(")")[2].split()
                found[child] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                found |= _times(child)
    return found
