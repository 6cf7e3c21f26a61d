"""Statistics of the summary: bootstrap intervals, Bjontegaard deltas, bytes for equal quality."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import bjontegaard
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 20250131
# Curves are compared if they have at least this many points and share at least this part of their joint range.
MIN_POINTS = 4
MIN_OVERLAP = 0.1
# Share of a curve's range that a point must add to count in a Bjontegaard delta.
MIN_RISE = 0.02


@dataclass(frozen=True)
class Estimate:
    """A mean over n pictures with its bootstrap 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


def resamples(count: int) -> NDArray[np.int64]:
    """Numbers of the pictures of each bootstrap sample, int64 [RESAMPLES, count], with a fixed seed (Efron 1979)."""
    return np.random.default_rng(_SEED).integers(0, count, (RESAMPLES, count))


def bootstrap(values: Sequence[float]) -> Estimate | None:
    """Mean and percentile bootstrap interval over pictures; None without values."""
    if not values:
        return None
    x = np.asarray(values, np.float64)
    low, high = np.percentile(x[resamples(len(x))].mean(axis=1), [2.5, 97.5])
    return Estimate(float(x.mean()), float(low), float(high), len(x))


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The Pareto front of points (bytes, quality), both strictly rising. Higher quality is better."""
    found: list[tuple[float, float]] = []
    for size, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or quality > found[-1][1]:
            found.append((size, quality))
    return found


def _steady(points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """The front without points that add less than MIN_RISE, float64 [n, 2].

    There the curve of bytes over quality is so steep that its interpolation overshoots without bound.
    """
    curve = front(points)
    kept = curve[:1]
    for point in curve[1:]:
        if point[1] - kept[-1][1] >= MIN_RISE * (curve[-1][1] - curve[0][1]):
            kept.append(point)
    return np.asarray(kept, np.float64).reshape(-1, 2)


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection of two ranges as a fraction of their union."""
    shared = min(a.max(), b.max()) - max(a.min(), b.min())
    return float(max(0.0, shared) / (max(a.max(), b.max()) - min(a.min(), b.min())))


def bd_quality(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> float | None:
    """Mean difference of quality at equal bytes (Bjontegaard 2001, Akima interpolation). For PSNR this is BD-PSNR.

    Above 0, `test` is better than `anchor`. Points are (bytes, quality), and higher quality is better.
    None if the bytes do not overlap.
    """
    a, b = (_steady(points) for points in (anchor, test))
    if min(len(a), len(b)) < MIN_POINTS or _overlap(np.log10(a[:, 0]), np.log10(b[:, 0])) < MIN_OVERLAP:
        return None
    return _delta(bjontegaard.bd_psnr, a, b)


def bd_rate(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> float | None:
    """Mean difference of bytes in % at equal quality, as `bd_quality`. Below 0, `test` needs fewer bytes."""
    a, b = (_steady(points) for points in (anchor, test))
    if min(len(a), len(b)) < MIN_POINTS or _overlap(a[:, 1], b[:, 1]) < MIN_OVERLAP:
        return None
    return _delta(bjontegaard.bd_rate, a, b)


def _delta(measure: Callable[..., float], a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """A Bjontegaard delta of two curves, float64 [n, 2].

    Akima's method is used, since the package's cubic one gives numbers without meaning for curves that dip. Raises
    ValueError for such curves.
    """
    if not all((np.diff(curve, axis=0) > 0).all() for curve in (a, b)):
        raise ValueError("the quality of a curve must rise with its bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # partial overlap is expected, and was checked
        return float(measure(a[:, 0], a[:, 1], b[:, 0], b[:, 1], method="akima", require_matching_points=False))


def bytes_for(points: Sequence[tuple[float, float]], quality: float) -> float | None:
    """Bytes at which the front of `points` reaches `quality`, interpolated linearly in log bytes.

    Infinity if it never does. None if its smallest file is already better, or without points.
    """
    curve = np.asarray(front(points), np.float64).reshape(-1, 2)
    if not len(curve) or quality < curve[0, 1]:
        return None
    if quality > curve[-1, 1]:
        return float("inf")
    return float(np.exp(np.interp(quality, curve[:, 1], np.log(curve[:, 0]))))
