"""Opens pictures that need another package: HEIF (HEIC) by pillow-heif, and JPEG XL by pillow-jxl-plugin."""

from __future__ import annotations

import importlib
from typing import IO

from PIL import ImageFile

from ..errors import PictureError, need
from .kinds import is_heif, is_jpeg_xl
from .limits import check_size

_CODESTREAM = b"\xff\x0a"
_SEARCHED = 1 << 16  # bytes of a container in which its codestream must begin, after boxes such as Exif
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def open_optional(stream: IO[bytes], head: bytes, max_pixels: int) -> ImageFile.ImageFile | None:
    """Open a picture of one of these kinds.

    Args:
        stream: the file, seekable.
        head: the first `kinds.HEAD_BYTES` of it.
        max_pixels: limit of the pixels, for a package that decodes on opening.

    Returns:
        The opened picture. None: the file is of another kind.

    Raises:
        MissingPackageError: the package is not installed. The line names it.
        LimitError: the picture is too large.
        SyntaxError, and any other exception of the package: the file is damaged.
    """
    if is_heif(head):
        need("pillow_heif", "a HEIC (HEIF) picture", extra="heif")
        stream.seek(0)
        return importlib.import_module("pillow_heif").HeifImageFile(stream)  # type: ignore[no-any-return]
    if is_jpeg_xl(head):
        need("pillow_jxl", "a JPEG XL picture", extra="jxl")
        check_size(*jpeg_xl_size(stream), max_pixels)
        stream.seek(0)
        plugin = importlib.import_module("pillow_jxl.JpegXLImagePlugin")
        return plugin.JXLImageFile(stream)  # type: ignore[no-any-return]
    return None


def jpeg_xl_size(stream: IO[bytes]) -> tuple[int, int]:
    """Width and height in pixels by the header of a JPEG XL file (ISO/IEC 18181-1, SizeHeader).

    Raises:
        PictureError: there is no header.
    """
    stream.seek(0)
    data = stream.read(_SEARCHED)
    start = 0 if data.startswith(_CODESTREAM) else _codestream(data)
    if len(data) < start + 12:
        raise PictureError("damaged or unsupported JPEG XL picture: no header")
    bits = _Bits(int.from_bytes(data[start + 2 : start + 12], "little"))
    small = bits.take(1)
    height = bits.small_side() if small else bits.side()
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return bits.small_side() if small else bits.side(), height


def _codestream(data: bytes) -> int:
    """Position of the codestream in a container: in a box `jxlc`, or after the number of the first `jxlp`."""
    for box, skipped in ((b"jxlc", 4), (b"jxlp", 8)):
        at = data.find(box)
        if at >= 0 and data[at + skipped : at + skipped + 2] == _CODESTREAM:
            return at + skipped
    return len(data)


class _Bits:
    """Numbers of the header, least significant bit first."""

    def __init__(self, value: int) -> None:
        self.value = value

    def take(self, count: int) -> int:
        taken = self.value & ((1 << count) - 1)
        self.value >>= count
        return taken

    def small_side(self) -> int:
        return (self.take(5) + 1) * 8

    def side(self) -> int:
        return self.take((9, 13, 18, 30)[self.take(2)]) + 1
