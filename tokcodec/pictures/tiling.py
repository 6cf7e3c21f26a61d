"""Picture -> tiles: where the tiles lie, and cutting them out (`canvas` puts them together again); no torch.

Along a side of W pixels lie n tiles of equal extent, each overlapping the next by 1/16 of that extent, so that they
cover the side exactly. Everything follows from width, height and pitch in exact integer fractions: both ends of a file
compute the same geometry.
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

TILE = DEFAULT_TILE  # samples along a tile's side, unless a model has others
OVERLAP = 16  # neighbours share 1/16 of a tile: a ramp long enough to hide the seam, for 6 % of a tile's side

Rect = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """The tiles of a picture: `columns` x `rows`, numbered row by row. Sizes in pixels."""

    width: int
    height: int
    columns: int
    rows: int

    @classmethod
    def for_picture(cls, width: int, height: int, pitch: int) -> Grid:
        """The grid of a width x height picture whose tiles are about `pitch` pixels apart (FIT: one tile for all).

        The number of tiles along a side is side / pitch rounded half up, at least 1: a 768x512 picture has 3 x 2 tiles
        at pitch 256 and 2 x 1 at pitch 512. Raises ValueError for a side below 1 or a negative pitch.
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

    def scale(self, bounds: Sequence[int]) -> int:
        """Which of a model's sets of codewords serves the tiles: the number of bounds that they are below.

        bounds: source pixels along a tile's side, for tiles of equal area; exact in integers.
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
    """Where tile i of n begins and ends: the extent e solves n e - (n - 1) e / OVERLAP = side."""
    unit = (OVERLAP - 1) * n + 1  # the side in sixteenths of a tile
    start = (OVERLAP - 1) * i
    return start * side / unit, (start + OVERLAP) * side / unit


def tile_pixels(side: int, n: int, i: int) -> tuple[int, int]:
    """First and past-the-last pixel whose centre lies in tile i of n: never empty, and together all pixels."""
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
    """The tiles `indices` (None: all) of an RGB picture as uint8 [n, side, side, 3].

    Each tile's rectangle is resampled to so many samples (Lanczos, which averages when it shrinks); a rectangle of
    exactly as many whole pixels is copied. A large picture is cut in batches of indices. Raises ValueError if image and
    grid do not belong together, IndexError for an index beyond the grid.
    """
    from PIL.Image import Resampling  # here: what reads files needs the geometry alone

    if image.mode != "RGB":
        raise ValueError(f"tiles are cut from RGB pictures, not {image.mode}")
    if image.size != (grid.width, grid.height):
        raise ValueError(f"a grid for {grid.width}x{grid.height} pixels, but a picture of {image.width}x{image.height}")
    chosen = list(range(grid.tiles) if indices is None else indices)
    tiles = np.empty((len(chosen), side, side, 3), np.uint8)
    for tile, index in zip(tiles, chosen, strict=True):
        rect = grid.rect(index)
        left, top, right, bottom = rect
        if right - left == bottom - top == side and left.is_integer() and top.is_integer():
            tile[:] = np.asarray(image.crop((int(left), int(top), int(right), int(bottom))))
        else:
            tile[:] = np.asarray(image.resize((side, side), Resampling.LANCZOS, box=rect))
    return tiles
