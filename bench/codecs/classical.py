"""Adapters of Pillow's codecs: JPEG, WebP, AVIF, JPEG 2000, and JPEG XL if its plug-in is installed."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import PIL
from PIL import Image, features

from bench.codecs.interface import Codec, Point, Scene, Setting, attempt


@dataclass(frozen=True)
class Format:
    """How Pillow writes one format."""

    name: str
    """Label of the codec."""
    pillow: str
    """Pillow's name of the format."""
    feature: str
    """Argument of `features.check`, which says whether Pillow has the library."""
    library: str
    """Argument of `features.version`."""
    options: dict[str, Any]
    """Arguments of `save`."""
    plain: tuple[int, ...]
    """Qualities at full size."""
    search: tuple[int, ...]
    """Qualities tried at reduced sizes, rising. They include `plain`."""
    knob: str = "quality"
    """The argument of `save` that sets the quality."""


FORMATS = (
    Format(
        "jpeg",
        "JPEG",
        "jpg",
        "libjpeg_turbo",
        {"optimize": True, "progressive": True},
        plain=(1, 5, 10, 20, 40, 75),
        search=(1, 3, 5, 7, 10, 14, 20, 27, 34, 40, 50, 60, 75, 88),
    ),
    Format(
        "webp",
        "WEBP",
        "webp",
        "webp",
        {"method": 6},
        plain=(0, 5, 10, 20, 50, 80),
        search=(0, 2, 5, 10, 15, 20, 28, 38, 50, 60, 70, 80, 90),
    ),
    # Speed 6 is Pillow's default; 4 saves 2 to 9 % of the bytes of Kodak pictures and takes 3 to 6 times as long.
    Format(
        "avif",
        "AVIF",
        "avif",
        "avif",
        {"speed": 6, "max_threads": 1},
        plain=(0, 5, 15, 30, 50, 75),
        search=(0, 3, 5, 10, 15, 22, 30, 40, 50, 62, 75),
    ),
    # The bare codestream, since JP2 boxes would add 85 bytes. The quality is the coder's target PSNR in dB.
    Format(
        "jpeg2000",
        "JPEG2000",
        "jpg_2000",
        "jpg_2000",
        {"quality_mode": "dB", "irreversible": True, "no_jp2": True},
        plain=(20, 24, 28, 32, 36, 40),
        search=tuple(range(16, 43, 2)),
        knob="quality_layers",
    ),
)
JPEG_XL = Format(
    "jpegxl",
    "JXL",
    "",
    "",
    {"effort": 7, "num_threads": 1},
    plain=(0, 5, 15, 30, 60, 85),
    search=(0, 5, 10, 15, 22, 30, 40, 50, 60, 72, 85),
)


class Classical(Codec):
    """A codec of Pillow at full size."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.label = form.name

    def config(self) -> dict[str, Any]:
        return {"options": self.form.options, "plain": self.form.plain}

    def versions(self) -> dict[str, str]:
        if self.form is JPEG_XL:
            return {"pillow": PIL.__version__, "pillow-jxl-plugin": version("pillow-jxl-plugin")}
        return {"pillow": PIL.__version__, self.form.library: str(features.version(self.form.library))}

    def encode(self, image: Image.Image, quality: int) -> bytes:
        """The bytes of one file."""
        if self.form is JPEG_XL:
            import pillow_jxl  # noqa: F401  # registers the format
        file = io.BytesIO()
        knob = [quality] if self.form.knob == "quality_layers" else quality
        image.save(file, self.form.pillow, **{self.form.knob: knob}, **self.form.options)
        return file.getvalue()

    def decode(self, data: bytes) -> Image.Image:
        """The picture of a file that `encode` wrote, RGB."""
        return Image.open(io.BytesIO(data)).convert("RGB")

    def points(self, scene: Scene) -> Iterator[Point]:
        image = scene.image
        for quality in self.form.plain:
            yield attempt(
                {"quality": quality},
                lambda q=quality: self.encode(image, q),  # type: ignore[misc]
                self.decode,
            )

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode(image, setting["quality"])
        return len(data), self.decode(data)


def classical_codecs() -> list[Classical]:
    """The codecs that Pillow was built with, and JPEG XL if pillow-jxl-plugin is installed."""
    found = [Classical(form) for form in FORMATS if features.check(form.feature)]
    if importlib.util.find_spec("pillow_jxl") is not None:
        found.append(Classical(JPEG_XL))
    return found
