"""Pillow plug-in: `.tok` files in Image.open and Image.save, and so in whatever reads pictures through Pillow.

    import tokcodec.pillow

    tokcodec.pillow.register()
    image = Image.open("photo.tok")         # header only: size, mode and info need neither weights nor torch
    image.save("small.tok", tokens=16)      # takes the options of tokcodec.encode, and ignores others as Pillow does

Image.open warns with the reason and raises UnidentifiedImageError where a header is cut or needs a newer tokcodec;
`verify` and `load` raise TokImageError; the size is subject to Image.MAX_IMAGE_PIXELS as for every format. A file that
was cut loads as far as it goes, with a TokWarning.

Saving to a stream writes nothing unless the whole file could be made. Saving to a path is Pillow's own affair: it
empties an existing file before it asks for the new one. `tokcodec.encode` and the command keep the old one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from inspect import signature
from typing import IO, TYPE_CHECKING

from PIL import Image, ImageFile

from .codec import decode, encode, warn_caller
from .container.header import HEADER_SIZE, parse_header
from .errors import NotTokError, TokError
from .models.registry import resolve
from .pictures.limits import DEFAULT_MAX_TILES

if TYPE_CHECKING:
    from PIL._imaging import PixelAccess

FORMAT, EXTENSION, MIME = "TOK", ".tok", "image/x-tok"

# Without container: a bare file has no header that Image.open could know it by.
_OPTIONS = {name for name, option in signature(encode).parameters.items() if option.kind is option.KEYWORD_ONLY}
_OPTIONS -= {"container"}


class TokImageError(TokError, OSError):
    """What Pillow's users catch, an OSError, and what tokcodec's do; the cause is the TokError that says more."""


_limits: dict[str, int | None] = {"max_pixels": None, "max_tiles": None}


def register(*, max_pixels: int | None = None, max_tiles: int = DEFAULT_MAX_TILES) -> None:
    """Make `.tok` known to Pillow in this process, as format TOK with MIME type image/x-tok.

    A second call sets the limits anew.

    Args:
        max_pixels: refuse to load pictures of more pixels. Default: Pillow's own limit, Image.MAX_IMAGE_PIXELS.
        max_tiles: refuse to load files of more tiles. Default: 2,000.

    Raises:
        ValueError: a limit is below 1.
    """
    if max_tiles < 1 or (max_pixels is not None and max_pixels < 1):
        raise ValueError(f"limits must be at least 1, not max_pixels={max_pixels}, max_tiles={max_tiles}")
    _limits.update(max_pixels=max_pixels, max_tiles=max_tiles)
    Image.register_open(FORMAT, TokImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME)


class TokImageFile(ImageFile.ImageFile):
    """A `.tok` file opened by Pillow: mode RGB, pixels decoded when they are first needed, with the default look.

    info: tokens (per tile, as declared), pitch (pixels or "fit"), bpp (bits of the file per pixel) and, where the
    model is installed and the header undamaged, model (its name).
    """

    format = FORMAT
    format_description = "Picture as discrete tokens"

    def _open(self) -> None:
        assert self.fp is not None
        self._head = self.fp.read(HEADER_SIZE)
        try:
            header = parse_header(self._head)
        except TokError as error:
            raise SyntaxError(str(error)) from error  # how a plug-in says "not mine"
        self._mode = "RGB"
        self._size = header.width, header.height
        length = self.fp.seek(0, os.SEEK_END)
        self.info["tokens"] = header.tokens
        self.info["pitch"] = header.pitch or "fit"
        self.info["bpp"] = 8 * length / (header.width * header.height)
        with suppress(TokError):  # `verify` and `load` tell; the size can be had all the same
            self.info["model"] = resolve(self._head)[1].name

    def verify(self) -> None:
        """Check the header against the installed models, without pixels, and close the file.

        The payload has no checksum, see the format. Raises TokImageError if the header is damaged or its model is not
        installed.
        """
        try:
            with _as_oserror():
                resolve(self._head)
        finally:
            super().verify()

    def load(self) -> PixelAccess | None:
        """Decode the pixels, once. Raises TokImageError for whatever is wrong with the file or its model."""
        if self._im is None:
            if self.fp is None:
                raise ValueError("Operation on closed image")
            self.fp.seek(HEADER_SIZE)
            data = self._head + self.fp.read()  # the header that was opened, whatever the file has become since
            with _as_oserror():
                # Pillow has checked the size by its own limit.
                max_pixels = _limits["max_pixels"] or self.width * self.height
                max_tiles = _limits["max_tiles"] or DEFAULT_MAX_TILES
                self.im = decode(data, max_pixels=max_pixels, max_tiles=max_tiles, warn=warn_caller).im
            self.readonly = 0
            if self._exclusive_fp:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)


def _accept(prefix: bytes) -> bool | str:
    """Whether the file is ours; a text if it is but cannot be read, which Pillow gives as a warning."""
    try:
        parse_header(prefix)
    except NotTokError:
        return False
    except TokError as error:
        return f"{FORMAT}: {error}"
    return True


def _save(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Write a picture of any mode that the codec converts; the first byte is written when all are known."""
    options = {name: value for name, value in image.encoderinfo.items() if name in _OPTIONS}
    with _as_oserror():
        data = encode(image, **({"warn": warn_caller} | options))
    stream.write(data)


@contextmanager
def _as_oserror() -> Iterator[None]:
    try:
        yield
    except TokError as error:
        raise TokImageError(str(error)) from error


__all__ = ["TokImageError", "TokImageFile", "register"]
