"""Reading and writing pictures. Every picture becomes 8-bit sRGB, upright and opaque, or raises PictureError.

`docs/pictures.md` lists the kinds that are read and how.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, TiffImagePlugin

from ..errors import LimitError, PictureError, TokError, TokWarning, reason
from . import colour, depth, tiff
from .description import colour_profile, jpeg_2000_bits
from .files import write_atomic
from .limits import DEFAULT_MAX_PIXELS, check_size
from .opening import damaged, open_picture

MAX_STREAM_BYTES = 1 << 30
"""Limit of a stream, so that an endless pipe does not fill the memory. DEFAULT_MAX_PIXELS fit in, uncompressed."""

_ONE_PICTURE = {"MPO", "PSD", "HEIF"}  # their further "frames" are previews, gain maps and layers, not an animation
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its orientation in EXIF."""

Warn = Callable[[str], None]


# ---- reading


def read_picture(
    source: str | Path | BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS, background: str = "white", warn: Warn
) -> Image.Image:
    """Read a picture as an RGB picture, converted as by `to_rgb`. An animation gives its first frame.

    The size is checked before pixels are decoded.

    Args:
        source: path of a file, or a binary stream.
        max_pixels: refuse pictures of more pixels, at least 1. Default: 89,478,485.
        background: colour behind transparent pixels, a name of CSS or "#rrggbb". Default: "white".
        warn: called with a line for each thing that is dropped.

    Raises:
        LimitError: the picture is too large.
        PictureError: the file or its picture has another error.
        MissingPackageError: the file is HEIF or JPEG XL, and the package that reads it is not installed.
        ValueError: `max_pixels` is below 1.
    """
    if max_pixels < 1:
        raise ValueError(f"max_pixels must be at least 1, not {max_pixels}")
    notes: list[str] = []
    try:
        opened = open(source, "rb") if isinstance(source, (str, Path)) else nullcontext(source)  # noqa: SIM115
        with opened as stream:
            if not stream.seekable():
                stream = io.BytesIO(_read_all(stream))
            image = open_picture(stream, max_pixels)
            check_size(*image.size, max_pixels)
            picture = _to_rgb(image, background, notes.append, max_pixels)
            if _has_more_frames(image):
                notes.append("only the first of several frames or pages is used")
    except OSError as error:
        raise PictureError(reason(error)) from error
    for note in notes:  # here, so that an OSError of `warn` does not count as one of the file
        warn(note)
    return picture


def _read_all(stream: BinaryIO) -> bytes:
    data = stream.read(MAX_STREAM_BYTES + 1)
    if len(data) > MAX_STREAM_BYTES:
        raise LimitError(f"more than {MAX_STREAM_BYTES} bytes of input")
    return data


@contextmanager
def process_limit(max_pixels: int) -> Iterator[None]:
    """Raise Pillow's limit on pixels to `max_pixels` for the whole process, with all of its threads.

    For programs that own their process, such as the command. `read_picture` never raises the limit of an application.
    Some decoders (TIFF, WebP, GIF) refuse more than twice Pillow's limit, and warn above it.
    """
    before = Image.MAX_IMAGE_PIXELS
    if before is not None:
        Image.MAX_IMAGE_PIXELS = max(before, max_pixels)
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _has_more_frames(image: ImageFile.ImageFile | depth.TiffSamples) -> bool:
    if image.format in _ONE_PICTURE:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a later frame is damaged: the first one has been decoded
        return True


def _load(image: Image.Image) -> None:
    """Decode the pixels. Every exception of a decoder means a damaged picture, since decoders document none."""
    try:
        image.load()
    except TokWarning:  # from a `.tok` file that the application opened, if its filters make warnings errors
        raise
    except Exception as error:
        raise damaged(image.format, error) from error


# ---- converting


def to_rgb(image: Image.Image | NDArray[np.uint8], *, background: str = "white", warn: Warn) -> Image.Image:
    """Convert a picture to 8-bit sRGB.

    The steps: apply the EXIF orientation, scale 16-bit and float samples (0..65535 and 0..1) to 8 bit, convert from
    the colours that the file describes to sRGB (perceptual), composite transparency on `background`. An animation
    gives its current frame. If pixels are not decoded yet, 16-bit colours are converted before bits are cut.

    Args:
        image: PIL image of any mode, or uint8 array height x width x 3.
        background: colour behind transparent pixels, a name of CSS or "#rrggbb". Default: "white".
        warn: called with a line for each thing that is dropped or guessed.

    Raises:
        PictureError: the picture cannot be decoded or converted.
        LimitError: there is not enough memory.
        TypeError: the argument has another type or dtype.
        ValueError: the array has another shape.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if not isinstance(image, Image.Image):
        raise TypeError(f"image must be a PIL image or a uint8 array HxWx3, not {type(image).__name__}")
    if 0 in image.size:
        raise PictureError("a picture without pixels")
    notes: list[str] = []
    converted = _to_rgb(image, background, notes.append)
    for note in notes:  # here, so that an exception of `warn` does not count as one of the picture
        warn(note)
    return converted


def _to_rgb(
    image: Image.Image | depth.TiffSamples, background: str, warn: Warn, max_pixels: int | None = None
) -> Image.Image:
    """Decode and convert a picture. A decoder may find another size than the header's, so that it is checked again."""
    try:
        picture, alpha = _split(image, warn, max_pixels)
        if alpha is None or alpha.getextrema() == (255, 255):
            return picture
        warn(f"transparency is composited on {background}")
        return Image.composite(picture, Image.new("RGB", picture.size, background), alpha)
    except (TokError, TokWarning):
        raise
    except MemoryError as error:
        raise LimitError("not enough memory to convert the picture") from error
    except Exception as error:
        kind = f"a picture of mode {image.mode}" if isinstance(image, Image.Image) else "a TIFF picture"
        raise PictureError(f"{kind} that cannot be converted: {error}") from error


def _split(
    image: Image.Image | depth.TiffSamples, warn: Warn, max_pixels: int | None
) -> tuple[Image.Image, Image.Image | None]:
    """The upright colours in sRGB, and the opacity as L or None."""
    if isinstance(image, depth.TiffSamples):
        samples = _decoded(image.read, "TIFF")
        return _from_samples(samples, samples.profile, warn)
    profile = colour_profile(image, warn)
    cut, bits = depth.holds_16_bits(image), jpeg_2000_bits(image)
    if cut and (colour.changes_colours(profile) or depth.is_misread(image)):
        samples = _decoded(partial(depth.cut_colour, image), image.format)
        if samples is not None:
            return _from_samples(samples, profile, warn)
    _load(image)
    if max_pixels is not None:
        check_size(*image.size, max_pixels)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and tiff.is_reduced(image.tag_v2):
        warn("the picture is marked as a thumbnail or a mask of another one")
    depth.spread_palette(image)
    if cut:
        depth.note_dim_colour(image, warn)
    image = _upright(depth.spread_few_bits(image, bits), warn)
    if (samples := depth.grey_samples(image)) is not None:
        return _from_samples(samples, profile, warn)
    image, alpha = _split_alpha(image)
    return colour.to_srgb(image, profile, warn), alpha


def _decoded(read: Callable[[], depth.Samples | None], name: str | None) -> Any:
    try:
        return read()
    except Exception as error:
        raise damaged(name, error) from error


def _from_samples(samples: depth.Samples, profile: bytes | None, warn: Warn) -> tuple[Image.Image, Image.Image | None]:
    """The upright colours and opacity of 16-bit samples."""
    depth.note_dim(int(samples.values.max()), warn)
    picture, alpha = colour.samples_to_srgb(samples.values, profile, warn), samples.alpha
    turn = _TURNS.get(samples.orientation)
    if turn is None:
        return picture, alpha
    return picture.transpose(turn), None if alpha is None else alpha.transpose(turn)


def _from_array(array: NDArray[Any]) -> Image.Image:
    if array.dtype != np.uint8:
        raise TypeError(f"an image array must be uint8, not {array.dtype}")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(f"an image array must have the shape HxWx3, not {'x'.join(map(str, array.shape))}")
    return Image.fromarray(np.ascontiguousarray(array), "RGB")


def _upright(image: Image.Image, warn: Warn) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image) if _orientation(image) != 1 else image
    except MemoryError:
        raise
    except Exception:  # an error of the parser: the pixels are whole, only their orientation is unknown
        warn("damaged EXIF data: the orientation is not applied")
        return image


def _orientation(image: Image.Image) -> int:
    """The orientation by EXIF or XMP, 1 to 8. Raises any exception for damaged data."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours without alpha, and the alpha as L or None."""
    if image.mode == "La":  # premultiplied grey: Pillow offers only this conversion
        image = image.convert("LA")
    if image.mode == "1" and "transparency" in image.info:  # Pillow compares 0 and 255 with the file's 0 and 1
        transparent = 255 if image.info["transparency"] else 0
        image = image.convert("L")
        image.info["transparency"] = transparent
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA")  # stays grey for a grey profile
        image = image.convert("LA" if grey else "RGBA")
        return (image.getchannel("L") if grey else image.convert("RGB")), image.getchannel("A")
    if image.mode in ("1", "L"):
        return image.convert("L"), None
    return (image if image.mode in ("RGB", "CMYK", "LAB") else image.convert("RGB")), None


# ---- writing

WRITE_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".ppm": ("PPM", {}),
    ".bmp": ("BMP", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}
"""Formats to write: Pillow's name and options, by suffix."""


def picture_format(target: str | Path | None, format: str | None = None) -> str:
    """The key of WRITE_FORMATS for a picture.

    Args:
        target: path of the picture. Its suffix is used unless `format` is given, and ".png" if it has none.
        format: name of a format, "png". Default: by `target`.

    Raises:
        ValueError: the format is unknown. The text lists the known ones.
    """
    suffix = f".{format.lstrip('.')}" if format else Path(target or "").suffix
    suffix = suffix.lower() or ".png"
    if suffix not in WRITE_FORMATS:
        known = ", ".join(name[1:] for name in WRITE_FORMATS)
        raise ValueError(f"unknown picture format {suffix[1:]!r}; known: {known}")
    return suffix


def write_picture(
    image: Image.Image, target: str | Path | BinaryIO, format: str | None = None, *, force: bool = False
) -> None:
    """Write a picture, losslessly except as JPEG (quality 95).

    Args:
        image: RGB picture.
        target: a path, written by `write_atomic`, or a binary stream.
        format: name of a format, "png". Default: by the suffix of the path, and "png" for a stream.
        force: replace an existing file. Default: False.

    Raises:
        ValueError: the format is unknown.
        OutputError: writing to the path fails.
    """
    path = target if isinstance(target, (str, Path)) else None
    name, options = WRITE_FORMATS[picture_format(path, format)]
    # First to memory: a full disk is then an ordinary write error, and a pipe need not seek.
    encoded = target if isinstance(target, io.BytesIO) else io.BytesIO()
    image.save(encoded, name, **options)
    if path is not None:
        write_atomic(path, encoded.getvalue(), force=force)
    elif encoded is not target:
        target.write(encoded.getvalue())  # type: ignore[union-attr]
