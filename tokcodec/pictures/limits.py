"""Limits on pictures and tiles, in plain numbers: reading headers needs neither NumPy nor Pillow for them."""

from __future__ import annotations

from ..errors import LimitError

MAX_SIDE = 16383
"""Pixels along a side at most: WebP's limit, 14 bits without the value 16384."""
TILE_SIDES = (128, 256, 384, 512)
"""Numbers of samples that a model may have along a tile's side."""
DEFAULT_TILE = 256
"""Samples along a tile's side of our own models and of the published 1D tokenizers."""
FIT = 0
"""Pitch of a picture that is one tile."""
DEFAULT_MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB at 3 bytes per pixel), so that there is one limit only."""
DEFAULT_MAX_TILES = 2000
"""Limit on the tiles of a file to decode, since every tile with tokens costs the same, however small it is.

DEFAULT_MAX_PIXELS at pitch 256 are 1,369 tiles.
"""


DEFAULT_MAX_PICTURE_BYTES = 256 << 20
"""Bytes of a picture file in a data set or for training. Photographs of DEFAULT_MAX_PIXELS fit."""


def check_size(width: int, height: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    """Check the size of a picture.

    Args:
        width: pixels along the horizontal side.
        height: pixels along the vertical side.
        max_pixels: the largest number of pixels. Default: 89,478,485.

    Raises:
        LimitError: the picture has more pixels, or a side is above MAX_SIDE.
    """
    if width > MAX_SIDE or height > MAX_SIDE:
        raise LimitError(f"{width}x{height} pixels: a side may have at most {MAX_SIDE}")
    if width * height > max_pixels:
        raise LimitError(
            f"{width}x{height} = {width * height} pixels exceed the limit of {max_pixels} (--max-pixels raises it)"
        )


def check_tiles(tiles: int, max_tiles: int = DEFAULT_MAX_TILES) -> None:
    """Raise LimitError for more than `max_tiles` tiles."""
    if tiles > max_tiles:
        raise LimitError(f"{tiles} tiles exceed the limit of {max_tiles} (--max-tiles raises it)")
