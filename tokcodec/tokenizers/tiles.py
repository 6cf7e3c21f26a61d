"""Tiles of a picture through a tokenizer, a batch at a time: pixels to tokens, and tokens to a picture.

torch is imported only where pixels are coded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError
from ..pictures.canvas import Canvas
from ..pictures.tiling import TILE, Grid

if TYPE_CHECKING:
    from PIL import Image

    from .base import Tokenizer

BATCH = 32
"""Tiles coded at a time: bounds the memory for large pictures (32 tiles are 25 MB in float32)."""
BLANK = 128
"""Grey level of a tile of which a cut file holds no token."""

Progress = Callable[[int, int], None]


def batches(tiles: int) -> Iterator[range]:
    for start in range(0, tiles, BATCH):
        yield range(start, min(start + BATCH, tiles))


def tokenise(tokenizer: Tokenizer, tiles: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """The first tokens of some tiles: uint8 [n, 256, 256, 3] -> int64 [n, count]. Raises DeviceError."""
    import torch

    # A lone tile would go through another matrix routine, which rounds otherwise: it brings company, so that its tokens
    # are those that it has in a batch.
    pair = tiles.repeat(2, 0) if len(tiles) == 1 else tiles
    with device_memory():
        pixels = torch.from_numpy(pair).to(tokenizer.device).permute(0, 3, 1, 2).float() / 255
        return tokenizer.encode(pixels, count).cpu().numpy()[: len(tiles)]


def draw(
    tokenizer: Tokenizer,
    grid: Grid,
    coded: NDArray[np.int32],
    counts: NDArray[np.int64],
    look: str | None = None,
    progress: Progress | None = None,
) -> Image.Image:
    """The picture of tokens, int32 [tiles, at least the largest count], of each tile the first int64 counts [tiles]."""
    canvas = Canvas(grid)
    for batch in batches(grid.tiles):
        part = slice(batch.start, batch.stop)
        canvas.add(_draw(tokenizer, coded[part], counts[part], look), counts[part] == 0)
        if progress:
            progress(batch.stop, grid.tiles)
    return canvas.finish()


def _draw(
    tokenizer: Tokenizer, coded: NDArray[np.int32], counts: NDArray[np.int64], look: str | None
) -> NDArray[np.float32]:
    """Pixels of a batch of tiles, those with equally many tokens together: float32 [n, 256, 256, 3] in [0, 1]."""
    import torch

    out = np.full((len(coded), TILE, TILE, 3), BLANK / 255, np.float32)
    for count in np.unique(counts[counts > 0]):
        rows = counts == count
        tokens = torch.from_numpy(coded[rows, :count].astype(np.int64)).to(tokenizer.device)
        with device_memory():
            out[rows] = tokenizer.decode(tokens, look).permute(0, 2, 3, 1).float().cpu().numpy()
    return out


@contextmanager
def device_memory() -> Iterator[None]:
    """A full GPU is no fault of the file, and there is a way out."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError("the device's memory is full; use --device cpu") from error
