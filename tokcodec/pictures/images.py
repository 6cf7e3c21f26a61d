"""Reading and writing pictures. Every picture becomes 8-bit sRGB, upright and opaque, or raises PictureError.

ICC profiles are the only description of colour that is used: pictures with another one (PNG gAMA, cHRM and cICP, HDR
in AVIF) are read as sRGB.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps

from ..errors import LimitError, PictureError, TokError, TokWarning, reason
from .files import write_atomic
from .limits import DEFAULT_MAX_PIXELS, check_size

MAX_STREAM_BYTES = 1 << 30
"""Limit of a stream, so that an endless pipe does not fill the memory. DEFAULT_MAX_PIXELS fit in, uncompressed."""

READ_FORMATS = (
    "JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "QOI", "PSD", "SGI",
)  # fmt: skip
"""Formats of photographs, by Pillow's names.

Left out on purpose: EPS (Pillow runs Ghostscript on it), formats without a magic number (TGA, DIB), which accept any
data, and rare ones, since each parser can be attacked.
"""
_ONE_PICTURE = {"MPO", "PSD"}  # their further "frames" are previews, gain maps and layers, not an animation

Warn = Callable[[str], None]


# ---- reading


def read_picture(
    source: str | Path | BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS, backdrop: str = "white", warn: Warn
) -> Image.Image:
    """Read a picture as an RGB picture, converted as by `to_rgb`. An animation gives its first frame.

    The size is checked before pixels are decoded.

    Args:
        source: path of a file, or a binary stream.
        max_pixels: refuse pictures of more pixels, at least 1. Default: 89,478,485.
        backdrop: colour behind transparent pixels. Default: "white".
        warn: called with a line for each thing that is dropped.

    Raises:
        LimitError: the picture is too large.
        PictureError: the file or its picture has another error.
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
            image = _open(stream)
            check_size(*image.size, max_pixels)
            _load(image)
            check_size(*image.size, max_pixels)  # a decoder may find another size than the header's
            if image.format not in _ONE_PICTURE and _has_more_frames(image):
                notes.append("only the first of several frames or pages is used")
            picture = to_rgb(image, backdrop=backdrop, warn=notes.append)
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


def _open(stream: BinaryIO) -> ImageFile.ImageFile:
    """Identify the picture and read its header: Image.open for READ_FORMATS, without Pillow's limit on pixels."""
    stream.seek(0)
    prefix = stream.read(16)
    if not prefix:
        raise PictureError("the file is empty")
    Image.preinit()
    claimed = ""
    for name in READ_FORMATS:
        if name not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or accept is None or accept(prefix) is not True:
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # how a plug-in says "not mine"
            claimed = name
        except Exception as error:
            raise _damaged(name, error) from error
    raise PictureError(f"damaged or unsupported {claimed} picture" if claimed else "not a picture that Pillow can read")


def _has_more_frames(image: Image.Image) -> bool:
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
        raise _damaged(image.format, error) from error


def _damaged(name: str | None, error: Exception) -> TokError:
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return LimitError("more pixels than the limit allows (--max-pixels raises it, or Image.MAX_IMAGE_PIXELS)")
    if isinstance(error, MemoryError):
        return LimitError("not enough memory to decode the picture")
    detail = " ".join(str(error).split()) or type(error).__name__
    return PictureError(f"damaged or unsupported {name or 'kind of'} picture: {detail}")


# ---- converting


def to_rgb(image: Image.Image | NDArray[np.uint8], *, backdrop: str = "white", warn: Warn) -> Image.Image:
    """Convert a picture to 8-bit sRGB.

    The steps, in this order: apply the EXIF orientation, scale 16-bit and float samples (0..65535 and 0..1) to 8 bit,
    convert from an embedded ICC profile to sRGB (perceptual), composite transparency on `backdrop`. An animation gives
    its current frame.

    Args:
        image: PIL image of any mode, or uint8 array height x width x 3.
        backdrop: colour behind transparent pixels. Default: "white".
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
    _load(image)
    notes: list[str] = []
    converted = _convert(image, backdrop, notes.append)
    for note in notes:  # here, so that an exception of `warn` does not count as one of the picture
        warn(note)
    return converted


def _convert(image: Image.Image, backdrop: str, warn: Warn) -> Image.Image:
    try:
        image = _upright(image, warn)
        profile = image.info.get("icc_profile")
        colour, alpha = _split_alpha(_to_8_bit(image, warn))
        colour = _to_srgb(colour, profile, warn)
        if alpha is None or alpha.getextrema() == (255, 255):
            return colour
        warn(f"transparency is composited on {backdrop}")
        return Image.composite(colour, Image.new("RGB", colour.size, backdrop), alpha)
    except TokError:
        raise
    except MemoryError as error:
        raise LimitError("not enough memory to convert the picture") from error
    except Exception as error:
        raise PictureError(f"a picture of mode {image.mode} that cannot be converted: {error}") from error


def _from_array(array: NDArray[Any]) -> Image.Image:
    if array.dtype != np.uint8:
        raise TypeError(f"an image array must be uint8, not {array.dtype}")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(f"an image array must have the shape HxWx3, not {'x'.join(map(str, array.shape))}")
    return Image.fromarray(np.ascontiguousarray(array), "RGB")


def _upright(image: Image.Image, warn: Warn) -> Image.Image:
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1  # also reads XMP's
        return ImageOps.exif_transpose(image) if turned else image
    except MemoryError:
        raise
    except Exception:  # an error of the parser: the pixels are whole, only their orientation is unknown
        warn("damaged EXIF data: the orientation is not applied")
        return image


def _to_8_bit(image: Image.Image, warn: Warn) -> Image.Image:
    """Convert 16-bit, 32-bit and float grey to L or LA, where Pillow would clip. Other modes are unchanged."""
    if not (image.mode == "I" or image.mode == "F" or image.mode.startswith("I;16")):
        return image
    values: NDArray[Any] = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F":
        if not (low >= 0 and high <= 1):  # also refuses NaN
            raise PictureError("float picture with values outside [0, 1]")
        grey = np.rint(values * np.float32(255)).astype(np.uint8)
    else:
        if low < 0 or high > 65535:
            raise PictureError(f"integer picture with values outside 0..65535 ({low}..{high})")
        if image.mode == "I" and 0 < high < 256:
            warn(f"32-bit picture whose largest value is {high}: read as 16 bit, so it is nearly black")
        grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    result = Image.fromarray(grey)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        result.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return result


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


def _to_srgb(image: Image.Image, profile: object, warn: Warn) -> Image.Image:
    """Convert L, RGB, CMYK or LAB to sRGB by the embedded profile, without one by Pillow's plain conversion."""
    if isinstance(profile, bytes) and profile and image.mode != "LAB":
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip()
            if space == "RGB" and image.mode == "L":
                image = image.convert("RGB")  # grey written with the profile of a colour picture
            if {"GRAY": "L"}.get(space, space) == image.mode:
                if space == "RGB" and (source.profile.profile_description or "").startswith("sRGB"):
                    return image
                converted = ImageCms.profileToProfile(
                    image, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL, outputMode="RGB"
                )
                if converted is not None:
                    return converted
            warn(f"the {space} colour profile does not fit a {image.mode} picture and is ignored")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            warn("the colour profile is damaged and is ignored")
    if image.mode == "CMYK":
        warn("CMYK without a usable colour profile: the colours are a guess")
    if image.mode == "RGB" and "icc_profile" not in image.info:
        return image  # without a copy, which would need 4 bytes per pixel
    converted = image.convert("RGB")
    converted.info.pop("icc_profile", None)  # it has been used: encoding the picture must not repeat the note
    return converted


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
