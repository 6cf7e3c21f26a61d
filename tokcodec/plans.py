"""A file before it is written: the tokens at one pitch, how many of each tile are taken, and what that promises."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .allocation import Allocation
from .bitstream import FIT, PITCHES
from .counts import tile_counts
from .curves import Curves
from .modelfile import Model
from .tiling import Grid


@dataclass(frozen=True)
class Planned:
    """A pitch's curves, an allocation over them, and the mean squared error that they promise."""

    curves: Curves
    allocation: Allocation
    error: float
    model: Model

    @property
    def share(self) -> float:
        """Mean part of a tile's tokens that are used."""
        whole = float(self.curves.bits[:, -1].sum()) * self.model.n_tokens / self.curves.tokens.shape[1]
        share: float = self.allocation.bits / whole
        return share

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        levels = self.allocation.levels
        if levels is None:
            return np.full(self.curves.tiles, self.allocation.tokens)
        return tile_counts(self.allocation.tokens, levels)

    @property
    def key(self) -> Hashable:
        """Equal for plans that give the same file."""
        return self.curves.step, self.counts.tobytes()

    @property
    def complete(self) -> bool:
        """Whether every token of every tile is used."""
        return self.allocation.levels is None and self.allocation.tokens == self.model.n_tokens


def distinct_steps(width: int, height: int) -> list[int]:
    """The pitches, as the header stores them, that cut a picture differently; from one tile to the most."""
    found: dict[tuple[int, int], int] = {}
    for step in (FIT, *sorted(PITCHES[1:], reverse=True)):
        grid = Grid.for_picture(width, height, step)
        found.setdefault((grid.columns, grid.rows), step)
    return list(found.values())
