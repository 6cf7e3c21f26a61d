"""Adapter of the picture formats at full size."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

from bench.codecs.formats import FORMATS, Format
from bench.codecs.interface import Codec, Point, Scene, Setting, attempt


class Classical(Codec):
    """A format at full size."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.label = form.name

    def config(self) -> dict[str, Any]:
        return {"options": self.form.options, "plain": self.form.plain}

    def versions(self) -> dict[str, str]:
        return self.form.versions()

    def encode(self, image: Image.Image, quality: int) -> bytes:
        """The bytes of one file."""
        return self.form.write(image, quality, **self.form.options)

    def decode(self, data: bytes) -> Image.Image:
        """The picture of a file that `encode` wrote, RGB."""
        return Image.open(io.BytesIO(self.form.read(data))).convert("RGB")

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
    """The formats that can be written here at full size."""
    return [Classical(form) for form in FORMATS if form.plain and form.available()]
