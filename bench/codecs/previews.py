"""Adapters of ThumbHash and BlurHash, which web pages use for previews of 20 to 40 bytes, if they are installed."""

from __future__ import annotations

import base64
import importlib.util
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from PIL import Image

from bench.codecs.interface import Codec, Point, Scene, Setting, attempt

# BlurHash's grid. Its text has 4 + 2 * 4 * 4 = 36 characters, and each counts as a byte.
BLURHASH_GRID = (4, 4)
# Pictures are reduced to this side first, as BlurHash's authors advise, since it keeps only the lowest frequencies.
BLURHASH_SIDE = 100


class ThumbHash(Codec):
    """ThumbHash in binary form (about 24 bytes), decoded at its own size and upscaled bicubic."""

    label = "thumbhash"

    def config(self) -> dict[str, Any]:
        return {"defaults": True}

    def versions(self) -> dict[str, str]:
        return {"thumbhash-python": version("thumbhash-python")}

    def encode(self, image: Image.Image) -> bytes:
        """The hash as bytes, not as base64 text."""
        from thumbhash import image_to_thumbhash

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the package still calls Image.getdata
            return base64.b64decode(image_to_thumbhash(image.copy()))

    def decode(self, data: bytes, size: tuple[int, int]) -> Image.Image:
        """The preview at `size`."""
        from thumbhash import thumbhash_to_image

        small = thumbhash_to_image(data).convert("RGB")
        return small.resize(size, Image.Resampling.BICUBIC)

    def points(self, scene: Scene) -> Iterator[Point]:
        image = scene.image
        yield attempt({}, lambda: self.encode(image), lambda data: self.decode(data, image.size))

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode(image)
        return len(data), self.decode(data, image.size)


class BlurHash(Codec):
    """BlurHash with a grid of 4x4: 36 characters, counted as bytes."""

    label = "blurhash"

    def config(self) -> dict[str, Any]:
        return {"grid": BLURHASH_GRID, "side": BLURHASH_SIDE}

    def versions(self) -> dict[str, str]:
        return {"blurhash-python": version("blurhash-python")}

    def encode(self, image: Image.Image) -> bytes:
        """The text as ASCII."""
        import blurhash

        small = image.copy()
        small.thumbnail((BLURHASH_SIDE, BLURHASH_SIDE))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the package still calls Image.getdata
            text: str = blurhash.encode(small, *BLURHASH_GRID)
        return text.encode("ascii")

    def decode(self, data: bytes, size: tuple[int, int]) -> Image.Image:
        """The preview at `size`. BlurHash is a sum of cosines, which is evaluated at this size."""
        import blurhash

        image: Image.Image = blurhash.decode(data.decode("ascii"), *size)
        return image.convert("RGB")

    def points(self, scene: Scene) -> Iterator[Point]:
        image = scene.image
        yield attempt(
            {"grid": list(BLURHASH_GRID)}, lambda: self.encode(image), lambda data: self.decode(data, image.size)
        )

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode(image)
        return len(data), self.decode(data, image.size)


def preview_codecs() -> list[Codec]:
    """The preview codecs whose packages are installed."""
    found: list[Codec] = []
    if importlib.util.find_spec("thumbhash") is not None:
        found.append(ThumbHash())
    if importlib.util.find_spec("blurhash") is not None:
        found.append(BlurHash())
    return found
