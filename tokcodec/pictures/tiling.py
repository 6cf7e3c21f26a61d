"""A picture to tiles: their positions, and cutting them out (`canvas` is the inverse). Does not import torch.

A side of W pixels has n tiles of equal extent, each overlapping the next by 1/16 of that extent, so that they cover
the side exactly. Width, height and pitch determine all positions in exact integer fractions, so that encoder and
decoder compute the same geometry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .limits import DEFAULT_TILE, FIT

if TYPE_CHECKING:
    from PIL import Image
    from PIL.Image import Resampling

TILE = DEFAULT_TILE
"""Samples along a tile's side, unless a model has others."""
OVERLAP = 16
"""Neighbours share 1 / OVERLAP of a tile: a ramp long enough to hide the seam, for 6 % of a tile's side."""
STRIP = 2
"""Thickness in pixels of a picture up to which its tiles are drawn as strips."""

Rect = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """The tiles of a picture, numbered row by row."""

    width: int
    """Pixels of the picture along its horizontal side."""
    height: int
    """Pixels of the picture along its vertical side."""
    columns: int
    """Number of columns of tiles."""
    rows: int
    """Number of rows of tiles."""

    @classmethod
    def for_picture(cls, width: int, height: int, pitch: int) -> Grid:
        """The grid of a picture.

        The number of tiles along a side is side / pitch rounded half up, at least 1: a 768x512 picture has 3 x 2 tiles
        at pitch 256 and 2 x 1 at pitch 512.

        Args:
            width: pixels along the horizontal side, at least 1.
            height: pixels along the vertical side, at least 1.
            pitch: pixels from tile to tile, about. FIT: one tile.

        Raises:
            ValueError: a side is below 1, or the pitch is negative.
        """
        if width < 1 or height < 1:
            raise ValueError(f"a picture has at least 1x1 pixels, not {width}x{height}")
        if pitch < 0:
            raise ValueError(f"pitch must be positive, or {FIT} for one tile; not {pitch}")
        return cls(width, height, _count(width, pitch), _count(height, pitch))

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.columns * self.rows

    @property
    def tile_extent(self) -> tuple[float, float]:
        """Width and height in picture pixels that every tile covers."""
        left, top, right, bottom = self.rect(0)
        return right - left, bottom - top

    @property
    def strip_axis(self) -> int | None:
        """The axis across a picture that is a strip of tiles, at most STRIP pixels thin.

        2 if the strip lies, 3 if it stands. None for any other picture.
        """
        if min(self.width, self.height) > STRIP:
            return None
        return 2 if self.height <= self.width else 3

    def scale(self, bounds: Sequence[int]) -> int:
        """Index of the model's codewords for the tiles: the number of bounds that their size is below.

        Args:
            bounds: source pixels along the side of a square tile of equal area. Compared exactly, in integers.
        """
        units = ((OVERLAP - 1) * self.columns + 1) * ((OVERLAP - 1) * self.rows + 1)
        area = OVERLAP**2 * self.width * self.height  # of a tile, times `units`
        return sum(area < bound**2 * units for bound in bounds)

    def rect(self, index: int) -> Rect:
        """Left, top, right and bottom of tile `index` in picture pixels, not rounded. Raises IndexError."""
        if not 0 <= index < self.tiles:
            raise IndexError(f"tile {index} of {self.tiles}")
        row, column = divmod(index, self.columns)
        left, right = tile_span(self.width, self.columns, column)
        top, bottom = tile_span(self.height, self.rows, row)
        return left, top, right, bottom


def _count(side: int, pitch: int) -> int:
    return 1 if pitch == FIT else max(1, (2 * side + pitch) // (2 * pitch))


def tile_span(side: int, n: int, i: int) -> tuple[float, float]:
    """Start and end of a tile along a side, in pixels. The extent e solves n e - (n - 1) e / OVERLAP = side.

    Args:
        side: pixels along the picture's side.
        n: number of tiles along it.
        i: the tile, 0 to n - 1.
    """
    unit = (OVERLAP - 1) * n + 1  # the side in sixteenths of a tile
    start = (OVERLAP - 1) * i
    return start * side / unit, (start + OVERLAP) * side / unit


def tile_pixels(side: int, n: int, i: int) -> tuple[int, int]:
    """Range of the pixels whose centres are in a tile: never empty, and all tiles together cover all pixels.

    Args:
        side: pixels along the picture's side.
        n: number of tiles along it.
        i: the tile, 0 to n - 1.

    Returns:
        The first pixel, and the one after the last.
    """
    unit = (OVERLAP - 1) * n + 1
    start = (OVERLAP - 1) * i
    first, end = (-((unit - 2 * side * edge) // (2 * unit)) for edge in (start, start + OVERLAP))  # ceil(edge - 1/2)
    return first, end


# ---- cutting


def centre_square(image: Image.Image, side: int, resampling: Resampling | None = None) -> Image.Image:
    """The largest square in the middle of a picture at side x side pixels.

    Args:
        image: A picture of any size.
        side: In pixels.
        resampling: Default: Lanczos.
    """
    from PIL.Image import Resampling

    scale = side / min(image.size)
    width, height = max(side, round(image.width * scale)), max(side, round(image.height * scale))
    reduced = image.resize((width, height), Resampling.LANCZOS if resampling is None else resampling)
    left, top = (width - side) // 2, (height - side) // 2
    return reduced.crop((left, top, left + side, top + side))


def cut(image: Image.Image, grid: Grid, indices: Iterable[int] | None = None, *, side: int = TILE) -> NDArray[np.uint8]:
    """Cut tiles out of a picture.

    The rectangle of each tile is resampled to side x side samples (Lanczos, which averages when it shrinks). A
    rectangle of exactly side x side whole pixels is copied.

    Args:
        image: RGB picture.
        grid: the tiles of the picture.
        indices: the tiles to cut. Large pictures are cut in batches. Default: all.
        side: samples along a tile's side. Default: 256.

    Returns:
        uint8 [n, side, side, 3].

    Raises:
        ValueError: the picture is not RGB, or has another size than the grid.
        IndexError: an index is outside of the grid.
    """
    from PIL.Image import Resampling  # here, since reading tokens needs the geometry only

    if image.mode != "RGB":
        raise ValueError(f"tiles are cut from RGB pictures, not {image.mode}")
    if image.size != (grid.width, grid.height):
        raise ValueError(f"a grid for {grid.width}x{grid.height} pixels, but a picture of {image.width}x{image.height}")
    numbers = list(range(grid.tiles) if indices is None else indices)
    tiles = np.empty((len(numbers), side, side, 3), np.uint8)
    for tile, index in zip(tiles, numbers, strict=True):
        rect = grid.rect(index)
        left, top, right, bottom = rect
        if right - left == bottom - top == side and left.is_integer() and top.is_integer():
            tile[:] = np.asarray(image.crop((int(left), int(top), int(right), int(bottom))))
        else:
            tile[:] = np.asarray(image.resize((side, side), Resampling.LANCZOS, box=rect))
    return tiles
