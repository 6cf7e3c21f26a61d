"""Finds the colour profile and the bits of samples that a file declares.

| kind | fields |
|---|---|
| PNG | cICP, otherwise an ICC profile, otherwise gAMA and cHRM unless there is an sRGB chunk |
| AVIF, HEIF | an ICC profile, otherwise nclx, which has the numbers of cICP |
| JPEG 2000 | an ICC profile |
| JPEG | an ICC profile, otherwise the mark of Adobe RGB in EXIF |

The numbers of cICP and nclx are those of ITU-T H.273.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import IO

from PIL import ExifTags, Image, ImageFile

from .profiles import SRGB_POINTS, Point, gamma_curve, grey_profile, rgb_profile, srgb_curve

Warn = Callable[[str], None]

_GREY = "1", "L", "LA", "I", "I;16", "I;16B"
_WHITE: Point = (0.3127, 0.329)
_PRIMARIES: dict[int, tuple[Point, Point, Point, Point]] = {
    1: SRGB_POINTS,
    2: SRGB_POINTS,  # unspecified
    4: ((0.31, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_WHITE, (0.64, 0.33), (0.29, 0.6), (0.15, 0.06)),
    6: (_WHITE, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: (_WHITE, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: (_WHITE, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_WHITE, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_SRGB_TRANSFER = {1, 2, 6, 13, 14, 15}  # sRGB, unspecified, and those of video cameras, which screens show as sRGB
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_HDR = {16: "PQ", 18: "HLG"}
_ADOBE_RGB: tuple[Point, Point, Point, Point] = (_WHITE, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
_ADOBE_GAMMA = 563 / 256
_ADOBE_SPACE = 2  # not in the standard, which has 1 (sRGB) and 65535
_HEAD = 1 << 16
"""Bytes at the beginning of a file that are searched for fields."""
_CHUNK = 4  # bytes of cICP
_TOLERANCE = 0.05  # relative, of a gamma, as in libpng: 0.45455 is the curve of sRGB
_POINT_TOLERANCE = 0.002


def colour_profile(image: Image.Image, warn: Warn) -> bytes | None:
    """The ICC profile of a picture: the embedded one, or one made from other fields. None: sRGB or unknown.

    Args:
        image: picture. If its pixels are decoded already, fields that Pillow does not keep are not found.
        warn: called with a line for fields that cannot be applied.
    """
    embedded = image.info.get("icc_profile")
    head = _file_head(image)
    grey = image.mode in _GREY
    profile = embedded if isinstance(embedded, bytes) and embedded else None
    numbers = _png_chunk(image, b"cICP")[:2]
    if len(numbers) == 2 and (_is_known(*numbers) or profile is None):
        return _coded(numbers, grey, warn)
    if profile is not None:
        return profile
    if image.format == "PNG":
        return _png(image, grey, warn)
    if image.format == "AVIF" and (at := head.find(b"colrnclx")) >= 0:
        return _coded(struct.unpack_from(">HH", head.ljust(at + 12, b"\0"), at + 8), grey, warn)
    if nclx := image.info.get("nclx_profile"):  # pillow-heif's
        return _coded((int(nclx["color_primaries"]), int(nclx["transfer_characteristics"])), grey, warn)
    if image.format == "JPEG2000":
        return _jpeg_2000(head)
    if image.format in ("JPEG", "MPO") and image.mode == "RGB" and _marks_adobe_rgb(image):
        return rgb_profile(_ADOBE_RGB, gamma_curve(_ADOBE_GAMMA))
    return None


def _file_head(image: Image.Image) -> bytes:
    """The beginning of the file, b"" if it is closed. Keeps its position."""
    stream = _stream(image, "AVIF", "JPEG2000")
    if stream is None:
        return b""
    position = stream.tell()
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(position)
    return head


def _stream(image: Image.Image, *formats: str) -> IO[bytes] | None:
    """The file of a picture if it is still open and of one of the formats."""
    if not isinstance(image, ImageFile.ImageFile) or image.format not in formats:
        return None
    return image.fp if image.tile else None


def _png_chunk(image: Image.Image, name: bytes) -> bytes:
    """The first bytes of a chunk before the pixels, b"" if there is none. Keeps the position of the file."""
    stream = _stream(image, "PNG")
    if stream is None:
        return b""
    position, data, at = stream.tell(), b"", 8
    while True:
        stream.seek(at)
        start = stream.read(8 + _CHUNK)
        if len(start) < 8 or start[4:8] in (b"IDAT", b"IEND"):
            break
        size = int.from_bytes(start[:4], "big")
        if start[4:8] == name:
            data = start[8 : 8 + size]
            break
        at += 12 + size
    stream.seek(position)
    return data


def _png(image: Image.Image, grey: bool, warn: Warn) -> bytes | None:
    gamma, points = image.info.get("gamma"), image.info.get("chromaticity")
    if "srgb" in image.info:
        return None
    if gamma is not None and not 0.01 <= gamma <= 10:
        warn(f"gAMA {gamma:g} is impossible and is ignored")
        gamma = None
    usual_gamma = gamma is None or abs(gamma * 2.2 - 1) < _TOLERANCE
    curve = srgb_curve() if gamma is None or usual_gamma else gamma_curve(1 / gamma)
    if grey:
        return None if usual_gamma else grey_profile(curve)
    primaries = SRGB_POINTS if points is None else tuple(zip(points[::2], points[1::2], strict=True))
    near = all(
        abs(value - usual) <= _POINT_TOLERANCE
        for point, right in zip(primaries, SRGB_POINTS, strict=True)
        for value, usual in zip(point, right, strict=True)
    )
    if near and usual_gamma:
        return None
    try:
        return rgb_profile(primaries, curve)
    except ValueError:
        warn("cHRM makes no colour space: it is ignored, and so is gAMA")
        return None


def _is_known(primaries: int, transfer: int) -> bool:
    return primaries in _PRIMARIES and transfer in _SRGB_TRANSFER | _GAMMAS.keys()


def _coded(numbers: tuple[int, ...] | bytes, grey: bool, warn: Warn) -> bytes | None:
    """The profile for the first two numbers of cICP or nclx: primaries and transfer."""
    primaries, transfer = numbers
    if transfer in _HDR:
        warn(f"high dynamic range ({_HDR[transfer]}) is read as sRGB: brightness and colours are wrong")
        return None
    if not _is_known(primaries, transfer):
        warn(f"colours of an unknown kind (primaries {primaries}, transfer {transfer}) are read as sRGB")
        return None
    if transfer in _SRGB_TRANSFER and (grey or _PRIMARIES[primaries] == SRGB_POINTS):
        return None
    curve = srgb_curve() if transfer in _SRGB_TRANSFER else gamma_curve(_GAMMAS[transfer])
    return grey_profile(curve) if grey else rgb_profile(_PRIMARIES[primaries], curve)


def _jpeg_2000(head: bytes) -> bytes | None:
    """The ICC profile in a box `colr` of method 2 or 3."""
    at = head.find(b"colr")
    while at >= 0:
        size = int.from_bytes(head[at - 4 : at], "big") if at >= 4 else 0
        if head[at + 4 : at + 5] in (b"\2", b"\3") and size > 11 and head[at + 43 : at + 47] == b"acsp":
            return head[at + 7 : at - 4 + size]
        at = head.find(b"colr", at + 4)
    return None


def _marks_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF says Adobe RGB: by the index R03 as in DCF 2.0, or by colour space 2 as some cameras do."""
    try:
        exif = image.getexif()
        index = exif.get_ifd(ExifTags.IFD.Interop).get(1, "") if exif else ""
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace) if exif else None
    except Exception:  # damaged EXIF data: images.py says so
        return False
    return str(index).startswith("R03") or space == _ADOBE_SPACE


def jpeg_2000_bits(image: Image.Image) -> int:
    """Bits of the first component of a JPEG 2000 picture (ISO/IEC 15444-1, SIZ), or 0. It must not be decoded yet."""
    if image.format != "JPEG2000":
        return 0
    head = _file_head(image)
    at = head.find(b"\xff\x4f\xff\x51")
    return (head[at + 42] & 0x7F) + 1 if 0 <= at < len(head) - 42 else 0
