"""AVIF with the small header, a `mini` box: 35 bytes (37 above 128 pixels a side) instead of Pillow's 275.

ISO/IEC 23008-12 defines this MinimizedImageBox, for files of the brand `mif3`. Chromium shows them. Pillow does not
read them, so `grow_header` makes an ordinary file again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

TEMPORAL_DELIMITER = b"\x12\x00"
"""A unit without content before the picture, which AV1 data in such files does not need."""
SMALL_SIDE, SMALL_DATA = 1 << 7, 1 << 15
"""Sides and bytes of data up to these take fewer bits in the header."""
LARGEST_SIDE = 1 << 15
"""Pixels of a side that the header has bits for."""
COLOURS = struct.pack(">4sHHH", b"nclx", 1, 13, 6)
"""Colours that the small header does not have to name: sRGB with the matrix of BT.601. Pillow uses them."""
BRAND = b"mif3avif"
CENTRED = "", "11", "0", ""
"""Where the chroma samples lie, by the number of the subsampling: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4."""


def shrink_header(data: bytes) -> bytes:
    """The same picture with the small header.

    Args:
        data: an AVIF file by Pillow: one picture of 8 bits without alpha, profile or Exif.

    Raises:
        ValueError: the file has more than that, other colours than Pillow's, or a side of more than 32,768 pixels.
    """
    top = dict(_boxes(data))
    meta = dict(_boxes(top[b"meta"][4:]))
    shared = dict(_boxes(dict(_boxes(meta[b"iprp"]))[b"ipco"]))
    if meta[b"iinf"][4:6] != b"\0\1" or shared.keys() != {b"ispe", b"pixi", b"av1C", b"colr"}:
        raise ValueError("the small header is only for a single picture without alpha, profile or Exif")
    width, height = struct.unpack(">4xII", shared[b"ispe"])
    config, colours = shared[b"av1C"], shared[b"colr"]
    if config[2] & 0x40 or colours[:-1] != COLOURS:
        raise ValueError("the small header is only for 8 bits in sRGB with the matrix of BT.601")
    if max(width, height) > LARGEST_SIDE:
        raise ValueError(f"the small header is only for sides of at most {LARGEST_SIDE} pixels")
    pixels = top[b"mdat"].removeprefix(TEMPORAL_DELIMITER)
    fields = _fields(width, height, _subsampling(config), bool(colours[-1]), len(pixels))
    return _box(b"ftyp", BRAND) + _box(b"mini", fields + config + pixels)


def grow_header(data: bytes) -> bytes:
    """The same picture in an ordinary AVIF file, from what `shrink_header` returned."""
    content = dict(_boxes(data))[b"mini"]
    bits = "".join(f"{byte:08b}" for byte in content[:9])
    full_range, subsampling, side = int(bits[4]), int(bits[11:13], 2), (15 if bits[16] == "1" else 7)
    width, height = (int(bits[17 + at : 17 + at + side], 2) + 1 for at in (0, side))
    at = 17 + 2 * side + len(CENTRED[subsampling]) + 2
    fields = -(-(at + 4 + (28 if bits[at] == "1" else 15)) // 8)
    config, pixels = content[fields : fields + 4], content[fields + 4 :]
    shared = (
        _box(b"ispe", struct.pack(">4xII", width, height))
        + _box(b"pixi", bytes(4) + (b"\3\x08\x08\x08" if subsampling else b"\1\x08"))
        + _box(b"av1C", config)
        + _box(b"colr", COLOURS + bytes([full_range << 7]))
    )
    uses = _box(b"ipma", struct.pack(">4xIHB4B", 1, 1, 4, 1, 2, 0x83, 4))
    before = (
        _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
        + _box(b"pitm", struct.pack(">4xH", 1))
        + _box(b"iinf", struct.pack(">4xH", 1) + _box(b"infe", struct.pack(">B3xHH4sx", 2, 1, 0, b"av01")))
        + _box(b"iprp", _box(b"ipco", shared) + uses)
    )
    first = _box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    at = len(first) + 8 + 4 + len(before) + 8 + 22 + 8  # the place of the data: after meta, iloc and mdat's own header
    place = _box(b"iloc", struct.pack(">4xBBHHHHII", 0x44, 0, 1, 1, 0, 1, at, len(pixels)))
    return first + _box(b"meta", bytes(4) + before + place) + _box(b"mdat", pixels)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of every box."""
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        yield kind, data[8:size]
        data = data[size:]


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _subsampling(config: bytes) -> int:
    """Number of the subsampling, by the flags of `av1C`."""
    grey, across, down = (config[2] >> bit & 1 for bit in (4, 3, 2))
    return 0 if grey else 3 - across - down


def _fields(width: int, height: int, subsampling: int, full_range: bool, size: int) -> bytes:
    """The `mini` box before `av1C` and the AV1 data, padded to bytes."""
    large, much = max(width, height) > SMALL_SIDE, size > SMALL_DATA
    side, length = (15 if large else 7), (28 if much else 15)
    bits = (
        f"0000{full_range:b}000000"  # version, other codecs, float; range; alpha, colours, HDR, ICC, Exif, XMP
        f"{subsampling:02b}000{large:b}{width - 1:0{side}b}{height - 1:0{side}b}{CENTRED[subsampling]}"  # 000: upright
        f"00{much:b}{4:03b}{size - 1:0{length}b}"  # 8 bits; a short av1C, of 4 bytes
    )
    count = -(-len(bits) // 8)
    return int(bits.ljust(8 * count, "0"), 2).to_bytes(count, "big")
