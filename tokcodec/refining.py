"""Spends effort on a file: searches for tokens whose drawn picture is better, within the same bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from .contents import Contents, pack
from .pictures.canvas import blend_weights
from .pictures.tiling import Grid, cut, tile_span
from .ratecontrol import quality
from .ratecontrol.targets import LPIPS, PSNR
from .tokenizers import MANY_DRAWN, load_tokenizer
from .tokenizers.tiles import batches, draw, faults_of, pixels
from .tokfile import read

if TYPE_CHECKING:
    from PIL import Image

    from .options import EncodeSettings
    from .ratecontrol.focus import Weights
    from .tokenizers.cascade import CascadeTokenizer

PRICES = 2.0, 8.0
"""Price of a bit in the search, in units of the plain encoder's price, tried in turn until the file is small enough."""

Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)


def refine_file(
    data: bytes,
    picture: Image.Image,
    settings: EncodeSettings,
    weights: Weights | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Search for better tokens of a file. Each tile keeps its number of tokens.

    Args:
        data: the whole file, encoded without effort.
        picture: the picture, RGB.
        settings: model (a cascade), container, target, device, effort and tune are used.
        weights: weights of the pixels' errors in the PSNR of a target. Default: equal weights.
        progress: called with (tiles done, all tiles).

    Returns:
        The new file, or `data` if the new file misses a target that the old one meets.
    """
    size = picture.size if settings.container == "bare" else None
    contents = read(data, settings.model, container=settings.container, size=size)
    tokenizer = cast("CascadeTokenizer", load_tokenizer(settings.model, settings.device, drawing=MANY_DRAWN))
    most = len(data) if settings.adaptive else None
    if settings.target is not None and settings.target.sized:
        most = settings.target.budget(*picture.size)
    for price in PRICES:
        coded = _refine(contents, picture, settings, tokenizer, price, progress)
        found = pack(contents.header, contents.model, coded, contents.levels, container=settings.container)
        if most is None or len(found) <= most:
            break
    else:
        return _kept(data, "the new tokens took more bytes")
    if settings.target is None or settings.target.kind not in (PSNR, LPIPS):
        return found

    def drawn(tokens: NDArray[np.int32], look: str | None) -> Image.Image:
        grid = Grid.for_picture(*picture.size, contents.header.pitch)
        return draw(tokenizer, grid, tokens, contents.counts(), look, scale=contents.scale)

    if settings.target.kind == PSNR:
        met = quality.psnr(picture, drawn(coded, "fidelity"), weights) >= settings.target.value
        return found if met else _kept(data, "the new tokens missed the PSNR")
    try:
        distance = quality.Distance(picture, tokenizer.device)
    except (FileNotFoundError, ValueError):  # LPIPS has no weights or the picture is too small: it was estimated
        return found
    met = distance(drawn(coded, None)) <= settings.target.value
    return found if met else _kept(data, "the new tokens missed the LPIPS")


def _kept(data: bytes, why: str) -> bytes:
    _log.info("effort: the plain file is kept: %s", why)
    return data


def _refine(
    contents: Contents,
    picture: Image.Image,
    settings: EncodeSettings,
    tokenizer: CascadeTokenizer,
    price: float,
    progress: Progress | None,
) -> NDArray[np.int32]:
    """Search all tiles. Returns tokens int32 [tiles, ranks]."""
    from .search.refine import ROUNDS, TUNES, refine

    grid = Grid.for_picture(*picture.size, contents.header.pitch)
    counts, coded = contents.counts(), contents.coded.clip(0)
    rounds, saved = ROUNDS[settings.effort], np.zeros(grid.tiles)
    for batch in batches(grid.tiles):
        part = slice(batch.start, batch.stop)
        with faults_of(tokenizer):
            coded[part], saved[part] = refine(
                tokenizer,
                pixels(cut(picture, grid, batch, side=settings.model.tile)),
                coded[part],
                counts[part],
                rounds=rounds,
                tune=TUNES[settings.tune],
                scale=contents.scale,
                weights=tile_weights(grid, batch, settings.model.tile),
                price=price,
            )
        if progress:
            progress(batch.stop, grid.tiles)
    _log.info("effort %d for %s: %d rounds, error -%.1f %%", settings.effort, settings.tune, rounds, 100 * saved.mean())
    return coded


def tile_weights(grid: Grid, indices: range, side: int) -> NDArray[np.float32] | None:
    """Weight of each sample in the picture, where neighbouring tiles are blended; None for a picture of one tile.

    Args:
        grid: the tiles of the picture.
        indices: numbers of the n tiles.
        side: samples along a tile's side.

    Returns:
        float32 [n, side, side].
    """
    if grid.tiles == 1:
        return None

    def along(length: int, n: int, i: int) -> NDArray[np.floating]:
        start, end = tile_span(length, n, i)
        return blend_weights(length, n, i, start + (np.arange(side) + 0.5) * (end - start) / side)

    places = [divmod(index, grid.columns) for index in indices]
    found = [
        np.outer(along(grid.height, grid.rows, row), along(grid.width, grid.columns, column)) for row, column in places
    ]
    return np.asarray(found, np.float32)
