"""Plans of files: the tokens at one pitch, the count of each tile, and the predicted error."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..container.bare import BARE_SIZE
from ..container.counts import tile_counts
from ..container.header import HEADER_SIZE, PITCHES, Header
from ..contents import pack
from ..models.modelfile import Model
from ..pictures.limits import DEFAULT_MAX_TILES, DEFAULT_TILE, FIT
from ..pictures.tiling import Grid
from ..tokenizers.base import Tokenizer
from ..tokenizers.tiles import Drawn, draw
from .allocation import Allocation, Allocator
from .curves import Curves, find_curves
from .focus import Weights
from .settings import PLAIN_TILES_RATIO

KEPT_TILES = 256
"""The last drawing of at most this many tiles is kept (200 MB), so that only changed tiles are drawn again."""

Progress = Callable[[int, int], None]
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """The curves at one pitch and an allocation for them."""

    curves: Curves
    """The tokens at the pitch, with their errors and bits."""
    allocation: Allocation
    """The number of tokens of each tile."""
    model: Model
    """The model of the file."""

    @property
    def pitch(self) -> int:
        """The pitch, as the header stores it."""
        return self.curves.pitch

    @property
    def error(self) -> float:
        """The mean squared error that the curves predict."""
        return self.allocation.error + self.curves.floor

    @property
    def share(self) -> float:
        """Mean share of a tile's tokens that is used, 0 to 1."""
        whole = float(self.curves.bits[:, -1].sum()) * self.model.n_tokens / self.curves.tokens.shape[1]
        share: float = self.allocation.bits / whole
        return share

    @property
    def first_error(self) -> float:
        """Mean squared error with one token for each tile."""
        return float(self.curves.errors[:, 1].sum(dtype=np.float64)) + self.curves.floor

    @property
    def counts(self) -> NDArray[np.int64]:
        """Tokens of each tile, int64 [tiles]."""
        levels = self.allocation.levels
        if levels is None:
            return np.full(self.curves.tiles, self.allocation.tokens)
        return tile_counts(self.allocation.tokens, levels)

    @property
    def key(self) -> Hashable:
        """Equal for plans of the same file."""
        return self.pitch, self.counts.tobytes()

    @property
    def complete(self) -> bool:
        """Whether every token of every tile is used."""
        return self.allocation.levels is None and self.allocation.tokens == self.model.n_tokens


class Planner:
    """A picture, and its tokens at every requested pitch.

    Args:
        picture: RGB picture.
        model: the model of the file.
        tokenizer: encodes, and draws unless `drawer` is given.
        pitch: the only pitch to use, as the header stores it. Default: `automatic_pitches`.
        container: "tok" or "bare". Default: "tok".
        measured: measure curves by decoding even if the tokenizer can predict them. Default: False.
        weights: weights of the pixels' errors. Default: all count alike.
        drawer: returns the tokenizer that draws a given number of tiles fastest. Default: `tokenizer`.
        progress: called with (tiles encoded, tiles) at each pitch.
    """

    def __init__(
        self,
        picture: Image.Image,
        model: Model,
        tokenizer: Tokenizer,
        *,
        pitch: int | None = None,
        container: str = "tok",
        measured: bool = False,
        weights: Weights | None = None,
        drawer: Callable[[int], Tokenizer] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.picture, self.model, self.tokenizer = picture, model, tokenizer
        self.container, self.measured, self.weights, self.progress = container, measured, weights, progress
        self.drawer = drawer or (lambda tiles: tokenizer)
        self.token_bits = math.log2(math.prod(model.radices))
        self.overhead = BARE_SIZE if container == "bare" else HEADER_SIZE
        self.pitches = automatic_pitches(*picture.size, model.tile) if pitch is None else [pitch]
        self.tiles = [Grid.for_picture(*picture.size, pitch).tiles for pitch in self.pitches]
        self._coded: dict[int, tuple[Curves, Allocator]] = {}
        self._drawn: tuple[Hashable, Drawn] = None, {}

    @property
    def where(self) -> str:
        """Text that a message about the picture adds if not every pitch was tried."""
        if len(self.pitches) == 1:
            return " at this pitch"
        smallest = self.pitches[-1]
        return "" if smallest == distinct_pitches(*self.picture.size)[-1] else f" at pitch {smallest} and above"

    def coded(self, pitch: int, count: int | None = None) -> tuple[Curves, Allocator]:
        """Encode the picture at a pitch, once.

        Args:
            pitch: the pitch, as the header stores it.
            count: tokens per tile that are needed at most. Default: all.
        """
        if pitch not in self._coded or self._coded[pitch][1].most < (count or self.model.n_tokens):
            curves = find_curves(
                self.picture,
                pitch,
                self.model,
                self.tokenizer,
                container=self.container,
                count=count,
                measured=self.measured,
                weights=self.weights,
                progress=self.progress,
            )
            self._coded[pitch] = curves, Allocator(curves.errors, curves.bits)
        return self._coded[pitch]

    def curves(self, pitch: int) -> Curves:
        """The curves of all tokens at a pitch."""
        return self.coded(pitch)[0]

    def allocator(self, pitch: int, count: int | None = None) -> Allocator:
        """The allocator for the curves at a pitch. At most `count` tokens per tile are needed, by default all."""
        return self.coded(pitch, count)[1]

    def plan(self, pitch: int, allocation: Allocation) -> Plan:
        """The plan of an allocation at a pitch that has been encoded."""
        return Plan(self._coded[pitch][0], allocation, self.model)

    def pack(self, plan: Plan) -> bytes:
        """The file of a plan."""
        curves, allocation = plan.curves, plan.allocation
        header = Header(self.model.id, allocation.tokens, curves.pitch, *self.picture.size)
        return pack(header, self.model, curves.tokens, allocation.levels, container=self.container)

    def draw(self, plan: Plan, look: str | None = None) -> Image.Image:
        """Draw the picture of a plan, the same as decoding its file."""
        curves, tokenizer = plan.curves, self.drawer(plan.curves.tiles)
        if self._drawn[0] != (curves.pitch, look):
            self._drawn = (curves.pitch, look), {}
        kept = self._drawn[1] if curves.tiles <= KEPT_TILES else None
        return draw(tokenizer, curves.grid, curves.tokens, plan.counts, look, scale=curves.scale, kept=kept)


def distinct_pitches(width: int, height: int) -> list[int]:
    """The pitches, as the header stores them, that give a picture different tiles, from one tile to the most."""
    pitches: dict[tuple[int, int], int] = {}
    for pitch in (FIT, *sorted(PITCHES[1:], reverse=True)):
        grid = Grid.for_picture(width, height, pitch)
        pitches.setdefault((grid.columns, grid.rows), pitch)
    return list(pitches.values())


def automatic_pitches(width: int, height: int, tile: int = DEFAULT_TILE) -> list[int]:
    """The distinct pitches that a target may choose, from one tile to the most.

    Args:
        width: pixels along the picture's horizontal side.
        height: pixels along the picture's vertical side.
        tile: samples along a side of the model's tiles, which is the default pitch. Default: 256.
    """
    plain = Grid.for_picture(width, height, tile).tiles
    most = max(DEFAULT_MAX_TILES, PLAIN_TILES_RATIO * plain)
    return [p for p in distinct_pitches(width, height) if Grid.for_picture(width, height, p).tiles <= most]
