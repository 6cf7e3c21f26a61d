"""Allocation over curves: never beyond the room, never worse than equal counts, close to the optimum."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokcodec.container.counts import FACTORS, tile_counts
from tokcodec.ratecontrol.allocation import LEVEL_BITS, REUSE_COST_RATIO, Allocation, Allocator

MOST = 64


def curves(tiles: int, seed: int = 0, spread: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Errors that fall by a power law from very different heights, and bits of about 11 a token."""
    rng = np.random.default_rng(seed)
    height, fall = np.exp2(rng.uniform(-spread, 0, tiles)), rng.uniform(0.2, 0.6, tiles)
    errors = height[:, None] * np.arange(1, MOST + 2) ** -fall[:, None]
    bits = np.cumsum(np.column_stack([np.zeros(tiles), rng.uniform(8, 14, (tiles, MOST))]), 1)
    return errors.astype(np.float32), bits.astype(np.float32)


def counts_of(allocation: Allocation, tiles: int) -> np.ndarray:
    if allocation.levels is None:
        return np.full(tiles, allocation.tokens)
    return tile_counts(allocation.tokens, allocation.levels)


def price(errors: np.ndarray, bits: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    rows = np.arange(len(counts))
    return float(errors[rows, counts].sum()), float(bits[rows, counts].sum())


@settings(max_examples=40, deadline=None)
@given(tiles=st.integers(1, 40), seed=st.integers(0, 99), part=st.floats(0, 1.1))
def test_bits_are_never_exceeded_and_well_used(tiles: int, seed: int, part: float) -> None:
    errors, bits = curves(tiles, seed)
    room = part * float(bits[:, -1].sum())
    found = Allocator(errors, bits).for_bits(room)
    if found is None:
        assert float(bits[:, 1].sum()) > room
        return
    counts = counts_of(found, tiles)
    error, used = price(errors, bits, counts)
    overhead = 0.0 if found.levels is None else LEVEL_BITS * tiles
    assert found.error == pytest.approx(error, rel=1e-4)
    assert found.bits == pytest.approx(used + overhead, rel=1e-4)
    assert found.bits <= room * (1 + 1e-5)
    assert found.levels is None or found.levels.min() == 0
    equal = [n for n in range(1, MOST + 1) if bits[:, n].sum() <= room * (1 - 1e-5)]
    assert not equal or found.error <= float(errors[:, equal[-1]].sum()) * (1 + 1e-4)
    if tiles >= 8 and 0.1 < part < 0.9:
        assert found.bits >= 0.95 * room


@settings(max_examples=40, deadline=None)
@given(tiles=st.integers(1, 40), seed=st.integers(0, 99), part=st.floats(0.05, 1.2))
def test_an_error_is_reached_with_few_bits(tiles: int, seed: int, part: float) -> None:
    errors, bits = curves(tiles, seed)
    last, first = float(errors[:, -1].sum()), float(errors[:, 1].sum())
    goal = last * (first / last) ** (1 - part)
    found = Allocator(errors, bits).for_error(goal)
    if found is None:
        assert last >= goal
        return
    error, _ = price(errors, bits, counts_of(found, tiles))
    assert error <= goal * (1 + 1e-4)
    equal = next(n for n in range(1, MOST + 1) if errors[:, n].sum() <= goal * (1 + 1e-6))
    assert found.bits <= float(bits[:, equal].sum()) * (1 + 1e-4)


@settings(max_examples=40, deadline=None)
@given(tiles=st.integers(6, 60), seed=st.integers(0, 99), part=st.floats(0.2, 0.8), change=st.floats(-0.06, 0.06))
def test_an_allocation_is_revised_in_few_tiles(tiles: int, seed: int, part: float, change: float) -> None:
    """A little more or less error: as good as a new allocation, and most tiles stay as they are."""
    errors, bits = curves(tiles, seed)
    last, first = float(errors[:, -1].sum()), float(errors[:, 1].sum())
    allocator = Allocator(errors, bits)
    start = allocator.for_error(last * (first / last) ** (1 - part))
    assert start is not None
    goal = start.error * (1 + change)
    found, anew = allocator.revise(start, goal), allocator.for_error(goal)
    if start.levels is None:
        assert found is None
        return
    if anew is None:
        assert change < 0
        return
    if found is None:  # levels alone cannot do it, or not as cheaply
        dear = allocator._change_levels(start, goal)
        assert change < 0 or (dear is not None and dear.bits > REUSE_COST_RATIO * anew.bits)
        return
    before, after = counts_of(start, tiles), counts_of(found, tiles)
    error, _ = price(errors, bits, after)
    assert found.error == pytest.approx(error, rel=1e-4)
    assert error <= goal * (1 + 1e-4)
    assert found.tokens == start.tokens
    assert (after >= before).all() if change < 0 else (after <= before).all()
    assert found.bits <= REUSE_COST_RATIO * anew.bits
    if tiles >= 20 and abs(change) < 0.01:
        assert (after != before).sum() <= tiles / 2


def test_tiles_of_different_detail_get_different_counts() -> None:
    errors, bits = curves(30)
    found = Allocator(errors, bits).for_bits(0.3 * float(bits[:, -1].sum()))
    assert found is not None and found.levels is not None
    counts = counts_of(found, 30)
    busy = errors[:, 0] > np.median(errors[:, 0])
    assert counts[busy].mean() > 2 * counts[~busy].mean()


@pytest.mark.parametrize("part", [0.2, 0.5])
def test_close_to_the_best_of_all(part: float) -> None:
    """Three tiles: every combination can be tried."""
    most = 20
    errors, bits = (array[:, : most + 1] for array in curves(3, seed=5))
    room = part * float(bits[:, -1].sum())
    best = np.inf
    for n in range(1, most + 1):
        for levels in product(range(len(FACTORS)), repeat=3):
            error, used = price(errors, bits, tile_counts(n, np.array(levels)))
            if used + LEVEL_BITS * 3 <= room:
                best = min(best, error)
    found = Allocator(errors, bits).for_bits(room)
    assert found is not None
    assert found.error <= 1.03 * best


def test_equal_tiles_need_no_levels() -> None:
    errors, bits = (np.repeat(array[:1], 12, 0) for array in curves(1))
    found = Allocator(errors, bits).for_bits(0.5 * float(bits[:, -1].sum()))
    assert found is not None
    assert found.levels is None or float(np.ptp(counts_of(found, 12))) <= 1 + MOST * 0.3


def test_all_room_takes_all_tokens() -> None:
    errors, bits = curves(5)
    found = Allocator(errors, bits).for_bits(1e9)
    assert found == Allocator(errors, bits).all()
    assert found is not None and found.tokens == MOST


def test_many_tiles() -> None:
    errors, bits = curves(3000)
    room = 0.3 * float(bits[:, -1].sum())
    found = Allocator(errors, bits).for_bits(room)
    assert found is not None and 0.995 * room <= found.bits <= room
