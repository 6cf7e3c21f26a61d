"""Chooses the picture to read of a TIFF file, and reads samples that Pillow cannot read or cuts to 8 bits.

Pillow reads the first directory of a file. In raw files of cameras (DNG, NEF, ARW and others) that is a thumbnail.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Tags

from ..errors import LimitError, PictureError
from .kinds import CAMERA_RAW

MAX_BYTES = 1 << 30
"""Limit of a file that must be copied."""
MAX_DIRECTORIES = 100

MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
_FULL = 65535

_PICTURE_BITS = 2 | 16
"""Bits of NewSubfileType for a page of several and DNG's enhanced picture. Other bits mark thumbnails and masks."""
_REDUCED = 2  # of SubfileType
_RAW_PHOTOMETRIC = {32803, 34892}  # colour filter array, linear raw
_RAW_COMPRESSION = {32767, 32769, 32770, 34713, 34892, 52546, 65000, 65535}  # of cameras
_OF_BYTES = {1, 5, 8, 32773, 32946, 34925, 50000}
"""General compressions: none, LZW, deflate, PackBits, the older number of deflate, LZMA, Zstandard."""
_READABLE = {(MIN_IS_WHITE, 1), (MIN_IS_BLACK, 1), (MIN_IS_BLACK, 2), (RGB, 3), (RGB, 4)}
"""PhotometricInterpretation and samples of a pixel."""
_UNPACKED = 1 << 22  # samples that are unpacked at a time


def is_tiff(head: bytes) -> bool:
    """Whether a file is a TIFF."""
    return head[:4] in TiffImagePlugin.PREFIXES


def main_directory(stream: IO[bytes]) -> tuple[Tags, IO[bytes]]:
    """The directory of a file's picture: the first that is not marked as reduced or as a mask, otherwise the first.

    Args:
        stream: the file.

    Returns:
        The tags of the directory, and a stream whose first directory it is.

    Raises:
        PictureError: the picture is a camera's raw data.
        LimitError: the file is too large for a copy of it.
        Exception: the file is damaged.
    """
    first, head, chosen, raw, sensor = None, _header(stream), None, False, 0
    if head[:4] == b"MM\0+":
        raise PictureError("a BigTIFF in big-endian order, which Pillow does not read: convert it to TIFF first")
    for tags in _directories(stream, head):
        first = first or tags
        raw = raw or Tag.DNGVersion in tags
        if _is_raw_data(tags):
            sensor = max(sensor, math.prod(size(tags)))
        if chosen is None and _holds_picture(tags) and not is_reduced(tags):
            chosen = tags
    if first is None:
        raise PictureError("a TIFF without a picture")
    chosen = chosen or first
    stream.seek(8)
    is_raw = _is_raw_data(chosen) or sensor > math.prod(size(chosen))  # some cameras do not mark their thumbnails
    if is_raw or stream.read(2) == b"CR":  # Canon's CR2
        raise PictureError(CAMERA_RAW)
    if chosen is first:
        return chosen, stream
    if raw and not is_readable(chosen):
        raise PictureError(CAMERA_RAW)
    big = len(head) > 8
    order = "<" if chosen.prefix == b"II" else ">"
    start = head[: 8 if big else 4] + struct.pack(order + ("Q" if big else "I"), chosen.offset)
    return chosen, io.BytesIO(start + _all(stream)[len(start) :])


def _is_raw_data(tags: Tags) -> bool:
    """Whether a directory holds a camera's raw data."""
    photometric, compression = _one(tags, Tag.PhotometricInterpretation, 0), _one(tags, Tag.Compression, 1)
    return photometric in _RAW_PHOTOMETRIC or compression in _RAW_COMPRESSION


def is_reduced(tags: Tags) -> bool:
    """Whether a directory is marked as a thumbnail, a preview or a mask."""
    return bool(_one(tags, Tag.NewSubfileType, 0) & ~_PICTURE_BITS) or _one(tags, Tag.SubfileType, 0) == _REDUCED


def _header(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    head = stream.read(8)
    return head + stream.read(8) if head[2:4] in (b"\x2b\0", b"\0\x2b") else head  # BigTIFF


def _directories(stream: IO[bytes], head: bytes) -> Iterator[Tags]:
    """The directories in the order of the file, each before its subdirectories."""
    todo, seen = [Tags(head).next], set[int]()
    while todo and len(seen) < MAX_DIRECTORIES:
        offset = todo.pop(0)
        if not offset or offset in seen:
            continue
        seen.add(offset)
        tags = Tags(head)
        stream.seek(offset)
        try:
            tags.load(stream)
            below = _many(tags, Tag.SubIFDs)
        except Exception:
            if len(seen) == 1:  # if a later one is damaged, the first one is the picture
                raise
            continue
        yield tags
        todo = [*below, tags.next, *todo]


def _holds_picture(tags: Tags) -> bool:
    return Tag.ImageWidth in tags and (Tag.StripOffsets in tags or Tag.TileOffsets in tags)


def _many(tags: Tags, number: int) -> tuple[int, ...]:
    value: Any = tags.get(number, ())
    return tuple(int(one) for one in value) if isinstance(value, tuple) else (int(value),)


def _one(tags: Tags, number: int, default: int) -> int:
    return (*_many(tags, number), default)[0]


def _all(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LimitError(f"more than {MAX_BYTES} bytes of a TIFF that needs a copy")
    return data


# ---- samples


def size(tags: Tags) -> tuple[int, int]:
    """Width and height in pixels before orientation, 0 if missing."""
    return _one(tags, Tag.ImageWidth, 0), _one(tags, Tag.ImageLength, 0)


def sample_bits(tags: Tags) -> int:
    """Bits of a sample. 0: the samples differ, or are not unsigned integers."""
    bits = set(_many(tags, Tag.BitsPerSample) or (1,))
    return bits.pop() if len(bits) == 1 and set(_many(tags, Tag.SampleFormat)) <= {1} else 0


def is_readable(tags: Tags) -> bool:
    """Whether `read_samples` can read a directory."""
    bits, predictor = sample_bits(tags), _one(tags, Tag.Predictor, 1)
    layout = _one(tags, Tag.PhotometricInterpretation, -1), _one(tags, Tag.SamplesPerPixel, 1)
    return (
        _holds_picture(tags)
        and min(size(tags)) > 0
        and 1 <= bits <= 16
        and layout in _READABLE
        and _one(tags, Tag.Compression, 1) in _OF_BYTES
        and (predictor == 1 or (predictor == 2 and bits in (8, 16)))
    )


def is_misread(tags: Tags) -> bool:
    """Whether Pillow misreads 16-bit colours without an error: those in planes, and those that declare fewer bits."""
    colours = sample_bits(tags) == 16 and _one(tags, Tag.SamplesPerPixel, 1) >= 3 and is_readable(tags)
    return colours and (_one(tags, Tag.PlanarConfiguration, 1) == 2 or _white(tags, 0) < _FULL)


def read_samples(stream: IO[bytes], tags: Tags) -> NDArray[np.uint16]:
    """The samples of a directory, scaled to 0..65535: uint16 height x width x samples of a pixel; 0 is black.

    Pillow reads the rows as bytes, by a directory of our own behind the data, and bits are unpacked here.

    Args:
        stream: the file.
        tags: a directory that `is_readable`.

    Raises:
        LimitError: the file is too large for a copy of it.
        Exception: the file is damaged.
    """
    data = _all(stream)
    (width, height), bits = size(tags), sample_bits(tags)
    per_pixel = _one(tags, Tag.SamplesPerPixel, 1)
    planes = per_pixel if _one(tags, Tag.PlanarConfiguration, 1) == 2 else 1
    together = per_pixel // planes  # samples of a pixel in a plane
    samples = np.empty((height, width, per_pixel), np.uint16)
    step = max(1, _UNPACKED // (width * together))
    for plane in range(planes):
        rows = _rows_of_bytes(data, tags, plane, planes, width * together * bits)
        for top in range(0, height, step):
            part = _unpack(rows[top : top + step], bits, tags.prefix, width * together)
            part = part.reshape(len(part), width, together)
            _undo_predictor(part, tags, bits)
            samples[top : top + step, :, plane * together : (plane + 1) * together] = part
    scale(samples, tags)
    return samples


def scale(samples: NDArray[np.uint16], tags: Tags) -> None:
    """Scale integers as a directory declares them to 0..65535, in place, and invert samples if 0 is white."""
    most = _white(tags, int(samples.max()))
    step = max(1, _UNPACKED // samples[0].size)
    for top in range(0, len(samples) if most < _FULL else 0, step):
        part = samples[top : top + step]
        part[:] = (part.astype(np.uint32) * _FULL + most // 2) // most
    if _one(tags, Tag.PhotometricInterpretation, MIN_IS_BLACK) == MIN_IS_WHITE:
        np.subtract(_FULL, samples, out=samples)


def _white(tags: Tags, largest: int) -> int:
    """The largest value that a sample can have.

    Some writers of 10 to 14 bits in samples of 16 declare it as MaxSampleValue. Others write there the largest value
    of the picture, so that only one less than a power of two counts.
    """
    full = (1 << sample_bits(tags)) - 1 or _FULL  # floats, of 0 bits, are scaled already
    declared = max(_many(tags, Tag.MaxSampleValue), default=0)
    return declared if max(largest, 256) <= declared < full and declared & (declared + 1) == 0 else full


def full_palette(tags: Tags) -> bytes | None:
    """The palette of a file whose writer has put 8 bits into its 16, red, green and blue of each entry. Else None."""
    levels = _many(tags, Tag.ColorMap)
    count = len(levels) // 3
    if not count or max(levels) > 255:
        return None
    return bytes(levels[i + channel * count] for i in range(count) for channel in range(3))


def _rows_of_bytes(data: bytes, tags: Tags, plane: int, planes: int, row_bits: int) -> NDArray[np.uint8]:
    """The bytes of a plane, one row per row of the picture."""
    width, height = size(tags)
    own: dict[int, tuple[int, ...]] = {Tag.ImageWidth: ((row_bits + 7) // 8,), Tag.ImageLength: (height,)}
    own |= {Tag.BitsPerSample: (8,), Tag.SamplesPerPixel: (1,), Tag.PhotometricInterpretation: (MIN_IS_BLACK,)}
    own |= {number: (_one(tags, number, 1),) for number in (Tag.Compression, Tag.FillOrder)}
    places, sizes = Tag.StripOffsets, Tag.StripByteCounts
    if Tag.TileOffsets in tags:
        places, sizes = Tag.TileOffsets, Tag.TileByteCounts
        own[Tag.TileWidth] = (_one(tags, Tag.TileWidth, 0) * row_bits // width // 8,)
        own[Tag.TileLength] = (_one(tags, Tag.TileLength, 0),)
    else:
        own[Tag.RowsPerStrip] = (min(_one(tags, Tag.RowsPerStrip, height), height),)
    for number in (places, sizes):
        values = _many(tags, number)
        count = len(values) // planes
        if values:  # a file without compression may leave out the sizes
            own[number] = values[plane * count : (plane + 1) * count]
    at = len(data) + len(data) % 2
    head = b"II*\0" + struct.pack("<I", at)
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(head + data[8:].ljust(at - 8, b"\0") + _directory(own, at)))
    image.load()
    return np.asarray(image)


def _directory(tags: dict[int, tuple[int, ...]], at: int) -> bytes:
    """The bytes of a directory at a position of a little-endian file, followed by its long values."""
    entries, behind = struct.pack("<H", len(tags)), b""
    end = at + 2 + 12 * len(tags) + 4
    for number, values in sorted(tags.items()):
        field = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            field, behind = struct.pack("<I", end + len(behind)), behind + field
        entries += struct.pack("<HHI", number, 4, len(values)) + field.ljust(4, b"\0")
    return entries + bytes(4) + behind


def _unpack(rows: NDArray[np.uint8], bits: int, prefix: bytes, count: int) -> NDArray[np.uint16]:
    """Samples of any number of bits. 16-bit ones have the byte order of the file, others begin with the highest bit."""
    if bits == 16:
        return rows.view("<u2" if prefix == b"II" else ">u2").astype(np.uint16)
    if bits == 8:
        return rows.astype(np.uint16)
    single = np.unpackbits(rows, axis=1, count=count * bits).reshape(-1, bits)
    padded = np.zeros((len(single), 16), np.uint8)
    padded[:, 16 - bits :] = single
    return np.packbits(padded, axis=1).view(">u2").astype(np.uint16).reshape(len(rows), count)


def _undo_predictor(part: NDArray[np.uint16], tags: Tags, bits: int) -> None:
    """Sum up differences between neighbours, separately in each tile. Changes the array."""
    if _one(tags, Tag.Predictor, 1) != 2:
        return
    width = part.shape[1]
    step = _one(tags, Tag.TileWidth, width) if Tag.TileOffsets in tags else width
    for left in range(0, width, step):
        tile = part[:, left : left + step]
        np.cumsum(tile, axis=1, dtype=np.uint16, out=tile)
    if bits == 8:
        part &= 255
