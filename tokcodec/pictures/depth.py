"""Reads samples of more than 8 bits, and scales those with fewer bits than they are stored in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Tags

from ..errors import PictureError
from . import tiff

Warn = Callable[[str], None]
_FULL = 65535
_DIM = 1 << 14
"""A picture without a larger sample is so dark that it may hold fewer bits than its file declares."""


@dataclass
class Samples:
    """The samples of a picture at 16 bits, which Pillow would cut to 8."""

    values: NDArray[np.uint16]
    """Height x width x 1 (grey) or 3 (RGB), 65535 is white."""
    alpha: Image.Image | None = None
    """Opacity, mode L. None: opaque."""
    orientation: int = 1
    """By EXIF, 1 to 8."""
    profile: bytes | None = None
    """Embedded ICC profile of a picture that Pillow cannot open."""


@dataclass
class TiffSamples:
    """A TIFF picture of a kind that Pillow cannot open."""

    stream: IO[bytes]
    tags: Tags

    format = "TIFF"

    @property
    def is_animated(self) -> bool:
        """Whether further pages follow."""
        return bool(self.tags.next)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, before orientation."""
        return tiff.size(self.tags)

    def read(self) -> Samples:
        """Decode the samples. Raises any exception for a damaged file."""
        values = tiff.read_samples(self.stream, self.tags)
        orientation, profile = self.tags.get(Tag.Orientation, 1), self.tags.get(Tag.InterColorProfile)
        values, alpha = _split(values, self.tags.get(Tag.ExtraSamples, (2,)))
        return Samples(values, alpha, orientation, profile)


def _split(values: NDArray[np.uint16], extra: tuple[int, ...]) -> tuple[NDArray[np.uint16], Image.Image | None]:
    """Colours and opacity, by TIFF's ExtraSamples: 0 other data, 1 premultiplied, 2 opacity."""
    colours = values.shape[2] - 1 + values.shape[2] % 2
    if colours == values.shape[2] or extra[0] == 0:
        return values[..., :colours], None
    alpha = values[..., colours]
    found = values[..., :colours]
    if extra[0] == 1:
        divisor = np.maximum(alpha, 1)[..., None]
        found = np.minimum(found.astype(np.uint32) * _FULL // divisor, _FULL).astype(np.uint16)
    return found, Image.fromarray((alpha >> 8).astype(np.uint8))


def cut_colour(image: Image.Image) -> Samples | None:
    """The 16-bit samples of a colour picture of which Pillow decodes the higher 8 bits. None: it has no more bits.

    Args:
        image: PNG or TIFF whose pixels are not decoded yet, of mode RGB or RGBA.

    Raises:
        Exception: the file is damaged.
    """
    if not holds_16_bits(image):
        return None
    assert isinstance(image, ImageFile.ImageFile) and image.fp is not None
    stream: IO[bytes] = image.fp
    position = stream.tell()
    try:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            found = TiffSamples(stream, image.tag_v2)
            return found.read() if tiff.is_readable(image.tag_v2) else None
        return _png(stream)
    finally:
        stream.seek(position)


def holds_16_bits(image: Image.Image) -> bool:
    """Whether Pillow will decode only the higher 8 of 16 bits. The pixels must not be decoded yet."""
    if not (isinstance(image, ImageFile.ImageFile) and image.tile and image.mode in ("RGB", "RGBA")):
        return False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return tiff.sample_bits(image.tag_v2) == 16
    png = isinstance(image, PngImagePlugin.PngImageFile) and "transparency" not in image.info
    return png and ";16" in str(image.tile[0].args)


def is_misread(image: Image.Image) -> bool:
    """Whether Pillow decodes a picture wrongly without an error."""
    return isinstance(image, TiffImagePlugin.TiffImageFile) and tiff.is_misread(image.tag_v2)


def _png(stream: IO[bytes]) -> Samples:
    """Decode a PNG twice, since Pillow has no mode for 16-bit colour: first the higher bytes, then the lower ones.

    Grey with opacity is decoded once, as 8-bit RGBA, which has the same four bytes per pixel.
    """
    stream.seek(0)
    image = PngImagePlugin.PngImageFile(stream)
    if image.tile[0].args == "LA;16B":
        image.tile = [image.tile[0]._replace(args="RGBA")]
        pairs = np.asarray(image).view(">u2")
        opacity = Image.fromarray((pairs[..., 1] >> 8).astype(np.uint8))
        return Samples(pairs[..., :1].astype(np.uint16), opacity, image.getexif().get(Tag.Orientation, 1))
    parts = []
    for order in ("B", "L"):
        stream.seek(0)
        image = PngImagePlugin.PngImageFile(stream)
        image.tile = [image.tile[0]._replace(args=f"{image.mode};16{order}")]
        image.load()
        parts.append(image)
    high, low = parts
    values = np.asarray(high.convert("RGB")).astype(np.uint16)
    values <<= 8
    values |= np.asarray(low.convert("RGB"))
    alpha = high.getchannel("A") if high.mode == "RGBA" else None
    return Samples(values, alpha, high.getexif().get(Tag.Orientation, 1))


def grey_samples(image: Image.Image) -> Samples | None:
    """The samples of a grey picture of more than 8 bits. None: the picture has another mode.

    Args:
        image: decoded picture. Modes I (0 to 65535), I;16 and F (0 to 1) are read.

    Raises:
        PictureError: values are out of range.
    """
    if not (image.mode == "I" or image.mode == "F" or image.mode.startswith("I;16")):
        return None
    read: NDArray[Any] = np.asarray(image)
    low, high = read.min(), read.max()
    if image.mode == "F":
        if not (low >= 0 and high <= 1):  # also refuses NaN
            raise PictureError("float picture with values outside [0, 1]")
        values = np.rint(read * np.float32(_FULL)).astype(np.uint16)
    else:
        if low < 0 or high > _FULL:
            raise PictureError(f"integer picture with values outside 0..65535 ({low}..{high})")
        values = read.astype(np.uint16)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tiff.scale(values, image.tag_v2)
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = Image.fromarray(np.where(read == transparent, 0, 255).astype(np.uint8))
    return Samples(values[..., None], alpha)


def note_dim(high: int, warn: Warn) -> None:
    """Note a picture whose samples seem to have fewer bits than its file declares.

    Args:
        high: the largest of its 16-bit samples, or an upper bound.
        warn: called with the note.
    """
    if 0 < high < _DIM:
        bits = high.bit_length()
        warn(f"no value is above {high} of 65535, so the picture is dark: are its values of {bits} bits?")


def note_dim_colour(image: Image.Image, warn: Warn) -> None:
    """`note_dim` for a picture of which Pillow has decoded the higher 8 of 16 bits."""
    note_dim(int(np.asarray(image.convert("RGB").getextrema()).max()) << 8 | 255, warn)


def spread_palette(image: Image.Image) -> None:
    """Correct the palette of a decoded TIFF picture that has 8 bits in 16, of which Pillow keeps the higher ones: 0."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode == "P":
        palette = tiff.full_palette(image.tag_v2)
        if palette is not None:
            image.putpalette(palette)


def spread_few_bits(image: Image.Image, bits: int) -> Image.Image:
    """Scale a JPEG 2000 picture of fewer than 8 bits so that white is 255. Pillow only shifts the bits."""
    if not 1 <= bits < 8 or image.mode not in ("L", "LA", "RGB", "RGBA"):
        return image
    most = (1 << bits) - 1
    table = [min(255, round((value >> (8 - bits)) * 255 / most)) for value in range(256)]
    return image.point(table * len(image.getbands()))
