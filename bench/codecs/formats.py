"""How each picture format is written: as an expert does for the smallest files, and as Pillow does by default."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from bench.codecs.avif_mini import grow_header, shrink_header

SCALES = (1.0, 0.75, 0.625, 0.5, 0.375, 0.3125, 0.25, 0.1875, 0.15625, 0.125, 0.09375, 0.0625, 0.046875, 0.03125)
"""Sides of a reduced picture as fractions of the original's. With 1 a search is never worse than the plain codec."""
TINY_SCALES = (0.0625, 0.046875, 0.0390625, 0.03125, 0.0234375, 0.01953125, 0.015625, 0.01171875, 0.0078125, 0.00390625)
"""Of 256 pixels 16 to 1, for lossless files."""
JPEG_TABLE = [16 + 4 * (place // 8 + place % 8) for place in range(64)]
"""Quantisation of both luma and chroma at quality 50. It rises slowly, for the least squared error."""

WEBP_QUALITIES = (0, 1, 2, 3, 5, 7, 10, 13, 16, 20, 24, 28, 34, 42, 50, 60, 70, 75, 80, 85, 90)


@dataclass(frozen=True)
class Format:
    """A format and the settings with which it is written."""

    name: str
    """Label of the codec."""
    write: Callable[..., bytes]
    """`write(picture, quality, **options)` returns the bytes of a file."""
    options: dict[str, Any]
    """What does not depend on the quality."""
    search: tuple[int, ...]
    """Qualities tried at reduced sizes, rising. They include `plain`."""
    whole: tuple[int, ...] = ()
    """Those tried for whole pictures, to save time. Empty: all of `search`."""
    plain: tuple[int, ...] = ()
    """Qualities at full size. Empty: the format is only used for reduced pictures."""
    scales: tuple[float, ...] = SCALES
    """Scales of the reduced pictures, falling."""
    crops_only: bool = False
    """Whether reduced pictures are made of crops only, to save time."""
    read: Callable[[bytes], bytes] = bytes
    """Makes a file that Pillow reads of one that `write` made."""
    library: str = ""
    """Argument of `PIL.features.version`, if Pillow brings the library."""
    package: tuple[str, str] | None = None
    """A package beside Pillow that writes the format, and the name by which it is imported."""

    def available(self) -> bool:
        """Whether all that it needs is installed."""
        library = not self.library or features.version(self.library) is not None
        return library and (self.package is None or importlib.util.find_spec(self.package[1]) is not None)

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that write the files."""
        found = {"pillow": PIL.__version__}
        if self.library:
            found[self.library] = str(features.version(self.library))
        if self.package is not None:
            found[f"{self.package[0]} of PyPI"] = version(self.package[0])  # apart from Pillow's library of that name
        return found


def pillow(picture: Image.Image, quality: int, *, kind: str, **options: Any) -> bytes:
    """A file by Pillow. `options` are those of `save`."""
    stream = io.BytesIO()
    picture.save(stream, kind, quality=quality, **options)
    return stream.getvalue()


def jpeg(picture: Image.Image, quality: int, **options: Any) -> bytes:
    """A JPEG file with one quantisation table, JPEG_TABLE scaled as libjpeg does with its own tables."""
    share = 50 / quality if quality < 50 else 2 - quality / 50
    table = [min(max(round(share * value), 1), 255) for value in JPEG_TABLE]
    stream = io.BytesIO()
    picture.save(stream, "JPEG", qtables=[table], **options)
    return stream.getvalue()


def webp(picture: Image.Image, quality: int, *, method: int, **options: int) -> bytes:
    """A lossy WebP file by the package `webp`, which has the options of libwebp that Pillow lacks.

    `options` are fields of libwebp's WebPConfig.
    """
    from webp import WebPConfig, WebPPicture

    config = WebPConfig.new(quality=quality, method=method)
    for name, value in options.items():
        setattr(config.ptr, name, value)
    data = WebPPicture.from_pil(picture).encode(config)
    return bytes(data.buffer())


def lossless_webp(picture: Image.Image, levels: int, **options: Any) -> bytes:
    """A lossless WebP file of the picture with this number of values in each channel."""
    step = 256 / levels
    values = (np.floor(np.asarray(picture) / step) + 0.5) * step
    return pillow(Image.fromarray(values.astype(np.uint8)), 100, kind="WEBP", lossless=True, **options)


def avif(picture: Image.Image, quality: int, **options: Any) -> bytes:
    """An AVIF file with the small header."""
    return shrink_header(pillow(picture, quality, kind="AVIF", **options))


def jpeg2000(picture: Image.Image, quality: int, *, num_resolutions: int, **options: Any) -> bytes:
    """A bare codestream. `quality` is a PSNR in dB, or below 0 a ratio: -20 asks for a 20th of the picture's bytes.

    Asked in dB, OpenJPEG leaves out whole channels of soft small pictures, and asked by the ratio it does not. It
    refuses resolutions that would have no pixel.
    """
    options["num_resolutions"] = min(num_resolutions, min(picture.size).bit_length())
    options["quality_mode"] = "dB" if quality > 0 else "rates"
    stream = io.BytesIO()
    picture.save(stream, "JPEG2000", quality_layers=[abs(quality)], **options)
    return stream.getvalue()


def jpeg_xl(picture: Image.Image, quality: int, *, effort: int, large_effort: int) -> bytes:
    """A bare codestream by pillow-jxl-plugin. Above 128 pixels a side, where it takes seconds, with `large_effort`."""
    import pillow_jxl  # noqa: F401  # registers the format

    chosen = effort if max(picture.size) <= 128 else large_effort
    return pillow(picture, quality, kind="JXL", num_threads=1, effort=chosen)


FORMATS = (
    Format(
        "jpeg",
        jpeg,
        {"optimize": True},
        search=(1, 3, 5, 7, 10, 14, 20, 27, 34, 40, 50, 60, 75, 88),
        plain=(1, 5, 10, 20, 40, 75),
        library="libjpeg_turbo",
    ),
    Format(
        "webp",
        webp,
        {"method": 6, "segments": 1, "sns_strength": 0},
        search=WEBP_QUALITIES,
        plain=(0, 5, 10, 20, 50, 80),
        package=("webp", "webp"),
    ),
    Format(
        "webp-lossless",
        lossless_webp,
        {"method": 6},
        search=(1, 2, 3, 4, 5, 6, 8, 16, 32),
        scales=TINY_SCALES,
        crops_only=True,
        library="webp",
    ),
    Format(
        "avif",
        avif,
        {"speed": 4, "subsampling": "4:4:4", "advanced": {"tune": "psnr"}, "max_threads": 1},
        search=(
            *(0, 1, 3, 5, 6, 8, 9, 11, 12, 15, 16, 17, 19, 20, 22, 24, 25, 27, 28, 30),  # all that give different files
            *(33, 36, 39, 43, 46, 50, 54, 58, 62, 66, 70, 75),
        ),
        whole=(0, 2, 3, 5, 7, 10, 12, 15, 18, 22, 26, 30, 36, 43, 50, 62, 75),
        plain=(0, 5, 15, 30, 50, 75),
        read=grow_header,
        library="avif",
    ),
    Format(
        "jpeg2000",
        jpeg2000,
        {"irreversible": True, "no_jp2": True, "comment": " ", "num_resolutions": 3, "mct": 1},
        search=(-200, -140, -100, -70, -50, -35, -25, -18, -12, -8, *range(16, 43, 2)),
        plain=(20, 24, 28, 32, 36, 40),
        library="jpg_2000",
    ),
    Format(
        "jpegxl",
        jpeg_xl,
        {"effort": 9, "large_effort": 7},
        search=(0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 18, 22, 26, 30, 36, 42, 50, 60, 72, 85),
        plain=(0, 5, 15, 30, 60, 85),
        package=("pillow-jxl-plugin", "pillow_jxl"),
    ),
    # What `save` writes without further arguments, since that is what most people meet.
    Format(
        "jpeg-pillow",
        pillow,
        {"kind": "JPEG"},
        search=(1, 3, 5, 7, 10, 14, 20, 27, 34, 40, 50, 60, 75, 88),
        plain=(1, 5, 10, 20, 40, 75),
        crops_only=True,
        library="libjpeg_turbo",
    ),
    Format(
        "webp-pillow",
        pillow,
        {"kind": "WEBP"},
        search=WEBP_QUALITIES,
        plain=(0, 5, 10, 20, 50, 80),
        library="webp",
    ),
    Format(
        "avif-pillow",
        pillow,
        {"kind": "AVIF", "max_threads": 1},
        search=(0, 3, 5, 10, 15, 22, 30, 40, 50, 62, 75),
        plain=(0, 5, 15, 30, 50, 75),
        crops_only=True,
        library="avif",
    ),
)
"""The formats as an expert writes them, then as Pillow does by default."""
