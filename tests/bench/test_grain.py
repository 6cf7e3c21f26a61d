"""Grain: the RMS of known noise, only where the original is smooth, and the value of one photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.grain import FLAT, Grain
from bench.metrics import Meter

Pixels = NDArray[np.uint8]


def grey(sigma: float, shape: tuple[int, int] = (256, 256), seed: int = 1) -> Pixels:
    """Mid grey with white noise, equal in all channels."""
    noise = np.random.default_rng(seed).normal(0, sigma, shape)
    return np.clip(np.rint(128 + noise), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)


def left_by_the_blur() -> float:
    """Share of white noise's RMS that is left when its blurred self is taken away: one pixel less the kernel."""
    line = np.exp(-0.5 * (np.arange(-6, 7) / 1.5) ** 2)
    line /= line.sum()
    kernel = -np.outer(line, line)
    kernel[6, 6] += 1
    return float(np.sqrt(np.square(kernel).sum()))


@pytest.mark.parametrize("sigma", [2, 10])
def test_noise_on_a_flat_original_has_its_own_rms(sigma: float) -> None:
    grain = Grain(grey(0))
    assert (grain.flat, grain.original) == (1, 0)
    # Rounding to integers adds 1/12 to the variance.
    assert grain.measure(grey(sigma)) == pytest.approx(left_by_the_blur() * np.sqrt(sigma**2 + 1 / 12), rel=0.01)


def test_luma_weighs_the_channels() -> None:
    noise = grey(10).astype(np.float64) - 128
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        decoded = np.full((256, 256, 3), 128.0)
        decoded[..., channel] += noise[..., channel]
        expected = weight * (Grain(grey(0)).measure(grey(10)) or 0)
        assert Grain(grey(0)).measure(decoded) == pytest.approx(expected, rel=1e-4)


def test_only_the_smooth_windows_of_the_original_count() -> None:
    original = grey(0)
    original[:, 128:] = grey(20)[:, 128:]
    grain = Grain(original)
    assert grain.flat == 0.5
    assert grain.original is not None and 0 < grain.original < FLAT, "the blur carries a little across"
    changed = original.copy()
    changed[:, 144:] = grey(60)[:, 144:]
    assert grain.measure(changed) == grain.original
    changed[:96, :96] = grey(5)[:96, :96]
    assert (grain.measure(changed) or 0) > grain.original


def test_blur_lowers_it_and_the_original_has_its_own(tile: Pixels) -> None:
    grain = Grain(tile)
    assert grain.measure(tile) == grain.original
    flat = np.full_like(tile, 90)
    assert grain.measure(flat) == pytest.approx(0, abs=1e-4)


def test_nothing_smooth_means_no_grain() -> None:
    meter = Meter(grey(40))
    assert meter.original == {"flat": 0}
    assert "grain" not in meter.measure(grey(0))


@pytest.mark.parametrize("shape", [(1, 1), (15, 200), (16, 16), (37, 50)])
def test_incomplete_windows_are_left_out(shape: tuple[int, int]) -> None:
    grain = Grain(grey(0, shape))
    assert grain.flat == (min(shape) >= 16)
    assert (grain.original is None) == (min(shape) < 16)


def test_golden_photograph(tile: Pixels) -> None:
    coarse: Any = tile // 32 * 32 + 16
    meter = Meter(tile)
    assert meter.original == {"flat": 97 / 256, "grain": pytest.approx(1.3003, abs=1e-3)}
    assert meter.measure(coarse)["grain"] == pytest.approx(3.4105, abs=1e-3)
