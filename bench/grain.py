"""Grain: strength of the finest texture in areas where the original is smooth. It shows added noise, and blur.

Grain is the RMS of the luma less its Gaussian blur, over the windows in which the original has almost none. The best
value for a decoded picture is that of the original, which is not 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SIGMA = 1.5
WINDOW = 16
FLAT = 1.5
"""A window of the original is smooth if its RMS is below this, in levels of 0..255."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def _energy(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Mean square of luma less blurred luma in each complete window of 16x16.

    HxWx3 in 0..255 -> float32 [H // 16, W // 16], in levels squared. The blur mirrors the picture at its borders.
    """
    luma = np.asarray(pixels, np.float32) @ _LUMA
    rest = luma - gaussian_filter(luma, SIGMA)
    rows, columns = luma.shape[0] // WINDOW, luma.shape[1] // WINDOW
    windows = rest[: rows * WINDOW, : columns * WINDOW].reshape(rows, WINDOW, columns, WINDOW)
    return np.asarray(np.square(windows).mean(axis=(1, 3)), np.float32)


class Grain:
    """Measures grain in the smooth windows of one original.

    flat: share of its windows that are smooth, 0..1.
    original: grain of the original in levels; None if no window is smooth.
    """

    def __init__(self, reference: NDArray[Any]) -> None:
        energy = _energy(reference)
        self._smooth = energy < FLAT**2
        self.flat = float(self._smooth.mean()) if energy.size else 0.0
        self.original = self._over_smooth(energy)

    def measure(self, decoded: NDArray[Any]) -> float | None:
        """RMS in levels over the original's smooth windows; None if it has none."""
        return self._over_smooth(_energy(decoded)) if self.flat else None

    def _over_smooth(self, energy: NDArray[np.float32]) -> float | None:
        return float(np.sqrt(energy[self._smooth].mean())) if self._smooth.any() else None
