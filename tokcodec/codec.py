"""The codec end to end: the only module that knows every stage.

    encode   picture -> tiles -> tokens -> payload -> file
    decode   file -> header and tokens -> tiles -> picture

torch is imported only where pixels are coded; what `tokfile` does without them is offered here too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .container.bare import fits
from .container.contents import pack
from .container.header import PITCHES, Header
from .errors import TokError
from .models.modelfile import Model
from .models.registry import find_model
from .pictures.images import to_rgb
from .pictures.limits import DEFAULT_MAX_PIXELS, FIT, check_size
from .pictures.tiling import Grid, cut
from .ratecontrol.targets import check_target
from .tokenizers import load_tokenizer
from .tokenizers.tiles import batches, draw, tokenise
from .tokfile import TokInfo, info, read, read_tokens, truncate

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PITCH = 256
"""Source pixels per tile: one for each sample of the tokenizer."""
STRETCH = 4
"""Ratio of the sides of a tile beyond which the encoder says so: 21:9 as one tile is still usual."""

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
    model: str | Path | None = None,
    device: str = "auto",
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encode a picture (PIL image or uint8 array H x W x 3) to the bytes of a `.tok` file.

    tokens: per tile, 1 to the model's number (None: the model's default); pitch: source pixels from tile to tile, one
    of `header.PITCHES`, or "fit" for one tile (None: 256); container: "tok", or "bare" for two bytes instead of the
    header, which needs pitch fit (its None); progress: called with (tiles done, tiles). Raises ValueError or TypeError
    for wrong arguments, LimitError for a picture with a side over 16383.

    One target instead of `tokens` chooses the tokens of every tile, and the pitch unless it is given: target_size, at
    most so many bytes; target_bpp, bits of the file per pixel; target_psnr, the smallest file with so many dB in the
    fidelity look; target_lpips, the smallest one with at most this distance in the default look. adaptive: as many
    bytes as `tokens` take, but spent where the picture needs them.
    """
    chosen = find_model(model)
    target = check_target(
        chosen,
        target_size=target_size,
        target_bpp=target_bpp,
        target_psnr=target_psnr,
        target_lpips=target_lpips,
        adaptive=adaptive,
        tokens=tokens,
        container=container,
    )
    count = check_tokens(tokens, chosen)
    step = check_pitch(pitch, container)
    picture = to_rgb(image, warn=warn or _warn)
    check_size(*picture.size, max_pixels=picture.width * picture.height)
    if container == "bare" and not fits(*picture.size):
        (warn or _warn)("the bare container stores aspects of 1:6.3 to 6:1 alone: decode with the size")
    tokenizer = load_tokenizer(chosen, device)
    if target is not None or adaptive:
        from .ratecontrol.control import RateControl

        kept = step if pitch is not None or container == "bare" or target is None else None
        control = RateControl(
            picture, chosen, tokenizer, step=kept, container=container, warn=warn or _warn, progress=progress
        )
        return control.as_equal(count) if target is None else control.encode(target)
    grid = Grid.for_picture(*picture.size, step)
    if container == "tok":
        note_stretch(grid, warn or _warn)
    coded = np.empty((grid.tiles, count), np.int32)
    for batch in batches(grid.tiles):
        coded[batch.start : batch.stop] = tokenise(tokenizer, cut(picture, grid, batch), count)
        if progress:
            progress(batch.stop, grid.tiles)
    return pack(Header(chosen.id, count, step, picture.width, picture.height), chosen, coded, container=container)


def decode(
    data: bytes,
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

    tokens: use no more than a file cut to so many per tile has; look: "perceptual" or "fidelity", as the model offers
    (None: its first); container: "tok" or "bare"; size: width and height of a bare file's picture (None: as many pixels
    as a tile has); dtype: float32 or bfloat16, for the decoder's networks. A tile of which the bytes hold nothing is
    grey. Raises TokError for anything wrong with the file, LimitError for more pixels than `max_pixels`, ValueError for
    wrong arguments.
    """
    contents = read(data, model, container=container, size=size, max_pixels=max_pixels)
    header, chosen, coded = contents.header, contents.model, contents.coded
    if tokens is not None:
        check_tokens(tokens, chosen)
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    if contents.held != contents.declared:
        (warn or _warn)(contents.shortfall())
    counts = contents.counts(tokens)
    if not chosen.ordered and counts.min() < chosen.n_tokens:
        raise TokError(
            f"model {chosen.name} needs all {chosen.n_tokens} tokens: they are not ordered, fewer mean nothing"
        )
    tokenizer = load_tokenizer(chosen, device, dtype)  # torch takes seconds: not for a refused file
    tokenizer.check_look(look)
    return draw(tokenizer, grid, coded, counts, look, progress)


def check_tokens(tokens: int | None, model: Model) -> int:
    """The number of tokens per tile that is meant. Raises ValueError outside 1 .. the model's number."""
    if tokens is None:
        return model.default_tokens
    if not 1 <= tokens <= model.n_tokens:
        raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
    if not model.ordered and tokens != model.n_tokens:
        raise ValueError(f"model {model.name} is not ordered (no tail drop): it needs all {model.n_tokens} tokens")
    return tokens


def check_pitch(pitch: int | str | None, container: str = "tok") -> int:
    """The pitch as the header stores it; None: the container's default. Raises ValueError for one that it cannot."""
    if pitch == "fit" or (pitch is None and container == "bare"):
        return FIT
    if container == "bare":
        raise ValueError(f"the bare container holds one tile: pitch must be fit, not {pitch}")
    if pitch is None:
        return DEFAULT_PITCH
    if pitch not in PITCHES[1:]:
        raise ValueError(f"pitch must be fit or one of {', '.join(map(str, PITCHES[1:]))}, not {pitch}")
    return int(pitch)


def note_stretch(grid: Grid, warn: Warn) -> None:
    """Tell of tiles that cover much more of one side than of the other: strips, and wide pictures as one tile."""
    width, height = grid.tile_extent
    if max(width, height) > STRETCH * min(width, height):
        warn(f"a tile covers {width:.0f}x{height:.0f} pixels: the longer side comes out much coarser")


def _warn(text: str) -> None:
    warnings.warn(text, TokWarning, stacklevel=3)


__all__ = ["TokInfo", "TokWarning", "decode", "encode", "info", "read_tokens", "truncate"]
