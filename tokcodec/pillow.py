"""Pillow plug-in: `.tok` files in Image.open and Image.save, and in every program that uses Pillow.

    import tokcodec.pillow

    tokcodec.pillow.register()
    image = Image.open("photo.tok")         # header only: size, mode and info need neither weights nor torch
    image.save("same.tok")                  # the bytes that were opened, since the picture is unchanged
    image.save("small.tok", tokens=16)      # accepts the options of tokcodec.encode, and ignores others as Pillow does

An opened picture whose pixels are unchanged is saved as TOK with the bytes that it was opened with: encoding it again
would lose more at each pass. Any option of tokcodec.encode means a new encode. So does a changed pixel, and a copy made
by `copy`, `convert` or `resize`, which is a picture of its own. `pickle` keeps the bytes.

If a header is cut or needs a newer tokcodec, Image.open warns with the reason and raises UnidentifiedImageError.
`verify` and `load` raise TokImageError. Image.MAX_IMAGE_PIXELS limits the size as for every format. A cut file loads
with a TokWarning: the tokens that it holds are drawn.

Saving to a stream writes either the whole file or nothing. When saving to a path, Pillow empties an existing file
before it calls this plug-in. `tokcodec.encode` and the command keep the old file if encoding fails.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from inspect import signature
from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageFile

from .codec import decode, encode, warn_caller
from .container.header import HEADER_SIZE, parse_header
from .errors import NotTokError, TokError
from .models.registry import resolve
from .pictures.limits import DEFAULT_MAX_TILES

if TYPE_CHECKING:
    from PIL._imaging import PixelAccess

FORMAT, EXTENSION, MIME = "TOK", ".tok", "image/x-tok"

# Without `container`: a bare file has no header by which Image.open could recognise it.
_OPTIONS = {name for name, option in signature(encode).parameters.items() if option.kind is option.KEYWORD_ONLY}
_OPTIONS -= {"container"}


class TokImageError(TokError, OSError):
    """An error of a `.tok` file, as OSError for users of Pillow. Its cause is the TokError of the kind of error."""


_limits: dict[str, int | None] = {"max_pixels": None, "max_tiles": None}


def register(*, max_pixels: int | None = None, max_tiles: int = DEFAULT_MAX_TILES) -> None:
    """Register `.tok` with Pillow in this process, as format TOK with MIME type image/x-tok.

    A second call replaces the limits.

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
    """A `.tok` file opened by Pillow: mode RGB. The pixels are decoded on first use, with the default look.

    Keys of `info`:
        tokens: declared tokens per tile.
        pitch: source pixels from tile to tile, or "fit".
        bpp: bits of the file per pixel.
        model: name of the model. Missing if the model is not installed or the header is damaged.
    """

    format = FORMAT
    format_description = "Picture as discrete tokens"

    _data: bytes | None = None  # the whole file, and a digest of its decoded pixels
    _digest: bytes | None = None

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
        with suppress(TokError):  # `verify` and `load` raise it: the size is known without the model
            self.info["model"] = resolve(self._head)[1].name

    def verify(self) -> None:
        """Check the header against the installed models, without pixels, and close the file.

        The format has no checksum of the payload.

        Raises:
            TokImageError: the header is damaged, or its model is not installed.
        """
        try:
            with _as_oserror():
                resolve(self._head)
        finally:
            super().verify()

    def load(self) -> PixelAccess | None:
        """Decode the pixels on the first call. Raises TokImageError for an error of the file or its model."""
        if self._im is None:
            if self.fp is None:
                raise ValueError("Operation on closed image")
            self.fp.seek(HEADER_SIZE)
            data = self._head + self.fp.read()  # the header as opened, even if the file has changed since
            with _as_oserror():
                # Pillow has checked the size by its own limit.
                max_pixels = _limits["max_pixels"] or self.width * self.height
                max_tiles = _limits["max_tiles"] or DEFAULT_MAX_TILES
                self.im = decode(data, max_pixels=max_pixels, max_tiles=max_tiles, warn=warn_caller).im
            self.readonly = 0
            self._data, self._digest = data, _digest_of(self)
            if self._exclusive_fp:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)

    def _unchanged(self) -> bytes | None:
        """The bytes that the picture was opened with, or None if its pixels have changed since."""
        return self._data if self._digest == _digest_of(self) else None

    def __getstate__(self) -> list[Any]:
        return [*super().__getstate__(), self._data, self._digest]

    def __setstate__(self, state: list[Any]) -> None:
        *rest, self._data, self._digest = state
        super().__setstate__(rest)


def _digest_of(image: Image.Image) -> bytes:
    """A digest of a picture's mode, size and pixels."""
    digest = hashlib.blake2b(f"{image.mode} {image.size} ".encode(), digest_size=16)
    digest.update(image.tobytes())
    return digest.digest()


def _accept(prefix: bytes) -> bool | str:
    """Whether the file is a `.tok` file. A text if it cannot be read: Pillow issues it as a warning."""
    try:
        parse_header(prefix)
    except NotTokError:
        return False
    except TokError as error:
        return f"{FORMAT}: {error}"
    return True


def _save(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Encode and write a picture of any mode, or write the bytes of an unchanged one. Writing starts when the whole
    file is there."""
    options = {name: value for name, value in image.encoderinfo.items() if name in _OPTIONS}
    data = image._unchanged() if isinstance(image, TokImageFile) and not options else None
    if data is None:
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
