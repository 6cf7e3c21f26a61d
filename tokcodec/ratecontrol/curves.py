"""What tokens are worth: the error of every tile of a picture after each number of tokens, and their bits.

Predicted curves cost nothing: a tokenizer that is a sum knows while encoding what is left. Measured ones decode every
tile at a few lengths, and serve any tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..pictures.tiling import OVERLAP, TILE, Grid, cut
from ..tokenizers.tiles import batches, device_memory
from .quality import mean_squared_error

if TYPE_CHECKING:
    import torch

    from ..models.modelfile import Model
    from ..tokenizers.base import Tokenizer

SAMPLES = 3 * TILE * TILE
WIDE = 1.05
"""Tiles that cover this many times their own samples along a side lose detail before they are coded."""


@dataclass(frozen=True)
class Curves:
    """The tokens of a picture at one pitch.

    tokens: int32 [tiles, N]; errors: float32 [tiles, N + 1], part of each tile in the picture's mean squared error
    (values in [0, 1]) after 0, 1, ... N tokens; bits: float32 [tiles, N + 1], ideal cost of the first 0, 1, ... N
    tokens; picture: what was encoded.
    """

    step: int
    grid: Grid
    tokens: npt.NDArray[np.int32]
    errors: npt.NDArray[np.float32]
    bits: npt.NDArray[np.float32]
    picture: Image.Image

    @cached_property
    def floor(self) -> float:
        """Mean squared error that no token can mend, since wide tiles are shrunk before they are coded."""
        return _floor(self.picture, self.grid)

    @property
    def tiles(self) -> int:
        return len(self.tokens)


def find_curves(
    picture: Image.Image,
    step: int,
    model: Model,
    tokenizer: Tokenizer,
    *,
    count: int | None = None,
    measured: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Curves:
    """Encode an RGB picture at a pitch (as the header stores it) and find what its tokens are worth.

    count: find no more tokens than these (None: all); measured: decode at a few lengths even where the tokenizer can
    predict. Raises DeviceError when memory is short.
    """
    grid = Grid.for_picture(*picture.size, step)
    count = count or model.n_tokens
    tokens = np.empty((grid.tiles, count), np.int32)
    errors = np.empty((grid.tiles, count + 1), np.float32)
    for batch in batches(grid.tiles):
        part = slice(batch.start, batch.stop)
        with device_memory():
            tokens[part], errors[part] = _encode(tokenizer, cut(picture, grid, batch), count, measured)
        if progress:
            progress(batch.stop, grid.tiles)
    errors *= (shares(grid) / SAMPLES).astype(np.float32)[:, None]
    return Curves(step, grid, tokens, errors, _bits(model, tokens), picture)


def shares(grid: Grid) -> npt.NDArray[np.float64]:
    """Part of the picture that every tile makes up, float64 [tiles], summing to 1: half of each overlap is its own."""

    def along(n: int) -> npt.NDArray[np.float64]:
        part = np.full(n, 2.0 * OVERLAP)
        part[1:] -= 1
        part[:-1] -= 1
        part /= part.sum()
        return part

    return np.outer(along(grid.rows), along(grid.columns)).ravel()


def _encode(
    tokenizer: Tokenizer, tiles: npt.NDArray[np.uint8], count: int, measured: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Tokens int64 [n, N] and squared errors float32 [n, N + 1] of tiles uint8 [n, 256, 256, 3]."""
    import torch

    pair = tiles.repeat(2, 0) if len(tiles) == 1 else tiles  # as in `tiles.tokenise`
    pixels = torch.from_numpy(pair).to(tokenizer.device).permute(0, 3, 1, 2).float() / 255
    found = None if measured else tokenizer.encode_curves(pixels, count)
    if found is None:
        tokens = tokenizer.encode(pixels, count)
        found = tokens, measure(tokenizer, tokens, pixels)
    return found[0].cpu().numpy()[: len(tiles)], found[1].cpu().numpy()[: len(tiles)]


def measure(tokenizer: Tokenizer, tokens: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Squared errors by decoding 1, 2, 4, ... N tokens: int64 n x N, float32 n x 3 x 256 x 256 -> float32 n x (N + 1).

    Between the lengths the logarithm of the error runs straight over the logarithm of the length; no token at all is
    grey. Errors that rise with more tokens are levelled: such tokens are worth nothing.
    """
    import torch

    count = tokens.shape[1]
    lengths = sorted({1 << power for power in range(count.bit_length()) if 1 << power < count} | {count})
    look = "fidelity" if "fidelity" in tokenizer.looks else None
    found = [(tokenizer.decode(tokens[:, :length], look) - pixels).square().sum((1, 2, 3)) for length in lengths]
    known = torch.stack(found, 1).clamp_min(1e-6).log().cpu().double().numpy()
    places = np.log(np.arange(1, count + 1))
    curves = [np.exp(np.interp(places, np.log(lengths), tile)) for tile in known]
    grey = (pixels - 0.5).square().sum((1, 2, 3)).cpu().double().numpy()
    errors = np.column_stack([grey, np.minimum.accumulate(np.stack(curves), axis=1)])
    return torch.from_numpy(errors.astype(np.float32))


def _bits(model: Model, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Cumulated cost in bits, by the tables or flat, whichever is less for the whole picture."""
    flat = math.log2(math.prod(model.radices))
    bits = np.zeros((len(tokens), tokens.shape[1] + 1), np.float32)
    for batch in batches(len(tokens)):
        bits[batch.start : batch.stop, 1:] = np.cumsum(model.tables.bits(tokens[batch.start : batch.stop]), axis=1)
    if bits[:, -1].mean() > flat * tokens.shape[1]:
        bits[:] = flat * np.arange(bits.shape[1])
    return bits


def _floor(picture: Image.Image, grid: Grid) -> float:
    """Mean squared error of the picture shrunk to its tiles' samples and enlarged again."""
    small = [
        min(side, max(1, round(side * TILE / extent)))
        for side, extent in zip(picture.size, grid.tile_extent, strict=True)
    ]
    if all(side <= WIDE * samples for side, samples in zip(picture.size, small, strict=True)):
        return 0.0
    shrunk = picture.resize((small[0], small[1]), Image.Resampling.LANCZOS)
    restored = shrunk.resize(picture.size, Image.Resampling.LANCZOS)
    return mean_squared_error(picture, restored)
