"""Curves: the error of every tile of a picture after each number of tokens, and the bits of the tokens.

Predicted curves cost nothing: a tokenizer whose decoder is a sum computes the remaining error while it encodes.
Measured curves decode every tile at a few lengths, and work for any tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..container.header import Header
from ..contents import scale_of
from ..pictures.tiling import OVERLAP, Grid, cut
from ..tokenizers.tiles import batches, checked_tokens, decoded, faults_of, pixels, wrong
from .quality import mean_squared_error

if TYPE_CHECKING:
    from ..models.modelfile import Model
    from ..tokenizers.base import Tokenizer
    from .focus import Weights

SHRUNK_RATIO = 1.05
"""Tiles that cover more than this many times their own samples along a side lose detail before they are coded."""


@dataclass(frozen=True)
class Curves:
    """The tokens of a picture at one pitch, with their errors and bits."""

    pitch: int
    """Source pixels from tile to tile, as the header stores it."""
    grid: Grid
    """The tiles."""
    scale: int
    """The scale of the tiles, see `contents.scale_of`."""
    tokens: NDArray[np.int32]
    """The tokens, int32 [tiles, N]."""
    errors: NDArray[np.float32]
    """Each tile's part of the picture's mean squared error after 0, 1, ... N tokens, float32 [tiles, N + 1].

    Pixel values are in [0, 1].
    """
    bits: NDArray[np.float32]
    """Ideal cost of the first 0, 1, ... N tokens in bits, float32 [tiles, N + 1]."""
    picture: Image.Image
    """The picture that was encoded."""
    side: int
    """Samples along a tile's side."""
    weights: Weights | None = None
    """Weights of the pixels' errors. None: all count alike."""

    @cached_property
    def floor(self) -> float:
        """Mean squared error that tokens cannot reduce: a tile larger than its samples is shrunk before it is coded."""
        return _floor(self.picture, self.grid, self.side, self.weights)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.tokens)


def find_curves(
    picture: Image.Image,
    pitch: int,
    model: Model,
    tokenizer: Tokenizer,
    *,
    container: str = "tok",
    count: int | None = None,
    measured: bool = False,
    weights: Weights | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Curves:
    """Encode a picture at a pitch, and compute the errors and bits of its tokens.

    Args:
        picture: RGB picture.
        pitch: one of `header.PITCHES`.
        model: the model whose entropy tables give the cost of the tokens.
        tokenizer: the tokenizer of the model.
        container: "tok" or "bare", which determines the scale. Default: "tok".
        count: tokens per tile to encode. Default: all.
        measured: decode at a few lengths even if the tokenizer can predict the errors. Default: False.
        weights: weights of the pixels' errors. Default: all count alike.
        progress: called with (tiles done, tiles).

    Raises:
        DeviceError: the device has too little memory.
        ModelFileError: the tokenizer returns arrays of a wrong shape or with wrong values.
    """
    grid = Grid.for_picture(*picture.size, pitch)
    scale = scale_of(Header(model.id, 1, pitch, *picture.size), model, container)
    count = count or model.n_tokens
    tokens = np.empty((grid.tiles, count), np.int32)
    errors = np.empty((grid.tiles, count + 1), np.float32)
    for batch in batches(grid.tiles):
        part = slice(batch.start, batch.stop)
        tiles = cut(picture, grid, batch, side=tokenizer.tile)
        with faults_of(tokenizer):
            tokens[part], errors[part] = _encode(tokenizer, tiles, count, scale, measured)
        if progress:
            progress(batch.stop, grid.tiles)
    errors *= (shares(grid) / (3 * tokenizer.tile**2)).astype(np.float32)[:, None]
    if weights is not None:
        errors *= weights.of_tiles(grid)[:, None]
    return Curves(pitch, grid, scale, tokens, errors, _bits(model, scale, tokens), picture, tokenizer.tile, weights)


def shares(grid: Grid) -> NDArray[np.float64]:
    """Each tile's share of the picture, float64 [tiles], with sum 1. Half of each overlap belongs to a tile."""

    def along(n: int) -> NDArray[np.float64]:
        part = np.full(n, 2.0 * OVERLAP)
        part[1:] -= 1
        part[:-1] -= 1
        part /= part.sum()
        return part

    return np.outer(along(grid.rows), along(grid.columns)).ravel()


def _encode(
    tokenizer: Tokenizer, tiles: NDArray[np.uint8], count: int, scale: int, measured: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Tokens int64 [n, N] and squared errors float32 [n, N + 1] of tiles uint8 [n, T, T, 3]."""
    x = pixels(tiles)
    curves = None if measured else tokenizer.encode_curves(x, count, scale)
    if curves is None:
        tokens = checked_tokens(tokenizer, tokenizer.encode(x, count, scale), len(x), count)
        return tokens, measure(tokenizer, tokens, x, scale)
    tokens, errors = checked_tokens(tokenizer, curves[0], len(x), count), np.asarray(curves[1])
    if errors.shape != (len(x), count + 1):
        raise wrong(tokenizer, f"finds errors {list(errors.shape)}, not {[len(x), count + 1]}")
    return tokens, errors


def measure(
    tokenizer: Tokenizer, tokens: NDArray[np.int64], x: NDArray[np.float32], scale: int = 0
) -> NDArray[np.float32]:
    """Measure squared errors by decoding 1, 2, 4, ... N tokens.

    Between these lengths the logarithm of the error is linear in the logarithm of the length. A tile without tokens is
    grey. If an error rises with more tokens, the lower error is kept.

    Args:
        tokenizer: decodes, in the look "fidelity" if it has that.
        tokens: int64 n x N.
        x: the tiles, float32 n x 3 x T x T in [0, 1].
        scale: the scale of the tiles. Default: 0.

    Returns:
        Squared errors after 0, 1, ... N tokens, float32 n x (N + 1).
    """
    count = tokens.shape[1]
    lengths = sorted({1 << power for power in range(count.bit_length()) if 1 << power < count} | {count})
    look = "fidelity" if "fidelity" in tokenizer.looks else None
    drawn = (decoded(tokenizer, tokens[:, :length], look, scale) for length in lengths)
    known = np.log(np.stack([np.square(y - x).sum((1, 2, 3), dtype=np.float64) for y in drawn], 1).clip(1e-6))
    places = np.log(np.arange(1, count + 1))
    curves = [np.exp(np.interp(places, np.log(lengths), tile)) for tile in known]
    grey = np.square(x - 0.5).sum((1, 2, 3), dtype=np.float64)
    return np.column_stack([grey, np.minimum.accumulate(np.stack(curves), axis=1)]).astype(np.float32)


def _bits(model: Model, scale: int, tokens: NDArray[np.int32]) -> NDArray[np.float32]:
    """Cumulated cost in bits, float32 [tiles, N + 1], by the tables or flat: the lower one for the whole picture."""
    flat, tables = math.log2(math.prod(model.radices)), model.tables[scale]
    bits = np.zeros((len(tokens), tokens.shape[1] + 1), np.float32)
    for batch in batches(len(tokens)):
        bits[batch.start : batch.stop, 1:] = np.cumsum(tables.bits(tokens[batch.start : batch.stop]), axis=1)
    if bits[:, -1].mean() > flat * tokens.shape[1]:
        bits[:] = flat * np.arange(bits.shape[1])
    return bits


def _floor(picture: Image.Image, grid: Grid, samples: int, weights: Weights | None) -> float:
    """Mean squared error of the picture when it is shrunk to its tiles' samples and enlarged again."""
    small = [
        min(side, max(1, round(side * samples / extent)))
        for side, extent in zip(picture.size, grid.tile_extent, strict=True)
    ]
    if all(side <= SHRUNK_RATIO * fewer for side, fewer in zip(picture.size, small, strict=True)):
        return 0.0
    shrunk = picture.resize((small[0], small[1]), Image.Resampling.LANCZOS)
    restored = shrunk.resize(picture.size, Image.Resampling.LANCZOS)
    return mean_squared_error(picture, restored, weights)
