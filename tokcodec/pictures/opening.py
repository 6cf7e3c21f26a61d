"""Identifies picture files and opens them, which reads their headers. For other files the error names the kind."""

from __future__ import annotations

import struct
from typing import IO

from PIL import Image, ImageFile, TiffImagePlugin

from ..errors import LimitError, PictureError, TokError
from . import tiff
from .depth import TiffSamples
from .kinds import HEAD_BYTES, describe, is_heif
from .optional import open_optional

READ_FORMATS = (
    "JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "QOI", "PSD", "SGI",
)  # fmt: skip
"""Formats of photographs, by Pillow's names. `optional` reads two more.

EPS is left out since Pillow runs Ghostscript on it, formats without a magic number (TGA, DIB) since they accept any
data, and rare formats since each parser can be attacked.
"""
_TRY_OTHERS = SyntaxError, IndexError, TypeError, struct.error  # how a plug-in says "not mine"


def open_picture(stream: IO[bytes], max_pixels: int) -> ImageFile.ImageFile | TiffSamples:
    """Identify a picture and read its header: Image.open for READ_FORMATS, without Pillow's limit on pixels.

    Args:
        stream: the file, seekable.
        max_pixels: limit of the pixels, for kinds that are decoded on opening.

    Raises:
        PictureError: the file is damaged, or of a kind that is not read. The line names the kind if it is known.
        LimitError: the picture is too large.
    """
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if not head:
        raise PictureError("the file is empty")
    try:
        if (opened := open_optional(stream, head, max_pixels)) is not None:
            return opened
        if tiff.is_tiff(head):
            return _open_tiff(stream)
    except Exception as error:
        raise damaged("TIFF" if tiff.is_tiff(head) else "HEIF" if is_heif(head) else "JPEG XL", error) from error
    claimed = ""
    for name in READ_FORMATS:
        if not _accepts(name, head):
            continue
        stream.seek(0)
        try:
            return Image.OPEN[name][0](stream, "")
        except _TRY_OTHERS:
            claimed = name
        except Exception as error:
            raise damaged(name, error) from error
    if claimed:
        raise PictureError(describe(head) or f"damaged or unsupported {claimed} picture")
    raise PictureError(describe(head) or _other_kind(head) or "not a picture that Pillow can read")


def _open_tiff(stream: IO[bytes]) -> ImageFile.ImageFile | TiffSamples:
    tags, stream = tiff.main_directory(stream)
    if tiff.is_misread(tags):
        return TiffSamples(stream, tags)
    stream.seek(0)
    try:
        return TiffImagePlugin.TiffImageFile(stream, "")
    except _TRY_OTHERS:
        if not tiff.is_readable(tags):
            raise
        return TiffSamples(stream, tags)


def _accepts(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of a format, by Pillow's name."""
    if name not in Image.OPEN:
        Image.preinit()
    if name not in Image.OPEN:
        Image.init()
    _, accept = Image.OPEN.get(name, (None, None))
    return accept is not None and accept(head[:16].ljust(16, b"\0")) is True


def _other_kind(head: bytes) -> str | None:
    """A line for formats with a magic number that Pillow knows but this package does not read."""
    Image.init()
    for name in Image.ID:
        if name not in READ_FORMATS and name != "DIB" and _accepts(name, head):
            return f"is a picture of the kind {name}, which is not read: convert it to PNG first"
    return None


def damaged(name: str | None, error: Exception) -> TokError:
    """Our error for an exception of a decoder, since decoders document none.

    Args:
        name: the format, by Pillow's name.
        error: what the decoder raised.
    """
    if isinstance(error, TokError):
        return error
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return LimitError("more pixels than the limit allows (--max-pixels raises it, or Image.MAX_IMAGE_PIXELS)")
    if isinstance(error, MemoryError):
        return LimitError("not enough memory to decode the picture")
    detail = " ".join(str(error).split()) or type(error).__name__
    return PictureError(f"damaged or unsupported {name or 'kind of'} picture: {detail}")
