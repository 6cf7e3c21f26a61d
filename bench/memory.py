"""The peak memory of this process, measured anew where the system can (Linux)."""

from __future__ import annotations

import contextlib
from pathlib import Path


def reset_peak() -> None:
    """Begin a new measurement of this process's peak memory, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float | None:
    """Peak resident memory in MB since `reset_peak` (libraries and weights included); None where it is not known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return None
