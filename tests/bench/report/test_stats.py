"""Statistics of curves and samples whose right answers are known."""

from __future__ import annotations

import math

import bjontegaard
import numpy as np
import pytest

from bench.report import stats

CURVE = [(50.0, 18.0), (100.0, 20.0), (200.0, 22.0), (400.0, 24.0), (800.0, 26.0)]


def test_bd_rate_of_a_codec_with_itself_is_zero() -> None:
    assert stats.bd_rate(CURVE, CURVE) == pytest.approx(0, abs=1e-9)
    assert stats.bd_quality(CURVE, CURVE) == pytest.approx(0, abs=1e-9)


def test_bd_rate_of_half_the_bytes() -> None:
    half = [(size / 2, quality) for size, quality in CURVE]
    assert stats.bd_rate(CURVE, half) == pytest.approx(-50, abs=1e-6)
    assert stats.bd_rate(half, CURVE) == pytest.approx(100, abs=1e-6)
    assert stats.bd_quality(CURVE, half) == pytest.approx(2, abs=1e-6)  # 2 dB per doubling


def test_bd_rate_without_overlap() -> None:
    better = [(size, quality + 9) for size, quality in CURVE]
    assert stats.bd_rate(CURVE, better) is None
    assert stats.bd_quality(CURVE, [(size * 100, quality) for size, quality in CURVE]) is None
    assert stats.bd_rate(CURVE, CURVE[:3]) is None, "three points do not make a curve"


def test_bd_ignores_points_that_others_beat() -> None:
    noisy = [*CURVE, (150.0, 12.0), (100.0, 19.0), (500.0, 24.0)]
    assert stats.front(noisy) == CURVE
    assert stats.bd_rate(CURVE, noisy) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("dip", [0.1, 0.3])
def test_a_dip_changes_little(dip: float) -> None:
    """The cubic method gives -100 % for such curves."""
    better = [(size, quality + 0.5) for size, quality in CURVE]
    dipped = [*better[:3], (300.0, better[2][1] - dip), *better[3:]]
    assert stats.bd_rate(CURVE, dipped) == pytest.approx(stats.bd_rate(CURVE, better))
    assert stats.bd_quality(CURVE, dipped) == pytest.approx(stats.bd_quality(CURVE, better))
    with pytest.raises(ValueError, match="rise"):
        stats._delta(bjontegaard.bd_rate, np.asarray(CURVE), np.asarray(dipped))


def test_bytes_for_a_quality() -> None:
    assert stats.bytes_for(CURVE, 22) == pytest.approx(200)
    assert stats.bytes_for(CURVE, 21) == pytest.approx(math.sqrt(100 * 200))
    assert stats.bytes_for(CURVE, 30) == math.inf
    assert stats.bytes_for(CURVE, 10) is None
    assert stats.bytes_for([], 10) is None


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        estimate = stats.bootstrap(list(rng.normal(3, 1, 24)))
        assert estimate is not None
        assert estimate.n == 24
        inside += estimate.low <= 3 <= estimate.high
    assert 0.88 <= inside / 200 <= 0.99
    assert stats.bootstrap([]) is None
    same = stats.bootstrap([2.0, 2.0, 2.0])
    assert same is not None
    assert (same.low, same.mean, same.high) == (2, 2, 2)
