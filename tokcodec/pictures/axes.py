"""Matrices along one axis of a picture: the cosine transform, and Lanczos resampling; NumPy only."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def dct_matrix(rows: int, size: int) -> NDArray[np.float64]:
    """First `rows` basis vectors of the orthonormal DCT-II of length `size`: float64 rows x size."""
    k, n = np.arange(rows)[:, None], np.arange(size)
    basis = np.cos(np.pi * (2 * n + 1) * k / (2 * size)) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis


def lanczos_kernel(length: int, places: NDArray[np.floating[Any]], scale: float) -> NDArray[np.float64]:
    """Shares of an axis' samples in points of it by a Lanczos-3 kernel, not normalised: float64 points x length.

    Args:
        length: Samples along the axis; sample i lies at i + 0.5.
        places: Of the points, in samples.
        scale: Width of the kernel in samples, at least 1; more where the axis shrinks, as in Pillow.
    """
    distance = np.abs(np.arange(length) + 0.5 - places[:, None]) / scale
    return np.where(distance < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
