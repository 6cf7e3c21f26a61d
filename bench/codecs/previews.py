"""Adapters of what web pages use for previews of 20 to 40 bytes: ThumbHash and BlurHash, where they are installed."""

from __future__ import annotations

import base64
import importlib.util
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from PIL import Image

from bench.codecs.interface import Codec, Point, Scene, Setting, attempt

# BlurHash's grid; its text has 4 + 2 * 4 * 4 = 36 characters, each counted as a byte, as it is stored.
BLURHASH_GRID = (4, 4)
# Pictures are shrunk to this side before BlurHash, as its authors advise: it keeps only the lowest frequencies.
BLURHASH_SIDE = 100


class ThumbHash(Codec):
    """ThumbHash in binary form (about 24 bytes), decoded at its own size and upscaled bicubic."""

    label = "thumbhash"

    def config(self) -> dict[str, Any]:
        return {"defaults": True}

    def versions(self) -> dict[str, str]:
        return {"thumbhash-python": version("thumbhash-python")}

    def encode(self, image: Image.Image) -> bytes:
        """The hash's bytes (not its base64 text)."""
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
        """The preview at `size` (evaluated there: it is a sum of cosines)."""
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
    """Those whose packages are installed."""
    found: list[Codec] = []
    if importlib.util.find_spec("thumbhash") is not None:
        found.append(ThumbHash())
    if importlib.util.find_spec("blurhash") is not None:
        found.append(BlurHash())
    return found
