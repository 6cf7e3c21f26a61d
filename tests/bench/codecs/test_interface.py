"""What all adapters share."""

from __future__ import annotations

import numpy as np
import pytest

from bench.codecs import interface


def test_peak_memory_of_one_step() -> None:
    interface.reset_peak()
    before = interface.peak_mb()
    if before is None:
        pytest.skip("peak memory is not known on this system")
    block = np.ones(64 << 20, np.uint8)
    after = interface.peak_mb()
    assert after is not None
    assert after - before > 32
    assert block[-1] == 1
