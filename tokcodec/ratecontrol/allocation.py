"""How many tokens each tile gets: the least error for a number of bits, or the fewest bits for an error; numpy only.

Tiles are served at equal slope: each takes the level at which error + slope * bits is least, and the slope is found by
bisection (Lagrangian bit allocation, Shoham & Gersho 1988), over a geometric series of largest counts. What is left of
the room is filled level by level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..container.counts import FACTORS, LEVELS, tile_counts

LEVEL_BITS = 3.0
"""Cost of a tile's level in an adaptive file."""
CLOSE = 0.997
"""Part of the room, or of the error, at which the search for the slope ends: the rest is filled tile by tile."""
USED = 0.97
"""Part of the room that is used where any counts can use it, even if those with less were better by a little."""
DEARER = 1.02
"""Bits of a mended allocation at most, over those of a new one."""
_STEPS = 8  # largest counts tried for each power of two: closer ones differ by less than the levels do
_AT_ONCE = 8  # of these, taken together: bounds the memory for many tiles
_BISECTIONS = 24  # of the slope's logarithm: the range below is halved to a millionth
_SLOPES = 1e-14, 1e2  # error per bit: beyond all that a picture's mean squared error can change by

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Allocation:
    """tokens: the largest count; levels: int64 [tiles], None for equal counts; error: sum over tiles; bits: of the
    payload, ideally."""

    tokens: int
    levels: Ints | None
    error: float
    bits: float


class Allocator:
    """Chooses counts from curves: errors and cumulated bits after 0, 1, ... N tokens, float32 [tiles, N + 1]."""

    def __init__(self, errors: Floats, bits: Floats) -> None:
        self.errors, self.bits = errors, bits
        self.tiles, self.most = len(errors), errors.shape[1] - 1
        series = np.rint(2 ** (np.arange(0, _STEPS * np.log2(self.most) + 1e-9) / _STEPS)).astype(np.int64)
        self._largest = np.unique(np.append(series, self.most))
        self._equal_errors = errors.sum(0, dtype=np.float64)
        self._equal_bits = bits.sum(0, dtype=np.float64)

    def least(self) -> Allocation:
        """One token for each tile."""
        return self.equal(1)

    def all(self) -> Allocation:
        """Every token."""
        return self.equal(self.most)

    def equal(self, tokens: int) -> Allocation:
        return Allocation(tokens, None, float(self._equal_errors[tokens]), float(self._equal_bits[tokens]))

    def for_bits(self, room: float) -> Allocation | None:
        """The least error within `room` bits; None where not even one token for each tile fits."""
        if self._equal_bits[1] > room:
            return None
        equal = self.equal(int(np.searchsorted(self._equal_bits, room, side="right")) - 1)
        if self.tiles == 1 or equal.tokens == self.most:
            return equal
        found: Allocation | None = None
        slope = _SLOPES[1]
        low, high = np.log(_SLOPES)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            choice = self.at_slope(float(np.exp(middle)))
            if choice.bits <= room:
                high, found, slope = middle, choice, float(np.exp(middle))
                if choice.bits >= CLOSE * room:
                    break
            else:
                low = middle
        if found is None:
            return equal
        filled = [equal, self._fill(found, room)]
        if filled[1].bits < USED * room:  # few tiles: their levels are coarse steps, from another largest count others
            filled += [self._fill(self._chosen(int(largest), slope), room) for largest in self._largest]
        fitting = [choice for choice in filled if choice.bits <= room]
        used = [choice for choice in fitting if choice.bits >= USED * room]
        return min(used or fitting, key=lambda choice: choice.error)

    def for_error(self, goal: float) -> Allocation | None:
        """The fewest bits with a summed error of at most `goal`; None where all tokens are not enough."""
        if self._equal_errors[self.most] > goal:
            return None
        equal = self.equal(max(1, int(np.argmax(self._equal_errors <= goal))))
        if self.tiles == 1 or equal.tokens == 1:
            return equal
        found: Allocation | None = None
        low, high = np.log(_SLOPES)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            choice = self.at_slope(float(np.exp(middle)))
            if choice.error <= goal:
                low, found = middle, choice
                if choice.error >= CLOSE * goal:
                    break
            else:
                high = middle
        if found is None:
            return equal
        found = self._trim(found, goal)
        return found if found.bits < equal.bits else equal

    def mend(self, found: Allocation, goal: float) -> Allocation | None:
        """An allocation with other levels for a few tiles, and a summed error of at most `goal`, closely.

        None where levels cannot do that, or where a new allocation is clearly cheaper.
        """
        mended = self._change(found, goal)
        if mended is None:
            return None
        anew = self.for_error(goal)
        return None if anew is not None and mended.bits > DEARER * anew.bits else mended

    def _change(self, found: Allocation, goal: float) -> Allocation | None:
        """`mend`, whatever it costs."""
        if found.levels is None:
            return None
        if found.error <= goal:
            return self._lower(found, goal)
        rows, levels, error = np.arange(self.tiles), found.levels.copy(), found.error
        counts = _counts(np.array([found.tokens]))[0]
        while error > goal:
            raised = np.maximum(levels - 1, 0)
            saved = (self.errors[rows, counts[levels]] - self.errors[rows, counts[raised]]).astype(np.float64)
            cost = self.bits[rows, counts[raised]] - self.bits[rows, counts[levels]]
            worth = np.where(saved > 0, saved / np.maximum(cost, 1e-30), 0)
            order = np.argsort(-worth, kind="stable")[: np.count_nonzero(worth)]
            if not len(order):
                return None
            taken = order[: int(np.searchsorted(np.cumsum(saved[order]), error - goal)) + 1]
            levels[taken] -= 1
            error -= float(saved[taken].sum())
        return self._with(found.tokens, levels)

    def at_slope(self, slope: float) -> Allocation:
        """The counts with the least error + slope * bits."""
        best, largest = np.inf, 1
        for start in range(0, len(self._largest), _AT_ONCE):
            tried = self._largest[start : start + _AT_ONCE]
            counts = _counts(tried)
            costs = (self.errors[:, counts] + np.float32(slope) * self.bits[:, counts]).min(2).sum(0, dtype=np.float64)
            place = int(costs.argmin())
            if costs[place] < best:
                best, largest = float(costs[place]), int(tried[place])
        return self._chosen(largest, slope)

    def _chosen(self, largest: int, slope: float) -> Allocation:
        """The same for one largest count."""
        counts = _counts(np.array([largest]))[0]
        return self._with(largest, (self.errors[:, counts] + np.float32(slope) * self.bits[:, counts]).argmin(1))

    def _with(self, largest: int, levels: Ints) -> Allocation:
        """The allocation of these levels, with the lowest of them 0."""
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

    def _fill(self, found: Allocation, room: float) -> Allocation:
        """Spend what is left: first by larger counts for all, then by better levels where they save most per bit."""
        levels = np.zeros(self.tiles, np.int64) if found.levels is None else found.levels
        low, high = found.tokens, self.most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._with(middle, levels).bits <= room else (low, middle - 1)
        found = self._with(low, levels)
        if found.levels is None:
            return found
        rows, levels, left = np.arange(self.tiles), found.levels.copy(), room - found.bits
        counts = _counts(np.array([found.tokens]))[0]
        while True:
            raised = np.maximum(levels - 1, 0)
            saved = self.errors[rows, counts[levels]] - self.errors[rows, counts[raised]]
            cost = self.bits[rows, counts[raised]] - self.bits[rows, counts[levels]]
            taken = _best(saved, cost, left)
            if not len(taken):
                return self._with(found.tokens, levels)
            levels[taken] -= 1
            left -= float(cost[taken].sum())

    def _trim(self, found: Allocation, goal: float) -> Allocation:
        """Take back what is more than enough: by smaller counts for all, then by lower levels where they cost least."""
        levels = np.zeros(self.tiles, np.int64) if found.levels is None else found.levels
        low, high = 1, found.tokens
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._with(middle, levels).error <= goal else (middle + 1, high)
        return self._lower(self._with(low, levels), goal)

    def _lower(self, found: Allocation, goal: float) -> Allocation:
        """Lower levels where they cost least, until the summed error comes close to `goal`."""
        if found.levels is None:
            return found
        rows, levels, left = np.arange(self.tiles), found.levels.copy(), goal - found.error
        top = int(levels.argmin())  # one tile keeps level 0, or the largest count would mean something else
        counts = _counts(np.array([found.tokens]))[0]
        while True:
            lowered = np.minimum(levels + 1, LEVELS - 1)
            lost = self.errors[rows, counts[lowered]] - self.errors[rows, counts[levels]]
            lost[top] = np.inf
            saved = self.bits[rows, counts[levels]] - self.bits[rows, counts[lowered]]
            taken = _best(saved, lost, left)
            if not len(taken):
                return self._with(found.tokens, levels)
            levels[taken] += 1
            left -= float(lost[taken].sum())


def _best(gain: Floats, price: Floats, left: float) -> Ints:
    """Tiles with a gain, those with the most for its price first, as many as `left` pays for."""
    worth = np.where((gain > 0) & (price <= left), gain / np.maximum(price, 1e-30), 0)
    order = np.argsort(-worth, kind="stable")[: np.count_nonzero(worth)]
    return order[: np.searchsorted(np.cumsum(price[order], dtype=np.float64), left, side="right")]


def _counts(largest: Ints) -> Ints:
    """Counts by largest count and level: int64 [n] -> [n, LEVELS]; as `counts.tile_counts`."""
    counts: Ints = np.maximum(1, (largest[:, None] * np.array(FACTORS) + 128) // 256)
    return counts
