"""A file before it is written: the tokens at one pitch, how many of each tile are taken, and what that promises.

`RateControl` chooses among such plans.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..container.bare import BARE_SIZE
from ..container.counts import tile_counts
from ..container.header import HEADER_SIZE, PITCHES, Header
from ..contents import pack
from ..models.modelfile import Model
from ..pictures.limits import FIT
from ..pictures.tiling import Grid
from ..tokenizers.base import Tokenizer
from ..tokenizers.tiles import Drawn, draw
from .allocation import Allocation, Allocator
from .curves import Curves, find_curves
from .focus import Weights

KEPT = 256
"""Tiles of a picture of which the last drawing is kept, so that only those that change are drawn anew: 200 MB."""

Progress = Callable[[int, int], None]
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A pitch's curves and an allocation over them."""

    curves: Curves
    allocation: Allocation
    model: Model

    @property
    def error(self) -> float:
        """The mean squared error that they promise."""
        return self.allocation.error + self.curves.floor

    @property
    def share(self) -> float:
        """Mean part of a tile's tokens that are used."""
        whole = float(self.curves.bits[:, -1].sum()) * self.model.n_tokens / self.curves.tokens.shape[1]
        share: float = self.allocation.bits / whole
        return share

    @property
    def first_error(self) -> float:
        """Mean squared error with one token for each tile."""
        return float(self.curves.errors[:, 1].sum(dtype=np.float64)) + self.curves.floor

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


class Planner:
    """A picture, and its tokens at every pitch that is asked for.

    step: the only pitch, as the header stores it; None: all; measured: curves by decoding even where the tokenizer can
    predict them; weights: of the pixels' errors (None: all count alike); drawer: the tokenizer that draws so many tiles
    fastest (None: the one that encodes).
    """

    def __init__(
        self,
        picture: Image.Image,
        model: Model,
        tokenizer: Tokenizer,
        *,
        step: int | None = None,
        container: str = "tok",
        measured: bool = False,
        weights: Weights | None = None,
        drawer: Callable[[int], Tokenizer] | None = None,
        warn: Warn,
        progress: Progress | None = None,
    ) -> None:
        self.picture, self.model, self.tokenizer = picture, model, tokenizer
        self.container, self.measured, self.warn, self.progress = container, measured, warn, progress
        self.weights = weights
        self.drawer = drawer or (lambda tiles: tokenizer)
        self.token_bits = math.log2(math.prod(model.radices))
        self.overhead = BARE_SIZE if container == "bare" else HEADER_SIZE
        self.steps = distinct_steps(*picture.size) if step is None else [step]
        self.tiles = [Grid.for_picture(*picture.size, step).tiles for step in self.steps]
        self._coded: dict[int, tuple[Curves, Allocator]] = {}
        self._drawn: tuple[Hashable, Drawn] = None, {}

    def coded(self, step: int, count: int | None = None) -> tuple[Curves, Allocator]:
        """The picture encoded at a pitch, once; count: as many tokens as can be of use."""
        if step not in self._coded or self._coded[step][1].most < (count or self.model.n_tokens):
            curves = find_curves(
                self.picture,
                step,
                self.model,
                self.tokenizer,
                container=self.container,
                count=count,
                measured=self.measured,
                weights=self.weights,
                progress=self.progress,
            )
            self._coded[step] = curves, Allocator(curves.errors, curves.bits)
        return self._coded[step]

    def plan(
        self, step: int, find: Callable[[Curves, Allocator], Allocation | None], count: int | None = None
    ) -> Planned | None:
        """What `find` chooses from the curves at a pitch."""
        curves, allocator = self.coded(step, count)
        allocation = find(curves, allocator)
        if allocation is None:
            return None
        return Planned(curves, allocation, self.model)

    def pack(self, planned: Planned) -> bytes:
        """The file of a plan."""
        curves, allocation = planned.curves, planned.allocation
        header = Header(self.model.id, allocation.tokens, curves.step, *self.picture.size)
        return pack(header, self.model, curves.tokens, allocation.levels, container=self.container)

    def draw(self, planned: Planned, look: str | None = None) -> Image.Image:
        """What the file of a plan decodes to, without the detour over its bytes."""
        curves, tokenizer = planned.curves, self.drawer(planned.curves.tiles)
        if self._drawn[0] != (curves.step, look):
            self._drawn = (curves.step, look), {}
        kept = self._drawn[1] if curves.tiles <= KEPT else None
        return draw(tokenizer, curves.grid, curves.tokens, planned.counts, look, scale=curves.scale, kept=kept)


def distinct_steps(width: int, height: int) -> list[int]:
    """The pitches, as the header stores them, that cut a picture differently; from one tile to the most."""
    found: dict[tuple[int, int], int] = {}
    for step in (FIT, *sorted(PITCHES[1:], reverse=True)):
        grid = Grid.for_picture(width, height, step)
        found.setdefault((grid.columns, grid.rows), step)
    return list(found.values())
