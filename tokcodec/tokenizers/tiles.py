"""Tiles of a picture through a tokenizer, a batch at a time: pixels to tokens, and tokens to a picture.

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
from ..errors import DeviceError, ModelFileError, TokError
from ..pictures.canvas import Canvas
from ..pictures.tiling import Grid
from .families import fault

if TYPE_CHECKING:
    from .base import Tokenizer

BATCH = 32
"""Tiles coded at a time: bounds the memory for large pictures (32 tiles are 25 MB in float32)."""
BLANK = 128
"""Grey level of a tile of which a cut file holds no token."""

Progress = Callable[[int, int], None]
Drawn: TypeAlias = dict[int, tuple[int, NDArray[np.float32]]]
"""Tiles by their number: of how many tokens, and their pixels, float32 [T, T, 3]."""


def batches(tiles: int) -> Iterator[range]:
    for start in range(0, tiles, BATCH):
        yield range(start, min(start + BATCH, tiles))


def pixels(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a tokenizer takes from tiles as `cut` makes them: uint8 [n, T, T, 3] -> float32 [n, 3, T, T]."""
    scaled: NDArray[np.float32] = tiles.transpose(0, 3, 1, 2).astype(np.float32)
    scaled /= 255
    return scaled


def tokenise(tokenizer: Tokenizer, tiles: NDArray[np.uint8], count: int, scale: int = 0) -> NDArray[np.int64]:
    """The first tokens of some tiles: uint8 [n, T, T, 3] -> int64 [n, count].

    Raises DeviceError, and ModelFileError as `checked_tokens`.
    """
    with faults_of(tokenizer):
        tokens = tokenizer.encode(pixels(tiles), count, scale)
        return checked_tokens(tokenizer, tokens, len(tiles), count)


def checked_tokens(tokenizer: Tokenizer, tokens: Any, tiles: int, count: int) -> NDArray[np.int64]:
    """What a tokenizer, which may be somebody else's, has made of some tiles: int64 [tiles, count].

    Raises ModelFileError for another shape, no integers, and values that the model's tokens cannot have.
    """
    found = np.asarray(tokens)
    if found.shape != (tiles, count) or not np.issubdtype(found.dtype, np.integer):
        raise wrong(tokenizer, f"encodes to {found.dtype} {list(found.shape)}, not to integers [{tiles}, {count}]")
    values = tokenizer.token_values
    if found.size and (found.min() < 0 or (values is not None and found.max() >= values)):
        last = "" if values is None else values - 1
        raise wrong(tokenizer, f"makes tokens {found.min()}..{found.max()}, outside of 0..{last}")
    return found.astype(np.int64, copy=False)


def decoded(tokenizer: Tokenizer, tokens: NDArray[Any], look: str | None = None, scale: int = 0) -> NDArray[np.float32]:
    """What a tokenizer draws of tokens int [n, k]: float32 [n, 3, T, T].

    Raises DeviceError, ValueError for a look that the model lacks, and ModelFileError for anything but finite floats of
    that shape.
    """
    look = tokenizer.check_look(look)
    shape = (len(tokens), 3, tokenizer.tile, tokenizer.tile)
    with faults_of(tokenizer):
        found = np.asarray(tokenizer.decode(tokens, look, scale))
    if found.shape != shape or not np.issubdtype(found.dtype, np.floating):
        raise wrong(tokenizer, f"decodes to {found.dtype} {list(found.shape)}, not to floats {list(shape)}")
    drawn: NDArray[np.float32] = found.astype(np.float32, copy=False)
    if not np.isfinite(drawn).all():
        raise wrong(tokenizer, "draws values that are not finite numbers")
    return drawn


def wrong(tokenizer: Tokenizer, what: str) -> ModelFileError:
    """The error of a tokenizer that does something else than it should; names its model where it is known."""
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
    """The picture of tokens, int32 [tiles, at least the largest count], of each tile the first int64 counts [tiles].

    kept: tiles that were drawn of fewer or more of the same tokens, in the same look; those drawn now are added.
    """
    if not counts.any():
        if progress:
            progress(grid.tiles, grid.tiles)
        return Image.new("RGB", (grid.width, grid.height), (BLANK,) * 3)
    canvas = Canvas(grid, tokenizer.tile)
    each = _one_by_one if tokenizer.tile_by_tile else _in_batches
    for number, tile in enumerate(each(tokenizer, coded, counts, look, scale, kept or {})):
        with turn():
            canvas.add(tile[None], counts[number : number + 1] == 0)
        if kept is not None and counts[number]:
            kept[number] = int(counts[number]), tile
        if progress and (number + 1 == grid.tiles or (number + 1) % BATCH == 0):
            progress(number + 1, grid.tiles)
    return canvas.finish()


def _one_by_one(
    tokenizer: Tokenizer,
    coded: NDArray[np.int32],
    counts: NDArray[np.int64],
    look: str | None,
    scale: int,
    kept: Drawn,
) -> Iterator[NDArray[np.float32]]:
    """Pixels of each tile, float32 [T, T, 3] in [0, 1], drawn by as many threads as there are cores."""

    def pixels_of(number: int) -> NDArray[np.float32]:
        count = int(counts[number])
        if number in kept and kept[number][0] == count:
            return kept[number][1]
        if not count:
            return blank(tokenizer)
        drawn: NDArray[np.float32] = decoded(tokenizer, coded[number : number + 1, :count], look, scale)[0]
        return drawn.transpose(1, 2, 0)

    return spread(pixels_of, range(len(coded)))


def _in_batches(
    tokenizer: Tokenizer,
    coded: NDArray[np.int32],
    counts: NDArray[np.int64],
    look: str | None,
    scale: int,
    kept: Drawn,
) -> Iterator[NDArray[np.float32]]:
    """As `_one_by_one`, those of a batch with equally many tokens together."""
    for batch in batches(len(coded)):
        drawn = {number: kept[number][1] for number in batch if number in kept and kept[number][0] == counts[number]}
        new = np.array([number for number in batch if number not in drawn], np.int64)
        for count in np.unique(counts[new]):
            rows = new[counts[new] == count]
            if count:
                pixels = decoded(tokenizer, coded[rows, :count], look, scale).transpose(0, 2, 3, 1)
            else:
                pixels = np.stack([blank(tokenizer)] * len(rows))
            drawn |= zip(rows.tolist(), pixels, strict=True)
        yield from (drawn[number] for number in batch)


def blank(tokenizer: Tokenizer) -> NDArray[np.float32]:
    """A tile of which the file holds nothing: float32 [T, T, 3]."""
    return np.full((tokenizer.tile, tokenizer.tile, 3), BLANK / 255, np.float32)


@contextmanager
def faults_of(tokenizer: Tokenizer) -> Iterator[None]:
    """Turn what a tokenizer raises into an error of one line: another package's may raise anything, or exit.

    Raises DeviceError where the memory of a GPU is full, and ModelFileError for whatever another package's tokenizer
    raises. What our own raise comes through.
    """
    try:
        yield
    except (TokError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be imported here
            raise DeviceError("the device's memory is full; use --device cpu") from error
        if tokenizer.package:
            raise wrong(tokenizer, f"fails ({fault(error)})") from error
        raise
