"""Valid inputs for the search: `.tok` files with any header, and pictures of any size and kind.

Any payload is valid, so a file consists of a header and random bytes.
"""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tokcodec.container.header import HEADER_SIZE, MAX_TOKENS, PITCHES, Header, pack_header
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import DEFAULT_MAX_PIXELS, FIT, MAX_SIDE
from tokcodec.pictures.tiling import Grid

LARGEST_PAYLOAD = 1 << 17
KINDS = ("flat", "gradient", "noise", "blocks")
FORMATS = ("PNG", "WEBP")


@dataclass(frozen=True)
class TokFile:
    """A `.tok` file by its header's fields and the number of its payload's bytes.

    width, height: pixels
    pitch: pixels, one of `header.PITCHES`
    tokens: per tile, 1..256
    payload: bytes
    seed: of the payload
    look: the look to draw, None for the default
    """

    width: int
    height: int
    pitch: int
    tokens: int
    flat: bool
    adaptive: bool
    payload: int
    seed: int
    look: str | None = None

    @property
    def tiles(self) -> int:
        """Tiles of the picture."""
        return Grid.for_picture(self.width, self.height, self.pitch).tiles

    def data(self) -> bytes:
        """The bytes of the file, with the default model."""
        model = find_model()
        header = Header(
            model.id, self.tokens, self.pitch, self.width, self.height, flat=self.flat, adaptive=self.adaptive
        )
        return pack_header(header, model.hash) + Random(self.seed).randbytes(self.payload)

    def describe(self) -> str:
        """The file in one cell of a table."""
        kind = "adaptive " if self.adaptive else ""
        return (
            f"{self.width}x{self.height}, pitch {self.pitch or 'fit'}, {kind}{self.tokens} tokens, "
            f"{HEADER_SIZE + self.payload:,} bytes"
        )


@dataclass(frozen=True)
class Picture:
    """A picture to encode, and the options of `tokcodec.encode`.

    width, height: pixels
    kind: one of KINDS
    format: one of FORMATS
    options: a tuple of (name, value)
    """

    width: int
    height: int
    kind: str
    format: str
    options: tuple[tuple[str, Any], ...]

    @property
    def tiles(self) -> int:
        """Tiles at the pitch that the options name, 256 without."""
        return Grid.for_picture(self.width, self.height, self._pitch()).tiles

    def _pitch(self) -> int:
        pitch = dict(self.options).get("pitch", 256)
        return FIT if pitch == "fit" else int(pitch)

    def data(self) -> bytes:
        """The file of the picture, as an application receives it."""
        file = io.BytesIO()
        # The largest WebP side is 16383, as ours; lossless, since flat areas are then smallest.
        self.draw().save(file, self.format, **({"lossless": True, "method": 0} if self.format == "WEBP" else {}))
        return file.getvalue()

    def draw(self) -> Image.Image:
        """The picture itself."""
        size = self.width, self.height
        if self.kind == "flat":
            return Image.new("RGB", size, (120, 90, 60))
        if self.kind == "gradient":
            return Image.linear_gradient("L").resize(size).convert("RGB")
        small = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        if self.kind == "blocks":
            return Image.fromarray(small).resize(size, Image.Resampling.NEAREST)
        repeats = (math.ceil(self.height / 64), math.ceil(self.width / 64), 1)
        return Image.fromarray(np.tile(small, repeats)[: self.height, : self.width])

    def describe(self) -> str:
        """The picture and its options in one cell of a table."""
        options = ", ".join(f"{name} {value}" for name, value in self.options) or "no options"
        return f"{self.width}x{self.height}, {self.kind}, {self.format}, {options}"


def random_file(rng: Random) -> TokFile:
    """A file with random fields, small and large sizes equally likely."""
    width, height = random_size(rng)
    return TokFile(
        width,
        height,
        rng.choice(PITCHES),
        rng.choice((1, 2, 16, 64, MAX_TOKENS)),
        rng.random() < 0.5,
        rng.random() < 0.3,
        rng.choice((0, 1, 4, 32, 300, 5000, LARGEST_PAYLOAD)),
        rng.randrange(1 << 16),
        rng.choice((None, "fidelity")),
    )


def random_picture(rng: Random, most_pixels: int) -> Picture:
    """A picture of at most `most_pixels` pixels with random options."""
    width, height = random_size(rng, most_pixels)
    target = rng.choice(
        (
            (),
            (("tokens", rng.choice((1, 64, 256))), ("pitch", rng.choice(PITCHES[6:]))),
            (("target_psnr", rng.choice((18.0, 30.0, 60.0))),),
            (("target_size", rng.choice((200, 2000, 20000))),),
            (("adaptive", True), ("tokens", 100)),
        )
    )
    return Picture(width, height, rng.choice(KINDS), rng.choice(FORMATS), target)


def random_size(rng: Random, most_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[int, int]:
    """Width and height: by the logarithm, so that strips and squares of every size come up."""
    width = int(2 ** rng.uniform(0, math.log2(MAX_SIDE)))
    height = int(2 ** rng.uniform(0, math.log2(max(2, min(MAX_SIDE, most_pixels // width)))))
    return (width, height) if rng.random() < 0.5 else (height, width)


def vary_file(rng: Random, file: TokFile) -> TokFile:
    """The file with one or two fields changed."""
    fields = asdict(file)
    other = asdict(random_file(rng))
    for name in rng.sample(sorted(fields), rng.choice((1, 2))):
        fields[name] = other[name]
    if rng.random() < 0.5:
        name = rng.choice(("width", "height", "payload", "tokens"))
        fields[name] = int(fields[name] * rng.choice((0.5, 0.9, 1.1, 2))) + rng.choice((-1, 0, 1))
    fields["tokens"] = min(MAX_TOKENS, max(1, fields["tokens"]))
    fields["payload"] = min(LARGEST_PAYLOAD, max(0, fields["payload"]))
    for name in ("width", "height"):
        fields[name] = min(MAX_SIDE, max(1, fields[name]))
    if fields["width"] * fields["height"] > DEFAULT_MAX_PIXELS:
        return file
    return TokFile(**fields)


def vary_picture(rng: Random, picture: Picture, most_pixels: int) -> Picture:
    """The picture with its size, its kind or its options changed."""
    other = random_picture(rng, most_pixels)
    part = rng.choice(("size", "kind", "options", "format"))
    if part == "size":
        return replace(picture, width=other.width, height=other.height)
    if part == "kind":
        return replace(picture, kind=other.kind)
    if part == "format":
        return replace(picture, format=other.format)
    return replace(picture, options=other.options)
