"""The codec end to end: the only module that knows every stage.

    encode   picture -> tiles -> tokens -> payload -> file
    decode   file -> header and tokens -> tiles -> picture

torch is imported only where pixels are coded.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .container.bare import fits
from .container.header import Header
from .contents import pack, scale_of
from .errors import TokError
from .models.registry import find_model
from .options import DecodeOptions, EncodeOptions
from .pictures.images import to_rgb
from .pictures.limits import DEFAULT_MAX_PIXELS, check_size
from .pictures.tiling import Grid, cut
from .tokenizers import load_tokenizer
from .tokenizers.tiles import batches, draw, tokenise

if TYPE_CHECKING:
    from pathlib import Path

    from .tokfile import Data

STRETCH = 4
"""Ratio of the sides of a tile beyond which the encoder says so: 21:9 as one tile is still usual."""

_OURS = __package__, "PIL"

Warn = Callable[[str], None]
Progress = Callable[[int, int], None]


class TokWarning(UserWarning):
    """Something of a picture or a file was lost, and the rest was used."""


def encode(
    image: Image.Image | NDArray[np.uint8],
    *,
    tokens: int | None = None,
    pitch: int | str | None = None,
    container: str = "tok",
    target_size: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    target_lpips: float | None = None,
    adaptive: bool = False,
    focus: Sequence[str | Sequence[float]] = (),
    focus_map: Image.Image | None = None,
    model: str | Path | None = None,
    device: str = "auto",
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encode a picture (PIL image or uint8 array H x W x 3) to the bytes of a `.tok` file.

    warn: called with what is lost of the picture (None: a TokWarning); progress: with (tiles done, tiles); the others
    are those of `options.EncodeOptions`. Raises ValueError or TypeError for wrong arguments, LimitError for a picture
    with a side over 16383 or one that no file of the wanted size can hold, TokError for a focus outside of it.
    """
    options = EncodeOptions(
        tokens=tokens,
        pitch=pitch,
        container=container,
        target_size=target_size,
        target_bpp=target_bpp,
        target_psnr=target_psnr,
        target_lpips=target_lpips,
        adaptive=adaptive,
        focus=focus,
        focus_map=focus_map,
        model=model,
        device=device,
    )
    return encode_with(image, options, warn=warn, progress=progress)


def encode_with(
    image: Image.Image | NDArray[np.uint8],
    options: EncodeOptions,
    *,
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> bytes:
    """`encode` for those who have the options as one."""
    container, adaptive, device = options.container, options.adaptive, options.device
    chosen = find_model(options.model)
    target = options.target_of(chosen)
    count = options.tokens_of(chosen)
    step = options.step(chosen.tile)
    picture = to_rgb(image, warn=warn or warn_caller)
    check_size(*picture.size, max_pixels=picture.width * picture.height)
    if container == "bare" and not fits(*picture.size):
        (warn or warn_caller)("the bare container stores aspects of 1:6.3 to 6:1 alone: decode with the size")
    grid = Grid.for_picture(*picture.size, step)
    tokenizer = load_tokenizer(chosen, device, encoding=grid.tiles)
    if target is not None or adaptive:
        from .ratecontrol.control import RateControl

        kept = step if options.pitch is not None or container == "bare" or target is None else None
        control = RateControl(
            picture,
            chosen,
            tokenizer,
            pitch=kept,
            container=container,
            weights=options.weights_of(*picture.size, warn or warn_caller),
            drawer=lambda tiles: load_tokenizer(chosen, device, drawing=tiles),
            warn=warn or warn_caller,
            progress=progress,
        )
        return control.as_equal(count) if target is None else control.encode(target)
    if container == "tok":
        note_stretch(grid, warn or warn_caller)
    header = Header(chosen.id, count, step, picture.width, picture.height)
    scale = scale_of(header, chosen, container)
    coded = np.empty((grid.tiles, count), np.int32)
    for batch in batches(grid.tiles):
        coded[batch.start : batch.stop] = tokenise(tokenizer, cut(picture, grid, batch, side=chosen.tile), count, scale)
        if progress:
            progress(batch.stop, grid.tiles)
    return pack(header, chosen, coded, container=container)


def decode(
    data: Data,
    *,
    tokens: int | None = None,
    look: str | None = None,
    container: str = "tok",
    size: tuple[int, int] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    model: str | Path | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> Image.Image:
    """Decode the bytes of a `.tok` file, or of any prefix that holds the header, to an RGB picture.

    warn: called with what is missing of a cut file (None: a TokWarning); progress: with (tiles done, tiles); the others
    are those of `options.DecodeOptions`. A tile of which the bytes hold nothing is grey. Raises TokError for anything
    wrong with the file, LimitError for more pixels than `max_pixels`, ValueError and TypeError for wrong
    arguments.
    """
    options = DecodeOptions(
        tokens=tokens,
        look=look,
        container=container,
        size=size,
        device=device,
        dtype=dtype,
        model=model,
        max_pixels=max_pixels,
    )
    return decode_with(data, options, warn=warn, progress=progress)


def decode_with(
    data: Data, options: DecodeOptions, *, warn: Warn | None = None, progress: Progress | None = None
) -> Image.Image:
    """`decode` for those who have the options as one."""
    tokens, look, device, dtype = options.tokens, options.look, options.device, options.dtype
    contents = options.read(data)
    header, chosen, coded = contents.header, contents.model, contents.coded
    options.check(chosen)
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    if contents.held != contents.declared:
        (warn or warn_caller)(contents.shortfall())
    counts = contents.counts(tokens)
    if not chosen.ordered and counts.min() < chosen.n_tokens:
        raise TokError(
            f"model {chosen.name} needs all {chosen.n_tokens} tokens: they are not ordered, fewer mean nothing"
        )
    tokenizer = load_tokenizer(chosen, device, dtype, drawing=grid.tiles)  # not for a refused file
    tokenizer.check_look(look)
    return draw(tokenizer, grid, coded, counts, look, progress, contents.scale)


def note_stretch(grid: Grid, warn: Warn) -> None:
    """Tell of tiles that cover much more of one side than of the other: strips, and wide pictures as one tile."""
    width, height = grid.tile_extent
    if max(width, height) > STRETCH * min(width, height):
        warn(f"a tile covers {width:.0f}x{height:.0f} pixels: the longer side comes out much coarser")


def warn_caller(text: str) -> None:
    """A TokWarning at the place that called into this package, itself or through Pillow, however deep the cause is."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, TokWarning, stacklevel=level)

