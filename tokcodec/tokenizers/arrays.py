"""The few array functions whose names differ between NumPy and torch: what is written with them runs on both.

Where the two agree (indexing, `@`, arithmetic, `sum`, `reshape`, `swapaxes`) the arrays' own methods are used. Not
`array-api-compat`: importing its NumPy namespace takes as long as importing NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A NumPy array or a torch tensor: all that a function takes are of one kind, and it returns the same."""
Maker: TypeAlias = Callable[[Any], Array]
"""Makes the kind of array that is wanted, on its device, from a NumPy array: `np.asarray`, say."""


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
    """Places of the `number` largest values along the last axis, the largest first: int64."""
    if isinstance(x, np.ndarray):
        return (-x).argsort(-1)[..., :number]
    return x.topk(number, -1).indices


def take_along(x: Array, places: Array) -> Array:
    """Values at places of the last axis, for each of the others."""
    if isinstance(x, np.ndarray):
        return np.take_along_axis(x, places, -1)
    return x.gather(-1, places)


def repeated(x: Array, number: int) -> Array:
    """A new array of so many copies of x along a new first axis."""
    if isinstance(x, np.ndarray):
        return np.repeat(x[None], number, 0)
    return x[None].repeat(number, *[1] * x.ndim)


def add_at(x: Array, places: Array, values: Array) -> None:
    """Add values N x M to x, float64 N x D, at M places of each row, of which some may be equal."""
    if isinstance(x, np.ndarray):
        for row, added in zip(x, values, strict=True):
            row += np.bincount(places, added, len(row))
    else:
        x.index_add_(1, places, values)


def like(x: Array, other: Array) -> Array:
    """The values of x as the kind of array that `other` is, on its device."""
    if isinstance(other, np.ndarray):
        return x if isinstance(x, np.ndarray) else x.cpu().numpy()
    import torch

    return torch.as_tensor(x).to(other.device)
