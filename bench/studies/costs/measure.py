"""CPU time and peak memory of one input, measured in a process that is killed at a limit of CPU time."""

from __future__ import annotations

import io
import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from PIL import Image

import tokcodec
from bench.memory import peak_mb, reset_peak
from bench.studies.costs.inputs import Picture, TokFile
from tokcodec.errors import TokError

Input = TokFile | Picture


@dataclass(frozen=True)
class Cost:
    """Cost of one input.

    size: bytes of the input
    seconds: CPU time of all threads
    peak: MB of memory, libraries and model included; 0 if unknown
    outcome: "done", the class of a refusal, or "killed" at the limit
    """

    size: int
    seconds: float
    peak: float
    outcome: str

    @property
    def per_byte(self) -> float:
        """CPU milliseconds for each byte of the input."""
        return 1000 * self.seconds / self.size


def run(given: Input) -> Cost:
    """Decode or encode an input in this process."""
    data = given.data()
    reset_peak()
    started, outcome = time.process_time(), "done"
    try:
        if isinstance(given, TokFile):
            tokcodec.decode(data, look=given.look, warn=_ignore)
        else:
            with Image.open(io.BytesIO(data)) as picture:
                tokcodec.encode(picture, warn=_ignore, **dict(given.options))
    except (TokError, ValueError) as error:
        outcome = type(error).__name__
    return Cost(len(data), time.process_time() - started, peak_mb() or 0.0, outcome)


def _ignore(_: str) -> None:
    """Ignore a warning."""


class Meter:
    """Measures inputs one after the other in a process, which is killed and replaced at a limit.

    limit: seconds of CPU time per input.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def cost(self, given: Input) -> Cost:
        """The cost of an input, or the limit if it takes longer."""
        self._pipe.send((given, self.limit))
        try:
            measured: Cost = self._pipe.recv()
            return measured
        except EOFError:
            pass  # the process died: at the limit, or out of memory
        self.close()
        self._start()
        return Cost(len(given.data()), self.limit, 0.0, "killed")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection) -> None:
    run(TokFile(256, 256, 256, 1, False, False, 2, 0))  # imports and loads the model
    while True:
        try:
            given, limit = pipe.recv()
        except EOFError:
            return
        # The signal of this timer ends the process. Other work on the machine does not count, unlike for a clock.
        signal.setitimer(signal.ITIMER_PROF, max(limit, 1e-6))
        cost = run(given)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send(cost)
