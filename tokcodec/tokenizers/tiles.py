"""Encodes and draws the tiles of a picture in batches: pixels to tokens, and tokens to a picture.

T is the number of samples along a tile's side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..cores import spread, turn
from ..errors import ModelFileError, TokError
from ..pictures.canvas import Canvas
from ..pictures.tiling import Grid
from .families import fault, memory_error

if TYPE_CHECKING:
    from .base import Tokenizer

BATCH = 32
"""Number of tiles coded at a time. It bounds the memory for large pictures (32 tiles are 25 MB in float32)."""
BLANK = 128
"""Grey level of a tile without tokens in a cut file."""

Progress = Callable[[int, int], None]
Drawn: TypeAlias = dict[int, tuple[int, NDArray[np.float32]]]
"""Drawn tiles by their number: the number of tokens, and the pixels, float32 [T, T, 3]."""


def batches(tiles: int, most: int = BATCH) -> Iterator[range]:
    """Split the numbers 0 .. tiles - 1 into ranges of at most `most`. Default: BATCH."""
    for start in range(0, tiles, most):
        yield range(start, min(start + most, tiles))


def pixels(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert tiles of `cut` to the input of a tokenizer: uint8 [n, T, T, 3] -> float32 [n, 3, T, T] in [0, 1]."""
    scaled: NDArray[np.float32] = tiles.transpose(0, 3, 1, 2).astype(np.float32)
    scaled /= 255
    return scaled


def tokenise(tokenizer: Tokenizer, tiles: NDArray[np.uint8], count: int, scale: int = 0) -> NDArray[np.int64]:
    """Encode tiles.

    Args:
        tokenizer: the tokenizer of the model.
        tiles: uint8 [n, T, T, 3].
        count: tokens per tile, 1 to the model's number.
        scale: the scale of the tiles. Default: 0.

    Returns:
        int64 [n, count].

    Raises:
        DeviceError: the device has too little memory.
        ModelFileError: the tokenizer returns wrong tokens, or fails.
    """
    with faults_of(tokenizer):
        tokens = tokenizer.encode(pixels(tiles), count, scale)
        return checked_tokens(tokenizer, tokens, len(tiles), count)


def checked_tokens(tokenizer: Tokenizer, tokens: Any, tiles: int, count: int) -> NDArray[np.int64]:
    """Check the tokens that a tokenizer, perhaps of another package, returned.

    Args:
        tokenizer: the tokenizer, for the range of its tokens and the error line.
        tokens: its result.
        tiles: number of tiles.
        count: tokens per tile.

    Returns:
        int64 [tiles, count].

    Raises:
        ModelFileError: the tokens have another shape, are not integers, or are out of range.
    """
    found = np.asarray(tokens)
    if found.shape != (tiles, count) or not np.issubdtype(found.dtype, np.integer):
        raise wrong(tokenizer, f"encodes to {found.dtype} {list(found.shape)}, not to integers [{tiles}, {count}]")
    values = tokenizer.token_values
    if found.size and (found.min() < 0 or (values is not None and found.max() >= values)):
        last = "" if values is None else values - 1
        raise wrong(tokenizer, f"makes tokens {found.min()}..{found.max()}, outside of 0..{last}")
    return found.astype(np.int64, copy=False)


def decoded(
    tokenizer: Tokenizer,
    tokens: NDArray[Any],
    look: str | None = None,
    scale: int = 0,
    strip_axis: int | None = None,
) -> NDArray[np.float32]:
    """Draw tiles, and check the result of the tokenizer.

    Args:
        tokenizer: the tokenizer of the model.
        tokens: int [n, k].
        look: a look of the model. Default: its first.
        scale: the scale of the tiles. Default: 0.
        strip_axis: the axis across a strip, see `Grid.strip_axis`. Default: draw whole tiles.

    Returns:
        float32 [n, 3, T, T].

    Raises:
        DeviceError: the device has too little memory.
        ValueError: the model does not have the look.
        ModelFileError: the result has another shape, or values that are not finite numbers.
    """
    look = tokenizer.check_look(look)
    shape = (len(tokens), 3, tokenizer.tile, tokenizer.tile)
    with faults_of(tokenizer):
        if strip_axis is None:
            found = np.asarray(tokenizer.decode(tokens, look, scale))
        else:
            found = np.asarray(tokenizer.decode_strip(tokens, look, scale, strip_axis))
    if found.shape != shape or not np.issubdtype(found.dtype, np.floating):
        raise wrong(tokenizer, f"decodes to {found.dtype} {list(found.shape)}, not to floats {list(shape)}")
    drawn: NDArray[np.float32] = found.astype(np.float32, copy=False)
    if not np.isfinite(drawn).all():
        raise wrong(tokenizer, "draws values that are not finite numbers")
    return drawn


def wrong(tokenizer: Tokenizer, what: str) -> ModelFileError:
    """An error of a tokenizer that returns a wrong result. The text names its model if it is known."""
    name = f"model {tokenizer.model_name}" if tokenizer.model_name else type(tokenizer).__name__
    return ModelFileError(f"{name}: its tokenizer {what}")


def draw(
    tokenizer: Tokenizer,
    grid: Grid,
    coded: NDArray[np.int32],
    counts: NDArray[np.int64],
    look: str | None = None,
    progress: Progress | None = None,
    scale: int = 0,
    kept: Drawn | None = None,
) -> Image.Image:
    """Draw a picture.

    Args:
        tokenizer: the tokenizer of the model.
        grid: the tiles of the picture.
        coded: the tokens, int32 [tiles, at least the largest count].
        counts: number of tokens to use of each tile, int64 [tiles]. A tile with 0 is grey.
        look: a look of the model. Default: its first.
        progress: called with (tiles done, tiles in all).
        scale: the scale of the tiles. Default: 0.
        kept: tiles drawn earlier from the same tokens in the same look. Those with an equal count are reused, and newly
            drawn ones are added. Default: none.

    Returns:
        The RGB picture.

    Raises:
        DeviceError: the device has too little memory.
        ValueError: the model does not have the look.
        ModelFileError: the tokenizer returns a wrong result, or fails.
    """
    if not counts.any():
        if progress:
            progress(grid.tiles, grid.tiles)
        return Image.new("RGB", (grid.width, grid.height), (BLANK,) * 3)
    canvas = Canvas(grid, tokenizer.tile)
    each = _one_by_one if tokenizer.tile_by_tile else _in_batches
    for number, tile in enumerate(each(tokenizer, coded, counts, look, scale, kept or {}, grid.strip_axis)):
        with turn():
            canvas.add(tile[None], counts[number : number + 1] == 0)
        if kept is not None and counts[number]:
            kept[number] = int(counts[number]), tile
        if progress and (number + 1 == grid.tiles or (number + 1) % tokenizer.batch == 0):
            progress(number + 1, grid.tiles)
    return canvas.finish()


def _one_by_one(
    tokenizer: Tokenizer,
    coded: NDArray[np.int32],
    counts: NDArray[np.int64],
    look: str | None,
    scale: int,
    kept: Drawn,
    strip_axis: int | None,
) -> Iterator[NDArray[np.float32]]:
    """Pixels of each tile, float32 [T, T, 3] in [0, 1], drawn in parallel by the threads of `cores`."""

    def pixels_of(number: int) -> NDArray[np.float32]:
        count = int(counts[number])
        if number in kept and kept[number][0] == count:
            return kept[number][1]
        if not count:
            return blank(tokenizer)
        drawn: NDArray[np.float32] = decoded(tokenizer, coded[number : number + 1, :count], look, scale, strip_axis)[0]
        return drawn.transpose(1, 2, 0)

    return spread(pixels_of, range(len(coded)))


def _in_batches(
    tokenizer: Tokenizer,
    coded: NDArray[np.int32],
    counts: NDArray[np.int64],
    look: str | None,
    scale: int,
    kept: Drawn,
    strip_axis: int | None,
) -> Iterator[NDArray[np.float32]]:
    """As `_one_by_one`, but the tiles of a batch with the same number of tokens are drawn together."""
    for batch in batches(len(coded), tokenizer.batch):
        drawn = {number: kept[number][1] for number in batch if number in kept and kept[number][0] == counts[number]}
        new = np.array([number for number in batch if number not in drawn], np.int64)
        for count in np.unique(counts[new]):
            rows = new[counts[new] == count]
            if count:
                pixels = decoded(tokenizer, coded[rows, :count], look, scale, strip_axis).transpose(0, 2, 3, 1)
            else:
                pixels = np.stack([blank(tokenizer)] * len(rows))
            drawn |= zip(rows.tolist(), pixels, strict=True)
        yield from (drawn[number] for number in batch)


def blank(tokenizer: Tokenizer) -> NDArray[np.float32]:
    """A tile without tokens: float32 [T, T, 3]."""
    return np.full((tokenizer.tile, tokenizer.tile, 3), BLANK / 255, np.float32)


@contextmanager
def faults_of(tokenizer: Tokenizer) -> Iterator[None]:
    """Turn exceptions of a tokenizer into errors of one line. Those of our own tokenizers are unchanged.

    Raises:
        DeviceError: the memory of a GPU is full. The line advises to use the CPU.
        ModelFileError: a tokenizer of another package raises an exception, or exits.
    """
    try:
        yield
    except (TokError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if full := memory_error(error):
            raise full from error
        if tokenizer.package:
            raise wrong(tokenizer, f"fails ({fault(error)})") from error
        raise
