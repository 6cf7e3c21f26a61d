"""The number of tokens of every tile of an adaptive file, and the order of all tokens. Does not import torch.

The level of a tile determines its share of the largest count n, which halves every two levels. Tokens are ordered by
rank / count of their tile, so that a file cut anywhere leaves every tile about the same share of its tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]

FACTORS = (256, 181, 128, 91, 64, 45, 32, 23)
"""256ths of n that a tile of each level has: 256 * 2^(-level / 2), rounded."""
LEVELS = len(FACTORS)

_KEY_BITS = 24  # fractions of counts up to 256 differ by at least 2^-16: their order is exact


def tile_counts(n: int, levels: IntArray) -> NDArray[np.int64]:
    """Tokens of every tile, int64 [tiles] in 1..n, for the largest count n and levels, int [tiles] in 0..LEVELS-1.

    Raises ValueError for other levels or n below 1.
    """
    levels = np.asarray(levels)
    if levels.ndim != 1 or not levels.size or not np.issubdtype(levels.dtype, np.integer):
        raise ValueError(f"levels must be integers of shape [tiles], not {levels.dtype} {list(levels.shape)}")
    if levels.min() < 0 or levels.max() >= LEVELS:
        raise ValueError(f"levels must be 0..{LEVELS - 1}, found {levels.min()}..{levels.max()}")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    of_level = np.array([max(1, (n * factor + 128) // 256) for factor in FACTORS], dtype=np.int64)
    return of_level[levels]


def token_order(counts: IntArray) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Tiles and ranks of all tokens in the order of the file, in groups: int64 [g] each, 1 <= g <= tiles.

    counts: int [tiles], each at least 1. A group holds the tokens with the same fraction rank / count, by tile number.
    Equal counts give rank order: one group for every rank. Memory is that of one group.
    """
    counts = np.asarray(counts)
    values = np.flatnonzero(np.bincount(counts))
    kinds = np.searchsorted(values, counts)  # which of the values a tile has
    members = [np.flatnonzero(kinds == kind) for kind in range(len(values))]
    keys = np.concatenate([(np.arange(value) << _KEY_BITS) // value for value in values])
    kind_of = np.repeat(np.arange(len(values)), values)
    rank_of = np.concatenate([np.arange(value) for value in values])
    order = np.argsort(keys, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        if len(group) == 1:
            tiles = members[kind_of[group[0]]]
            yield tiles, np.full(len(tiles), rank_of[group[0]])
        else:
            ranks = np.full(len(values), -1)
            ranks[kind_of[group]] = rank_of[group]
            ranks = ranks[kinds]
            tiles = np.flatnonzero(ranks >= 0)
            yield tiles, ranks[tiles]


def most_tokens(held: IntArray, levels: IntArray, n: int) -> int:
    """The largest count, at most n, for which every tile holds all of its tokens; 0 if there is none.

    Args:
        held: Number of tokens present of each tile, int [tiles].
        levels: Levels of the tiles, int [tiles] in 0..LEVELS-1.
        n: Upper limit, at least 1.
    """
    # The count of a tile never falls as n grows.
    return bisect_left(range(1, n + 1), True, key=lambda most: bool((tile_counts(most, levels) > held).any()))
