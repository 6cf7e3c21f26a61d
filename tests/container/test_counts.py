"""Counts of tokens: golden values, the order against its definition, evenness of a cut."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokcodec.container.counts import FACTORS, LEVELS, most_tokens, tile_counts, token_order

level_lists = st.lists(st.integers(0, LEVELS - 1), min_size=1, max_size=12).map(np.array)
numbers = st.integers(1, 256)


def listed(counts: np.ndarray) -> list[tuple[int, int]]:
    """(tile, rank) of every token in the order of the file."""
    return [(int(t), int(k)) for at, ranks in token_order(counts) for t, k in zip(at, ranks, strict=True)]


def test_golden_counts() -> None:
    assert tuple(round(256 * 2 ** (-level / 2)) for level in range(LEVELS)) == FACTORS
    every = np.arange(LEVELS)
    assert tile_counts(256, every).tolist() == [256, 181, 128, 91, 64, 45, 32, 23]
    assert tile_counts(64, every).tolist() == [64, 45, 32, 23, 16, 11, 8, 6]
    assert tile_counts(3, every).tolist() == [3, 2, 2, 1, 1, 1, 1, 1]
    assert tile_counts(1, every).tolist() == [1] * LEVELS


def test_golden_order() -> None:
    assert listed(np.array([2, 4])) == [(0, 0), (1, 0), (1, 1), (0, 1), (1, 2), (1, 3)]
    assert listed(np.array([3, 1, 2])) == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2)]


@given(numbers, level_lists)
def test_the_order_is_that_of_the_exact_fractions(n: int, levels: np.ndarray) -> None:
    from fractions import Fraction

    counts = tile_counts(n, levels)
    expected = sorted((Fraction(k, int(c)), t, k) for t, c in enumerate(counts) for k in range(c))
    assert listed(counts) == [(t, k) for _, t, k in expected]


@given(numbers, st.integers(0, LEVELS - 1), st.integers(1, 20))
def test_equal_levels_give_rank_order(n: int, level: int, tiles: int) -> None:
    counts = tile_counts(n, np.full(tiles, level))
    assert listed(counts) == [(t, k) for k in range(counts[0]) for t in range(tiles)]


@given(numbers, level_lists, st.floats(0, 1))
def test_a_cut_leaves_every_tile_the_same_share(n: int, levels: np.ndarray, cut: float) -> None:
    """Each within one token of the fraction at which the cut is, and with a token before any has a second."""
    counts = tile_counts(n, levels)
    order = listed(counts)
    kept = order[: round(cut * len(order))]
    held = np.bincount([tile for tile, _ in kept], minlength=len(counts))
    if kept:
        tile, rank = kept[-1]
        assert (abs(held - counts * rank / counts[tile]) <= 1).all()
        assert held.max() == 1 or held.min() >= 1


@given(numbers, level_lists)
def test_counts_fall_evenly_as_n_falls(n: int, levels: np.ndarray) -> None:
    for fewer in range(1, n + 1):
        counts = tile_counts(fewer, levels)
        assert (counts <= tile_counts(n, levels)).all()
        assert (abs(counts - fewer * np.array(FACTORS)[levels] / 256) <= 0.5 + (counts == 1)).all()


@given(numbers, level_lists, st.data())
def test_most_tokens_is_the_largest_n_that_is_held(n: int, levels: np.ndarray, data: st.DataObject) -> None:
    counts = tile_counts(n, levels)
    held = np.array([data.draw(st.integers(0, int(count))) for count in counts])
    fitting = [0] + [m for m in range(1, n + 1) if (tile_counts(m, levels) <= held).all()]
    assert most_tokens(held, levels, n) == max(fitting)
    assert most_tokens(counts, levels, n) == n


def test_the_order_of_a_million_tiles_is_not_made_at_once() -> None:
    levels = np.random.default_rng(0).integers(0, LEVELS, 1 << 20)
    counts = tile_counts(256, levels)
    tracemalloc.start()
    first = next(iter(token_order(counts)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first[0].tolist() == list(range(1 << 20)) and not first[1].any()
    assert peak < 64 << 20  # all of the order: 1.7 GB


@pytest.mark.parametrize(
    ("n", "levels", "message"),
    [
        (4, [8], r"must be 0\.\.7, found 8\.\.8"),
        (4, [-1, 0], r"must be 0\.\.7, found -1\.\.0"),
        (4, [], "shape"),
        (4, [[0]], "shape"),
        (4, [0.5], "must be integers"),
        (0, [0], "n must be at least 1, not 0"),
    ],
)
def test_wrong_arguments_are_value_errors(n: int, levels: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tile_counts(n, np.array(levels))
