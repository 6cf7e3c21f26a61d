"""Grain: how strong the finest texture is where the original is smooth, so that invented noise shows, and blur too.

What a Gaussian blur takes away from luma is its finest texture; its RMS is taken over the windows in which the
original has next to none. The decoded picture is best not at 0 but at the original's own value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SIGMA = 1.5
WINDOW = 16
FLAT = 1.5
"""Levels of 255: a window of the original below this is smooth."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def _energy(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Mean square of luma less blurred luma in each window of 16x16, side by side; an incomplete last one is left out.

    HxWx3 in 0..255 -> float32 [H // 16, W // 16], in levels squared. The blur mirrors the picture at its borders.
    """
    luma = np.asarray(pixels, np.float32) @ _LUMA
    rest = luma - gaussian_filter(luma, SIGMA)
    rows, columns = luma.shape[0] // WINDOW, luma.shape[1] // WINDOW
    windows = rest[: rows * WINDOW, : columns * WINDOW].reshape(rows, WINDOW, columns, WINDOW)
    return np.asarray(np.square(windows).mean(axis=(1, 3)), np.float32)


class Grain:
    """One original's smooth windows, and the grain of pictures there.

    `flat`: share of its windows that are smooth, 0..1. `original`: its own grain in levels, None without any.
    """

    def __init__(self, reference: NDArray[Any]) -> None:
        energy = _energy(reference)
        self._smooth = energy < FLAT**2
        self.flat = float(self._smooth.mean()) if energy.size else 0.0
        self.original = self._over_smooth(energy)

    def measure(self, decoded: NDArray[Any]) -> float | None:
        """RMS in levels over the original's smooth windows; None where it has none."""
        return self._over_smooth(_energy(decoded)) if self.flat else None

    def _over_smooth(self, energy: NDArray[np.float32]) -> float | None:
        return float(np.sqrt(energy[self._smooth].mean())) if self._smooth.any() else None
