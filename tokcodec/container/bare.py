"""The bare container: two bytes before the payload of one tile, for pages and database rows that know the model.

    0     tokens - 1
    1     version 0 (1 bit), flat (1 bit), aspect a (6 bits): width / height = 2^((a - 32) / 12)

The reader chooses the size of the picture. A bare file as text is base64 (RFC 4648). No torch.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import math
import re
from urllib.parse import unquote_to_bytes

from ..errors import NotTokError, TruncatedHeaderError, UnsupportedVersionError
from ..pictures.limits import FIT, MAX_SIDE
from .header import Header

BARE_SIZE = 2
BASE64_SUFFIX = ".b64"
FIRST_MODEL = "base-2"
"""The model that the data URL of a bare file means where it names none: that of tokcodec 1.0."""
AREA_SIDE = 256
"""Without a given size, a picture has the area of a square tile of this side, since its tokens cannot show more."""
TEXT_BYTES = 8
"""Data that is valid base64 is taken for text from this length on. A shorter bare file may be valid base64 by chance; a
file whose first byte is a letter has tens of tokens, so it is longer."""

_AROUND = b" \t\r\n\v\f\"'"
_VERSION = 0x80  # must be 0: another layout would set it
_FLAT = 0x40
_ASPECT = 0x3F
_SQUARE = 32  # aspect code of width = height
_STEPS = 12  # aspect codes per factor of 2, as semitones: 3:2, 4:3, 16:9 come within 0.25 %


def pack_bare(header: Header) -> bytes:
    """The two bytes for a picture of one tile. Aspects are clipped to 1:6.3 and 6:1."""
    return bytes([header.tokens - 1, header.flat * _FLAT | min(max(_aspect(header.width, header.height), 0), _ASPECT)])


def fits(width: int, height: int) -> bool:
    """Whether the aspect of a picture can be stored."""
    return 0 <= _aspect(width, height) <= _ASPECT


def parse_bare(data: bytes, model_id: int, size: tuple[int, int] | None = None) -> Header:
    """Header of a bare file.

    Args:
        data: The file, at least its first two bytes.
        model_id: First byte of the model's hash, 0..255.
        size: Width and height in pixels; None (the default): the area of a tile and the stored aspect.

    Raises:
        NotTokError: The file is empty.
        TruncatedHeaderError: It has one byte.
        UnsupportedVersionError: It is not a bare file, or is one of a newer version.
        ValueError: The size is out of range.
    """
    if not data:
        raise NotTokError("empty file")
    if len(data) < BARE_SIZE:
        raise TruncatedHeaderError(f"header truncated ({len(data)} of {BARE_SIZE} bytes)")
    if data[1] & _VERSION:
        raise UnsupportedVersionError("not a bare file, or one of a newer tokcodec")
    width, height = stored_size(data) if size is None else size
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"size must be 1..{MAX_SIDE} pixels a side, not {width}x{height}")
    return Header(model_id, data[0] + 1, FIT, width, height, flat=bool(data[1] & _FLAT))


def stored_size(data: bytes) -> tuple[int, int]:
    """Width and height that the two bytes suggest: the area of a tile and the stored aspect."""
    root = 2 ** (((data[1] & _ASPECT) - _SQUARE) / _STEPS / 2)
    return round(AREA_SIDE * root), round(AREA_SIDE / root)


def _aspect(width: int, height: int) -> int:
    return _SQUARE + round(_STEPS * math.log2(width / height))


def to_base64(data: bytes) -> bytes:
    """Text for data: the standard alphabet, padded, and a newline at the end."""
    return base64.b64encode(data) + b"\n"


def from_base64(text: bytes) -> bytes:
    """Data of a base64 text in either alphabet, with or without padding and white space, or of a data URL of one.

    Quotation marks around it are left out.

    Args:
        text: UTF-8 with or without a byte order mark, or UTF-16 as editors of Windows write it.

    Raises:
        NotTokError: it is not base64.
    """
    packed = b"".join(_payload(_utf8(text)).split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error as error:
        raise NotTokError("not base64") from error


def data_url(data: bytes, model: str) -> str:
    """The data URL of a bare file for `previewsrc`, with the name of its model."""
    return f"data:image/x-tok-bare;model={model};base64,{base64.b64encode(data).decode()}"


def url_model(text: bytes) -> str | None:
    """The name of the model in the data URL of a bare file, not checked, or FIRST_MODEL where it has none.

    None for any other text: then the reader must know the model.
    """
    head, comma, _ = _utf8(text).strip(_AROUND).partition(b",")
    match = re.fullmatch(rb"data:image/x-tok-bare((?:;[^;]*)*);base64\s*", head, re.IGNORECASE)
    if not comma or match is None:
        return None
    named = re.search(rb";model=([^;]*)", match[1], re.IGNORECASE)
    return FIRST_MODEL if named is None else named[1].decode("ascii", "replace")


def _utf8(text: bytes) -> bytes:
    """The text without its byte order mark. UTF-16 without one is recognised by zeros in every second byte."""
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return text.decode("utf-16", errors="replace").encode()
    for encoding, zeros in (("utf-16-be", text[::2]), ("utf-16-le", text[1::2])):
        if len(text) > 2 and len(text) % 2 == 0 and not any(zeros):
            return text.decode(encoding, errors="replace").encode()
    return text.removeprefix(codecs.BOM_UTF8)


def _payload(text: bytes) -> bytes:
    """The base64 text in a data URL (RFC 2397) with any type and parameters, in which %2B may stand for +."""
    text = text.strip(_AROUND)
    head, comma, rest = text.partition(b",")
    if not comma or not head.lower().startswith(b"data:") or not head.lower().rstrip().endswith(b";base64"):
        return text
    return unquote_to_bytes(rest)


def is_base64(data: bytes) -> bool:
    """Whether all of data is a base64 text that `from_base64` can read."""
    try:
        return len(data) >= TEXT_BYTES and len(from_base64(data)) > 0
    except NotTokError:
        return False
