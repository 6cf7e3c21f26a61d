"""How large a picture may be, in plain numbers: what reads headers needs neither NumPy nor Pillow for them."""

from __future__ import annotations

from ..errors import LimitError

MAX_SIDE = 16383  # WebP's limit; 14 bits with the value 16384 never used
TILE_SIDES = (128, 256, 384, 512)  # samples that a model may have along a tile's side
DEFAULT_TILE = 256  # those of our own models, and the shape of the published 1D tokenizers
FIT = 0  # pitch of a picture that is one tile, whatever its size
# Pillow's own limit (a quarter of a GiB at 3 bytes a pixel), so that nobody meets two limits that differ.
DEFAULT_MAX_PIXELS = 89_478_485
# Of a file to decode: a tile with tokens costs the same, however few pixels it covers. DEFAULT_MAX_PIXELS at pitch 256
# have 1,369.
DEFAULT_MAX_TILES = 2000


def check_size(width: int, height: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    """Raise LimitError if a picture of width x height pixels is beyond `max_pixels` or MAX_SIDE."""
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
