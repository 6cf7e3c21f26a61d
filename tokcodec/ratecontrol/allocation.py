"""The number of tokens of each tile: the least error for a number of bits, or the fewest bits for an error.

All tiles have the same slope: each has the level that minimises error + slope * bits. Bisection finds the slope
(Lagrangian bit allocation, Shoham & Gersho 1988), for a geometric series of largest counts. The rest of the room is
filled level by level. Needs NumPy only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..container.counts import FACTORS, LEVELS, tile_counts

LEVEL_BITS = 3.0
"""Cost of a tile's level in an adaptive file."""
SLOPE_FOUND = 0.997
"""The search for the slope ends at this part of the room, or of the error. The rest is filled tile by tile."""
TARGET_FILL = 0.97
"""An allocation should use this part of the room, even if one that uses less had a slightly smaller error."""
REUSE_COST_RATIO = 1.02
"""A revised allocation may take this many times the bits of a new one."""
_COUNTS_PER_OCTAVE = 8
"""Largest counts to try for each power of two. Closer ones differ by less than the levels do."""
_COUNTS_AT_ONCE = 8
"""Largest counts computed together. It bounds the memory for many tiles."""
_BISECTIONS = 24
"""Bisections of the slope's logarithm, which divide the range below by 16 million."""
_SLOPES = 1e-14, 1e2
"""Range of the slope, in error per bit: wider than any change of a picture's mean squared error per bit."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Allocation:
    """The number of tokens of each tile, with its predicted error and cost."""

    tokens: int
    """The largest count."""
    levels: Ints | None
    """int64 [tiles], see `container.counts`. None for equal counts."""
    error: float
    """Sum of the tiles' errors, by the curves."""
    bits: float
    """Ideal cost of the payload, in bits."""


class Allocator:
    """Chooses counts by curves.

    Args:
        errors: error of each tile after 0, 1, ... N tokens, float32 [tiles, N + 1].
        bits: cumulated cost of the same tokens in bits, float32 [tiles, N + 1].
    """

    def __init__(self, errors: Floats, bits: Floats) -> None:
        self.errors, self.bits = errors, bits
        self.tiles, self.most = len(errors), errors.shape[1] - 1
        octaves = np.arange(0, _COUNTS_PER_OCTAVE * np.log2(self.most) + 1e-9) / _COUNTS_PER_OCTAVE
        self._largest = np.unique(np.append(np.rint(2**octaves).astype(np.int64), self.most))
        self._equal_errors = errors.sum(0, dtype=np.float64)
        self._equal_bits = bits.sum(0, dtype=np.float64)

    def all(self) -> Allocation:
        """The allocation of every token."""
        return self.equal(self.most)

    def equal(self, tokens: int) -> Allocation:
        """The allocation of the same count, 1 to N, for every tile."""
        return Allocation(tokens, None, float(self._equal_errors[tokens]), float(self._equal_bits[tokens]))

    def for_bits(self, room: float) -> Allocation | None:
        """The least error within `room` bits. None if one token for each tile does not fit."""
        if self._equal_bits[1] > room:
            return None
        equal = self.equal(int(np.searchsorted(self._equal_bits, room, side="right")) - 1)
        if self.tiles == 1 or equal.tokens == self.most:
            return equal
        best, slope = self._bisect_slope(
            lambda allocation: allocation.bits <= room,
            lambda allocation: allocation.bits >= SLOPE_FOUND * room,
            towards=_SLOPES[0],
        )
        if best is None:
            return equal
        filled = [equal, self._fill(best, room)]
        if filled[1].bits < TARGET_FILL * room:  # few tiles have coarse levels: try the other largest counts
            filled += [self._fill(self._for_largest(int(largest), slope), room) for largest in self._largest]
        fitting = [allocation for allocation in filled if allocation.bits <= room]
        full = [allocation for allocation in fitting if allocation.bits >= TARGET_FILL * room]
        return min(full or fitting, key=lambda allocation: allocation.error)

    def for_error(self, goal: float) -> Allocation | None:
        """The fewest bits with a summed error of at most `goal`. None if all tokens have a larger error."""
        if self._equal_errors[self.most] > goal:
            return None
        equal = self.equal(max(1, int(np.argmax(self._equal_errors <= goal))))
        if self.tiles == 1 or equal.tokens == 1:
            return equal
        best, _ = self._bisect_slope(
            lambda allocation: allocation.error <= goal,
            lambda allocation: allocation.error >= SLOPE_FOUND * goal,
            towards=_SLOPES[1],
        )
        if best is None:
            return equal
        best = self._trim(best, goal)
        return best if best.bits < equal.bits else equal

    def _bisect_slope(
        self, accepted: Callable[[Allocation], bool], close: Callable[[Allocation], bool], towards: float
    ) -> tuple[Allocation | None, float]:
        """Search the accepted allocation whose slope is nearest to one end of _SLOPES.

        Args:
            accepted: whether an allocation is valid. All are on the side of the other end of _SLOPES.
            close: whether an accepted allocation is good enough to end the search.
            towards: the end of _SLOPES to approach.

        Returns:
            The allocation, None if none is accepted, and its slope.
        """
        best, slope = None, _SLOPES[1]
        accepted_end, other_end = (np.log(end) for end in (_SLOPES if towards == _SLOPES[1] else _SLOPES[::-1]))
        for _ in range(_BISECTIONS):
            middle = (accepted_end + other_end) / 2
            allocation = self.at_slope(float(np.exp(middle)))
            if not accepted(allocation):
                other_end = middle
                continue
            accepted_end, best, slope = middle, allocation, float(np.exp(middle))
            if close(allocation):
                break
        return best, slope

    def revise(self, allocation: Allocation, goal: float) -> Allocation | None:
        """Change the levels of a few tiles until the summed error is just below `goal`.

        Returns:
            The changed allocation. None if no levels reach the goal, or if a new allocation is cheaper by
            REUSE_COST_RATIO.
        """
        revised = self._change_levels(allocation, goal)
        if revised is None:
            return None
        new = self.for_error(goal)
        return None if new is not None and revised.bits > REUSE_COST_RATIO * new.bits else revised

    def _change_levels(self, allocation: Allocation, goal: float) -> Allocation | None:
        """`revise` without a limit on the cost."""
        if allocation.levels is None:
            return None
        if allocation.error <= goal:
            return self._lower(allocation, goal)
        rows, levels, error = np.arange(self.tiles), allocation.levels.copy(), allocation.error
        counts = _counts(np.array([allocation.tokens]))[0]
        while error > goal:
            raised = np.maximum(levels - 1, 0)
            saved = (self.errors[rows, counts[levels]] - self.errors[rows, counts[raised]]).astype(np.float64)
            cost = self.bits[rows, counts[raised]] - self.bits[rows, counts[levels]]
            worth = np.where(saved > 0, saved / np.maximum(cost, 1e-30), 0)
            order = np.argsort(-worth, kind="stable")[: np.count_nonzero(worth)]
            if not len(order):
                return None
            tiles = order[: int(np.searchsorted(np.cumsum(saved[order]), error - goal)) + 1]
            levels[tiles] -= 1
            error -= float(saved[tiles].sum())
        return self._with(allocation.tokens, levels)

    def at_slope(self, slope: float) -> Allocation:
        """The counts with the least error + slope * bits."""
        best, largest = np.inf, 1
        for start in range(0, len(self._largest), _COUNTS_AT_ONCE):
            tried = self._largest[start : start + _COUNTS_AT_ONCE]
            counts = _counts(tried)
            costs = (self.errors[:, counts] + np.float32(slope) * self.bits[:, counts]).min(2).sum(0, dtype=np.float64)
            place = int(costs.argmin())
            if costs[place] < best:
                best, largest = float(costs[place]), int(tried[place])
        return self._for_largest(largest, slope)

    def _for_largest(self, largest: int, slope: float) -> Allocation:
        """The counts with the least error + slope * bits, for one largest count."""
        counts = _counts(np.array([largest]))[0]
        return self._with(largest, (self.errors[:, counts] + np.float32(slope) * self.bits[:, counts]).argmin(1))

    def _with(self, largest: int, levels: Ints) -> Allocation:
        """The allocation of levels, shifted so that the lowest of them is 0."""
        if levels.min() > 0:
            largest = int(tile_counts(largest, levels[levels.argmin()][None])[0])
            levels = levels - levels.min()
        counts = tile_counts(largest, levels)
        rows = np.arange(self.tiles)
        error = float(self.errors[rows, counts].sum(dtype=np.float64))
        bits = float(self.bits[rows, counts].sum(dtype=np.float64))
        if counts.min() == counts.max():
            return Allocation(int(counts[0]), None, error, bits)
        return Allocation(largest, levels, error, bits + LEVEL_BITS * self.tiles)

    def _fill(self, allocation: Allocation, room: float) -> Allocation:
        """Spend the rest of the room: on larger counts for all, then on better levels of the tiles that gain most."""
        levels = np.zeros(self.tiles, np.int64) if allocation.levels is None else allocation.levels
        larger = range(allocation.tokens + 1, self.most + 1)
        fitting = bisect_right(larger, room, key=lambda tokens: self._with(tokens, levels).bits)
        allocation = self._with(allocation.tokens + fitting, levels)
        if allocation.levels is None:
            return allocation
        rows, levels, left = np.arange(self.tiles), allocation.levels.copy(), room - allocation.bits
        counts = _counts(np.array([allocation.tokens]))[0]
        while True:
            raised = np.maximum(levels - 1, 0)
            saved = self.errors[rows, counts[levels]] - self.errors[rows, counts[raised]]
            cost = self.bits[rows, counts[raised]] - self.bits[rows, counts[levels]]
            tiles = _best(saved, cost, left)
            if not len(tiles):
                return self._with(allocation.tokens, levels)
            levels[tiles] -= 1
            left -= float(cost[tiles].sum())

    def _trim(self, allocation: Allocation, goal: float) -> Allocation:
        """Save bits while the error stays below `goal`: smaller counts for all, then lower levels of some tiles."""
        levels = np.zeros(self.tiles, np.int64) if allocation.levels is None else allocation.levels
        fewer = range(1, allocation.tokens)
        failing = bisect_left(fewer, -goal, key=lambda tokens: -self._with(tokens, levels).error)
        return self._lower(self._with(1 + failing, levels), goal)

    def _lower(self, allocation: Allocation, goal: float) -> Allocation:
        """Lower the levels of the tiles that lose least, until the summed error is just below `goal`."""
        if allocation.levels is None:
            return allocation
        rows, levels, left = np.arange(self.tiles), allocation.levels.copy(), goal - allocation.error
        top = int(levels.argmin())  # one tile keeps level 0, since levels are relative to the largest count
        counts = _counts(np.array([allocation.tokens]))[0]
        while True:
            lowered = np.minimum(levels + 1, LEVELS - 1)
            lost = self.errors[rows, counts[lowered]] - self.errors[rows, counts[levels]]
            lost[top] = np.inf
            saved = self.bits[rows, counts[levels]] - self.bits[rows, counts[lowered]]
            tiles = _best(saved, lost, left)
            if not len(tiles):
                return self._with(allocation.tokens, levels)
            levels[tiles] += 1
            left -= float(lost[tiles].sum())


def _best(gain: Floats, price: Floats, left: float) -> Ints:
    """The tiles with the largest gain per price, as long as their prices sum to at most `left`.

    Args:
        gain: gain of each tile, float32 [tiles].
        price: its price, float32 [tiles].
        left: the budget.
    """
    worth = np.where((gain > 0) & (price <= left), gain / np.maximum(price, 1e-30), 0)
    order = np.argsort(-worth, kind="stable")[: np.count_nonzero(worth)]
    return order[: np.searchsorted(np.cumsum(price[order], dtype=np.float64), left, side="right")]


def _counts(largest: Ints) -> Ints:
    """Counts by largest count and level, as `counts.tile_counts`: int64 [n] -> [n, LEVELS]."""
    counts: Ints = np.maximum(1, (largest[:, None] * np.array(FACTORS) + 128) // 256)
    return counts
