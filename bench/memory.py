"""Peak memory of this process. Linux only."""

from __future__ import annotations

import contextlib
from pathlib import Path


def reset_peak() -> None:
    """Start a new measurement of the peak memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float | None:
    """Peak resident memory in MB since `reset_peak`, libraries and weights included; None on other systems."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return None
