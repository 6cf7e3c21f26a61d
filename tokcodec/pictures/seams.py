"""Seams: the correction of neighbouring tiles along their border (membrane interpolation). Needs NumPy only.

The lowest frequencies of the difference along a border are spread over the tile: by exp(-k d) for a frequency of k
radians at the distance d from the overlap, faded to 0 at REACH samples (the membrane interpolation of Poisson image
editing, Perez et al. 2003). On three Kodak pictures this gained 0.15 dB of PSNR with 4 tokens at pitch 64 and cost at
most 0.01 dB with more. Larger reaches lose part of the gain.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .axes import dct_matrix
from .tiling import OVERLAP, TILE

FREQUENCIES = 16
"""Number of frequencies that are corrected. Higher ones are texture and would cause streaks in the tiles."""
REACH = 40
"""Distance from the overlap, in samples of a tile of 256, at which the correction ends."""

Floats = NDArray[np.float32]


@cache
def _basis(side: int) -> Floats:
    """The lowest frequencies along a border: float32 FREQUENCIES x side."""
    return dct_matrix(FREQUENCIES, side).astype(np.float32)


@cache
def profile(side: int = TILE) -> Floats:
    """Share of each frequency's correction across a tile, from its overlapping end: float32 FREQUENCIES x side."""
    distance = np.maximum(0, np.arange(side) - (side // OVERLAP - 1))
    fall = np.exp(-np.pi * np.arange(FREQUENCIES)[:, None] * distance / side)
    return np.asarray(fall * np.clip(1 - distance * TILE / (REACH * side), 0, 1), np.float32)


def spectrum(border: Floats) -> Floats:
    """The lowest frequencies of a border: float32 ... x side -> ... x FREQUENCIES."""
    return border @ _basis(border.shape[-1]).T


def along(frequencies: Floats, side: int = TILE) -> Floats:
    """The values of each frequency along a border: float32 ... x FREQUENCIES -> ... x side x FREQUENCIES."""
    return frequencies[..., None, :] * _basis(side).T
