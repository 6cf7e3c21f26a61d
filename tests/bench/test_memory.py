"""The peak memory of a step is that of the step."""

from __future__ import annotations

import numpy as np
import pytest

from bench import memory


def test_peak_memory_of_one_step() -> None:
    memory.reset_peak()
    before = memory.peak_mb()
    if before is None:
        pytest.skip("peak memory is not known on this system")
    block = np.ones(64 << 20, np.uint8)
    after = memory.peak_mb()
    assert after is not None
    assert after - before > 32
    assert block[-1] == 1
