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
from .container.header import Header, parse_header
from .contents import pack, scale_of
from .errors import TokError, TokWarning
from .options import DecodeOptions, EncodeOptions, EncodeSettings, check_tokens
from .pictures.images import to_rgb
from .pictures.limits import DEFAULT_MAX_PIXELS, DEFAULT_MAX_TILES, check_size
from .pictures.tiling import Grid, cut
from .tokenizers import load_tokenizer
from .tokenizers.tiles import batches, tokenise
from .tokenizers.tiles import draw as draw_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from .contents import Contents
    from .ratecontrol.focus import Weights
    from .tokenizers.base import Tokenizer
    from .tokfile import Data

STRETCH = 4
"""The encoder gives a note if the sides of a tile have a larger ratio than this. 21:9 as one tile is still usual."""

HIGH_RATE, HIGH_RATE_PIXELS = 1.5, 64 * 64
"""The encoder gives a note if a target takes more bits per pixel, and the picture has at least that many pixels."""

_OURS = __package__, "PIL"

Warn = Callable[[str], None]
Progress = Callable[[int, int], None]


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
    background: str = "white",
    model: str | Path | None = None,
    device: str = "auto",
    effort: int = 0,
    tune: str | None = None,
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encode a picture to the bytes of a `.tok` file.

    A target chooses the tokens of every tile, and the pitch unless it is given. Give at most one target.

    Args:
        image: PIL image of any mode, or uint8 array height x width x 3. A side has 1 to 16383 pixels.
        tokens: tokens per tile, 1 to the model's number (256 for base-3). More make a larger and finer file. Not with
            a target. Default: the model's (64 for base-3).
        pitch: source pixels from tile to tile: 16, 24, 32, ... 2048 (`container.header.PITCHES`), or "fit" for one
            tile. Default: samples along a side of the model's tiles (256 for base-3), or the target's choice.
        container: "tok", or "bare" for two bytes instead of the header of 10. A bare file is one tile, so its pitch is
            "fit", and its reader must know the model. Default: "tok".
        target_size: make the best file of at most this many bytes.
        target_bpp: make the best file of at most this many bits per pixel of the picture, above 0.
        target_psnr: make the smallest file with this PSNR in dB in the look "fidelity", above 0 and at most 100.
        target_lpips: make the smallest file with at most this LPIPS in the default look, above 0 and at most 1.
        adaptive: use as many bytes as `tokens` take, but give detailed tiles more tokens. Default: False.
        focus: rectangles whose error counts more, each "X,Y,W,H" or "X,Y,W,H:WEIGHT" in pixels (120) or percent (25%)
            of the upright picture, or 4 or 5 numbers. Weights are 0.001 to 1000, by default 4. Needs a target or
            `adaptive`.
        focus_map: PIL image of any size with a weight for each place: black and transparent count once, white 4 times.
            Needs a target or `adaptive`.
        background: colour behind transparent pixels, a name of CSS or "#rrggbb". Default: "white".
        model: name or folder of a model. Default: base-3.
        device: "auto", "cpu" or "cuda". Default: "auto", the fastest one for the number of tiles.
        effort: 0 to 9. Above 0 the encoder searches for tokens by the picture that they draw, which is better and
            slower. Needs PyTorch. Default: 0.
        tune: the look for which an effort chooses the tokens, and a size the pitch: "perceptual", "fidelity" (least
            squared error) or "light" (drawn by web pages). Needs `effort`, `target_size` or `target_bpp`. Default:
            "perceptual".
        warn: called with a line for each thing that is dropped from the picture. Default: a TokWarning for each.
        progress: called with (tiles done, tiles in all).

    Raises:
        ValueError: an argument is out of range, or two contradict each other.
        TypeError: image or focus_map is of another type.
        PictureError: the picture cannot be decoded or converted.
        LimitError: a side is over 16383 pixels, or no file of this picture is as small as the target.
        TokError: a focus lies outside of the picture, the model cannot be used, or the device is missing.
    """
    warn = warn or warn_caller
    settings = EncodeOptions(
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
        background=background,
        model=model,
        device=device,
        effort=effort,
        tune=tune,
    ).resolve()
    picture = to_rgb(image, background=background, warn=warn)
    check_size(*picture.size, max_pixels=picture.width * picture.height)
    if container == "bare" and not fits(*picture.size):
        warn("the bare container stores only aspects from 1:6.3 to 6:1: decode with the size")
    grid = Grid.for_picture(*picture.size, settings.pitch)
    tokenizer = load_tokenizer(settings.model, device, encoding=grid.tiles)
    if settings.target is not None or adaptive:
        weights = settings.weights(*picture.size, warn)
        data = _encode_controlled(picture, settings, tokenizer, weights, warn, progress)
        if container == "tok":
            note_tiles(Grid.for_picture(*picture.size, parse_header(data).pitch), warn)
        if settings.target is not None:
            note_rate(8 * len(data) / (picture.width * picture.height), picture, warn)
        return _with_effort(data, picture, settings, weights, progress)
    if container == "tok":
        note_stretch(grid, warn)
        note_tiles(grid, warn)
    header = Header(settings.model.id, settings.tokens, settings.pitch, picture.width, picture.height)
    scale = scale_of(header, settings.model, container)
    coded = np.empty((grid.tiles, settings.tokens), np.int32)
    for batch in batches(grid.tiles, tokenizer.batch):
        tiles = cut(picture, grid, batch, side=settings.model.tile)
        coded[batch.start : batch.stop] = tokenise(tokenizer, tiles, settings.tokens, scale)
        if progress:
            progress(batch.stop, grid.tiles)
    data = pack(header, settings.model, coded, container=container)
    return _with_effort(data, picture, settings, None, progress)


def _with_effort(
    data: bytes, picture: Image.Image, settings: EncodeSettings, weights: Weights | None, progress: Progress | None
) -> bytes:
    """The file after the search of `settings.effort`."""
    if settings.effort == 0:
        return data
    from .refining import refine_file

    return refine_file(data, picture, settings, weights, progress)


def _encode_controlled(
    picture: Image.Image,
    settings: EncodeSettings,
    tokenizer: Tokenizer,
    weights: Weights | None,
    warn: Warn,
    progress: Progress | None,
) -> bytes:
    """Encode with tokens, and perhaps a pitch, that rate control chooses."""
    from .ratecontrol.control import RateControl

    fixed = settings.pitch_given or settings.target is None
    control = RateControl(
        picture,
        settings.model,
        tokenizer,
        pitch=settings.pitch if fixed else None,
        container=settings.container,
        weights=weights,
        tune=settings.tune,
        drawer=lambda tiles: load_tokenizer(settings.model, settings.device, drawing=tiles),
        warn=warn,
        progress=progress,
    )
    return control.as_equal(settings.tokens) if settings.target is None else control.encode(settings.target)


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
    max_tiles: int = DEFAULT_MAX_TILES,
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> Image.Image:
    """Decode the bytes of a `.tok` file, or of any prefix that holds its header, to an RGB picture.

    Tiles without a token in the bytes are grey.

    Args:
        data: bytes, bytearray or memoryview of the file or the prefix.
        tokens: use the tokens of the file cut to this many per tile, 1 to the model's number. Default: all.
        look: "perceptual" or "fidelity", or another look of the model. Default: the model's first.
        container: "tok", or "bare" for a file that was encoded with `container="bare"`. Default: "tok".
        size: width and height in pixels of a bare file's picture. Default: about 256x256, in the stored aspect.
        device: "auto", "cpu" or "cuda". Default: "auto", the fastest one for the number of tiles.
        dtype: "float32" or "bfloat16", the precision of the decoder's network. Default: "float32".
        model: name or folder of the model to use. Default: the installed one that the header names, or base-3 for a
            bare file.
        max_pixels: refuse pictures of more pixels. Default: 89,478,485.
        max_tiles: refuse files of more tiles. Default: 2,000.
        warn: called with a line about the missing part of a cut file. Default: a TokWarning.
        progress: called with (tiles done, tiles in all).

    Raises:
        TokError: the file is damaged, or its model is not installed.
        LimitError: the picture has more pixels than `max_pixels`, or the file more tiles than `max_tiles`.
        ValueError: an argument is out of range.
        TypeError: data is not bytes.
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
        max_tiles=max_tiles,
    )
    return draw(options.read(data), options, warn=warn, progress=progress)


def draw(
    contents: Contents, options: DecodeOptions, *, warn: Warn | None = None, progress: Progress | None = None
) -> Image.Image:
    """Draw the RGB picture of a file that has been read.

    Args:
        contents: the header, model and tokens, from `options.read`.
        options: the options. Only tokens, look, device and dtype are used.
        warn: called with a line about the missing part of a cut file. Default: a TokWarning.
        progress: called with (tiles done, tiles in all).

    Raises:
        TokError: the model cannot be used, or needs more tokens than the file holds.
        ValueError: an option is out of range.
    """
    header, model = contents.header, contents.model
    check_tokens(options.tokens, model)
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    if contents.held != contents.declared:
        (warn or warn_caller)(contents.shortfall())
    counts = contents.counts(options.tokens)
    if not model.ordered and counts.min() < model.n_tokens:
        raise TokError(
            f"model {model.name} needs all {model.n_tokens} tokens: they are not ordered, fewer mean nothing"
        )
    drawing = int(np.count_nonzero(counts))  # tiles without tokens are filled, not drawn
    tokenizer = load_tokenizer(model, options.device, options.dtype, drawing=drawing)  # after all checks of the file
    tokenizer.check_look(options.look)
    return draw_tiles(tokenizer, grid, contents.coded, counts, options.look, progress, contents.scale)


def note_stretch(grid: Grid, warn: Warn) -> None:
    """Note tiles with sides of very different length: those of strips, and of wide pictures as one tile."""
    width, height = grid.tile_extent
    if max(width, height) > STRETCH * min(width, height):
        warn(f"a tile covers {width:.0f}x{height:.0f} pixels: the longer side will be much coarser")


def note_rate(bpp: float, picture: Image.Image, warn: Warn) -> None:
    """Note a file for which another codec would need fewer bits. Small pictures give no note, since headers count.

    Args:
        bpp: bits of the file per pixel.
        picture: the picture.
        warn: called with the note.
    """
    if bpp > HIGH_RATE and picture.width * picture.height >= HIGH_RATE_PIXELS:
        warn(f"{bpp:.1f} bits per pixel: above {HIGH_RATE:g} a JPEG or WebP file of that quality is usually smaller")


def note_tiles(grid: Grid, warn: Warn) -> None:
    """Note a file that decoders refuse by default."""
    if grid.tiles > DEFAULT_MAX_TILES:
        warn(f"{grid.tiles} tiles: decoding needs --max-tiles {grid.tiles}, in the library max_tiles={grid.tiles}")


def warn_caller(text: str) -> None:
    """Issue a TokWarning that points at the caller's line, also when called through Pillow."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, TokWarning, stacklevel=level)

