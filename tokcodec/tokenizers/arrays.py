"""Array functions whose names differ between NumPy and torch. Code that uses them runs on both.

Code uses the arrays' own methods where the two agree (indexing, `@`, arithmetic, `sum`, `reshape`, `swapaxes`).
`array-api-compat` is not used, since importing its NumPy namespace takes as long as importing NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A NumPy array or a torch tensor. The arguments of a function are of one kind, and so is its result."""
Maker: TypeAlias = Callable[[Any], Array]
"""Converts a NumPy array to one kind of array, on its device: for example `np.asarray`."""


def concat(parts: Sequence[Array], axis: int) -> Array:
    """Arrays joined along an axis."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis)
    import torch

    return torch.cat(list(parts), axis)


def stack(parts: Sequence[Array], axis: int) -> Array:
    """Arrays joined along a new axis."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, axis)
    import torch

    return torch.stack(list(parts), axis)


def largest(x: Array, number: int) -> Array:
    """Indices of the `number` largest values along the last axis, the largest first: int64."""
    if isinstance(x, np.ndarray):
        return (-x).argsort(-1)[..., :number]
    return x.topk(number, -1).indices


def take_along(x: Array, places: Array) -> Array:
    """Values at indices along the last axis, as `np.take_along_axis`."""
    if isinstance(x, np.ndarray):
        return np.take_along_axis(x, places, -1)
    return x.gather(-1, places)


def repeated(x: Array, number: int) -> Array:
    """A new array with `number` copies of x along a new first axis."""
    if isinstance(x, np.ndarray):
        return np.repeat(x[None], number, 0)
    return x[None].repeat(number, *[1] * x.ndim)


def add_at(x: Array, places: Array, values: Array) -> None:
    """Add values to elements of each row, in place.

    Args:
        x: float64 N x D.
        places: int64 M, the columns. A column may occur several times.
        values: float64 N x M.
    """
    if isinstance(x, np.ndarray):
        for row, added in zip(x, values, strict=True):
            row += np.bincount(places, added, len(row))
    else:
        x.index_add_(1, places, values)


def like(x: Array, other: Array) -> Array:
    """Convert x to the kind of array of `other`, on its device."""
    if isinstance(other, np.ndarray):
        return x if isinstance(x, np.ndarray) else x.cpu().numpy()
    import torch

    return torch.as_tensor(x).to(other.device)
