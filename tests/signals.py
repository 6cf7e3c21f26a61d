"""Signals as a foreground shell passes them on, independent of the runner of the tests."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

ENDING: dict[signal.Signals, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
"""Signals that end a process, and Python's usual handlers of them."""


def default_signals() -> None:
    """Set the usual handlers in this process.

    A process inherits which signals are ignored: SIGHUP below nohup, SIGINT in the background of a script. Python and
    tokcodec leave that so, and what a test sends would come to nothing.
    """
    for number, handler in ENDING.items():
        signal.signal(number, handler)
