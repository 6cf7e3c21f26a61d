"""The header of a `.tok` file: ten bytes, big-endian. The payload (`entropy`) follows.

    0     magic 0xF5
    1     version (high nibble), flags (low nibble): 1 = flat, 2 = adaptive, others reserved
    2     model id: first byte of the model's hash
    3     tokens per tile - 1 (of an adaptive file: the largest count)
    4..7  pitch code (4 bits), width - 1 (14 bits), height - 1 (14 bits)
    8..9  check: CRC-16 of bytes 0..7 + the model's hash

`models.registry` finds models, and `pictures.tiling` computes the number of tiles.
"""

from __future__ import annotations

import binascii
import codecs
from dataclasses import dataclass

from ..errors import LimitError, NotTokError, TruncatedHeaderError, UnsupportedVersionError
from ..pictures.limits import FIT, MAX_SIDE

MAGIC = 0xF5  # occurs in no UTF-8 text and begins no common file format
VERSION = 1
HEADER_SIZE = 10
HASH_SIZE = 32  # sha256
MAX_TOKENS = 256  # per tile: one byte
PITCHES = (FIT, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)  # index = code in the file

_FLAT = 0x1  # flag: the payload is coded with equal counts, not with the model's tables
_ADAPTIVE = 0x2  # flag: the payload begins with a level for every tile, which gives its number of tokens
_FLAGS = _FLAT | _ADAPTIVE
_SIDE_BITS = 14
_SIDE_MASK = (1 << _SIDE_BITS) - 1
_NAMED_BYTES = 2  # bytes shown of data that is not a .tok file
_TEXT_BYTES = 64  # bytes that decide whether data is text

# (offset, bytes, name): files that get renamed or piped by mistake
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "a JPEG"),
    (0, b"\x89PNG", "a PNG"),
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP"),
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyp", "an ISO media file such as HEIC or MP4"),
    (0, b"II*\x00", "a TIFF"),
    (0, b"MM\x00*", "a TIFF"),
    (0, b"BM", "a BMP"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data"),
    (0, b"%PDF", "a PDF"),
)


@dataclass(frozen=True)
class Header:
    """The fields of a header.

    Args:
        model_id: First byte of the model's hash, 0..255.
        tokens: Tokens of each tile, 1..256; the largest number if the file is adaptive.
        pitch: Distance of tiles in pixels, one of PITCHES (FIT = 0: one tile).
        width: Pixels, 1..16383.
        height: Pixels, 1..16383.
        flat: Coded with equal counts for all values instead of the model's tables. This bounds the file of a picture
            unlike those on which the tables were fitted.
        adaptive: The payload gives the number of tokens of every tile (see `counts`).
        version: Version of the format, VERSION.

    Raises:
        ValueError: A field is out of range.
    """

    model_id: int
    tokens: int
    pitch: int
    width: int
    height: int
    flat: bool = False
    adaptive: bool = False
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version must be {VERSION}, not {self.version}")
        if not 0 <= self.model_id <= 255:
            raise ValueError(f"model id must be 0..255, not {self.model_id}")
        if not 1 <= self.tokens <= MAX_TOKENS:
            raise ValueError(f"tokens must be 1..{MAX_TOKENS}, not {self.tokens}")
        if self.pitch not in PITCHES:
            raise ValueError(f"pitch must be one of {', '.join(map(str, PITCHES))} (0: fit), not {self.pitch}")
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise ValueError(f"width and height must be 1..{MAX_SIDE}, not {self.width} x {self.height}")


def pack_header(header: Header, model_hash: bytes) -> bytes:
    """The ten bytes of a header.

    `model_hash` is the model's whole hash, 32 bytes. Raises ValueError if it does not begin with the model id.
    """
    if len(model_hash) != HASH_SIZE:
        raise ValueError(f"a model's hash has {HASH_SIZE} bytes, not {len(model_hash)}")
    if model_hash[0] != header.model_id:
        raise ValueError(f"model id {header.model_id:02x} does not begin the hash {model_hash.hex()[:8]}...")
    shape = PITCHES.index(header.pitch) << 2 * _SIDE_BITS | (header.width - 1) << _SIDE_BITS | (header.height - 1)
    kind = header.version << 4 | header.flat * _FLAT | header.adaptive * _ADAPTIVE
    head = bytes([MAGIC, kind, header.model_id, header.tokens - 1]) + shape.to_bytes(4, "big")
    return head + _check(head, model_hash)


def parse_header(data: bytes) -> Header:
    """Parse the header at the beginning of a file. The check is not verified, since it needs the model's hash.

    Raises NotTokError, TruncatedHeaderError, UnsupportedVersionError or LimitError.
    """
    if not data:
        raise NotTokError("empty file")
    if data[0] != MAGIC:
        raise NotTokError(f"not a .tok file (starts with {_describe(data)})")
    if len(data) > 1:  # before the length: another version may have a shorter header
        version, flags = data[1] >> 4, data[1] & 0x0F
        if version != VERSION:
            raise UnsupportedVersionError(
                f"needs a newer tokcodec (format version {version}; this one reads version {VERSION})"
            )
        if flags & ~_FLAGS:
            raise UnsupportedVersionError(f"needs a newer tokcodec (unknown flags {flags & ~_FLAGS:04b} are set)")
    if len(data) < HEADER_SIZE:
        raise TruncatedHeaderError(f"header truncated ({len(data)} of {HEADER_SIZE} bytes)")
    shape = int.from_bytes(data[4:8], "big")
    width, height = (shape >> _SIDE_BITS & _SIDE_MASK) + 1, (shape & _SIDE_MASK) + 1
    if max(width, height) > MAX_SIDE:
        raise LimitError(f"declares {width} x {height} pixels; no side may exceed {MAX_SIDE}")
    return Header(
        model_id=data[2],
        tokens=data[3] + 1,
        pitch=PITCHES[shape >> 2 * _SIDE_BITS],
        width=width,
        height=height,
        flat=bool(data[1] & _FLAT),
        adaptive=bool(data[1] & _ADAPTIVE),
    )


def check_header(data: bytes, model_hash: bytes) -> bool:
    """Whether the header is undamaged and was made with the model of this hash. Fails to notice 1 in 65,536."""
    return len(data) >= HEADER_SIZE and data[8:HEADER_SIZE] == _check(data[:8], model_hash)


def _check(head: bytes, model_hash: bytes) -> bytes:
    """CRC-16/CCITT-FALSE. It detects every flipped bit and every burst of up to 16; 1 in 65,536 other models passes."""
    return binascii.crc_hqx(head + model_hash, 0xFFFF).to_bytes(2, "big")


def _describe(data: bytes) -> str:
    start = data[:_NAMED_BYTES].hex(" ").upper()
    for offset, signature, name in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return f"{start}: {name}"
    window = data[:_TEXT_BYTES]
    try:  # incremental: a character that is cut at the end of the window is allowed
        text = codecs.getincrementaldecoder("utf-8")().decode(window, final=len(data) == len(window))
    except UnicodeDecodeError:
        return start
    return f"{start}: text" if all(c.isprintable() or c in "\t\r\n\ufeff" for c in text) else start
