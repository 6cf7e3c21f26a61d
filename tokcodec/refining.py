"""The effort of encoding: a file's tokens chosen anew by what is drawn from them, in no more bytes than allowed."""

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
from .ratecontrol.targets import BPP, LPIPS, PSNR, SIZE
from .tokenizers import MANY_DRAWN, load_tokenizer
from .tokenizers.tiles import batches, draw, faults_of, pixels
from .tokfile import read

if TYPE_CHECKING:
    from PIL import Image

    from .options import EncodeSettings
    from .ratecontrol.focus import Weights
    from .tokenizers.cascade import CascadeTokenizer

PRICES = 2.0, 8.0
"""What a bit is worth to the search, against its worth to the plain encoder: in turn until the file is small enough."""

Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)


def refine_file(
    data: bytes,
    picture: Image.Image,
    settings: EncodeSettings,
    weights: Weights | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Choose a file's tokens anew; each tile keeps its number of them.

    Args:
        data: a whole file of the picture, as it is without effort.
        picture: RGB.
        settings: its model, container, target, device, effort and tune are used; the model is a cascade.
        weights: of the pixels' errors, for the PSNR of a target. Default: all count alike.
        progress: called with (tiles done, tiles in all).

    Returns:
        The new file, or `data` where the new one misses a target that the old one meets.
    """
    size = picture.size if settings.container == "bare" else None
    contents = read(data, settings.model, container=settings.container, size=size)
    tokenizer = cast("CascadeTokenizer", load_tokenizer(settings.model, settings.device, drawing=MANY_DRAWN))
    most = len(data) if settings.adaptive else None
    if settings.target is not None and settings.target.kind in (SIZE, BPP):
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
    except (FileNotFoundError, ValueError):  # no weights, or a picture too small: the target was met by an estimate
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
    """The tokens of all tiles, int32 [tiles, ranks]."""
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
    """What each sample of some tiles counts in the picture, where neighbours are blended: float32 [n, side, side].

    None for a picture of one tile.
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
