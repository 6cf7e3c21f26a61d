"""The array helpers: the same results with NumPy and torch, in the kind of the arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tokcodec.tokenizers import arrays

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 3, 5)), RNG.standard_normal((2, 3, 5))
PLACES = RNG.integers(0, 5, (2, 3, 4))

CALLS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "concat 0": lambda kind: arrays.concat([kind(X), kind(Y)], 0),
    "concat 2": lambda kind: arrays.concat([kind(X), kind(Y[..., :2])], 2),
    "stack 0": lambda kind: arrays.stack([kind(X), kind(Y)], 0),
    "stack 2": lambda kind: arrays.stack([kind(X), kind(Y)], 2),
    "largest": lambda kind: arrays.largest(kind(X), 3),
    "take_along": lambda kind: arrays.take_along(kind(X), kind(PLACES)),
    "repeated": lambda kind: arrays.repeated(kind(X), 4),
    "repeated never": lambda kind: arrays.repeated(kind(X), 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_and_torch_agree(name: str) -> None:
    ours, theirs = CALLS[name](np.asarray), CALLS[name](torch.from_numpy)
    assert isinstance(ours, np.ndarray) and isinstance(theirs, torch.Tensor)
    assert ours.shape == tuple(theirs.shape) and ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    assert np.array_equal(ours, theirs.numpy())


def test_largest_first() -> None:
    assert arrays.largest(np.array([[3.0, 9.0, -1.0, 4.0]]), 3).tolist() == [[1, 3, 0]]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_repeated_is_a_copy(kind: Callable[[Any], Any]) -> None:
    """Writing to one copy does not change the others or the original."""
    original = kind(np.zeros(3))
    copies = arrays.repeated(original, 2)
    copies[0] += 1
    assert copies.tolist() == [[1, 1, 1], [0, 0, 0]] and original.tolist() == [0, 0, 0]


def test_like_gives_the_kind_of_the_other() -> None:
    x, tensor = np.arange(3), torch.arange(3)
    assert arrays.like(x, x) is x
    for given, other, kind in ((x, tensor, torch.Tensor), (tensor, x, np.ndarray), (tensor, tensor, torch.Tensor)):
        found = arrays.like(given, other)
        assert isinstance(found, kind) and found.tolist() == [0, 1, 2]
