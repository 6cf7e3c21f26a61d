"""`python -m bench.report.figure OUT.jpg`: draws the picture of the README, with `--looks` that of the model card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

import tokcodec
from bench.codecs.classical import classical_codecs
from bench.codecs.downscale import Downscaled
from bench.codecs.interface import Scene
from bench.metrics import Meter, psnr
from tokcodec.pictures.tiling import centre_square

COUNTS, CARD_COUNTS = (4, 16, 64, 256), (16, 64, 256)
SIDE, GAP, CAPTION = 256, 6, 24
PHOTOGRAPHS = {
    "astronaut": ("astronaut", None),
    "suit": ("astronaut", (20, 120, 340, 440)),
    "coffee": ("coffee", None),
    "chelsea": ("chelsea", None),
}
"""Photograph of scikit-image and a part of it: left, top, right and bottom. None: the centre square.

They are in the public domain (NASA) or CC0. The suit is a saturated colour.
"""
CARD_PHOTOGRAPHS = ("suit", "coffee", "chelsea")

Cell = tuple[Image.Image, str]


def square(name: str) -> Image.Image:
    """A key of PHOTOGRAPHS, 256 x 256 pixels."""
    source, part = PHOTOGRAPHS[name]
    picture = Image.fromarray(getattr(skimage.data, source)())
    return centre_square(picture if part is None else picture.crop(part), SIDE)


def caption(what: str, original: Image.Image, size: int, decoded: Image.Image) -> str:
    """Text below a picture.

    Args:
        what: Name of the codec or setting.
        original: The picture before coding, RGB.
        size: Bytes of the file.
        decoded: The picture of the file, RGB, as large as the original.
    """
    return f"{what}, {size} bytes, {psnr(np.asarray(decoded), np.asarray(original)):.1f} dB"


def tokens(original: Image.Image, count: int, look: str, what: str) -> Cell:
    """The picture decoded from a file of tokens, with its caption.

    Args:
        original: The picture to encode, RGB.
        count: Tokens of each tile.
        look: Look to decode with.
        what: Name of the setting in the caption.
    """
    data = tokcodec.encode(original, tokens=count)
    shown = tokcodec.decode(data, look=look)
    return shown, caption(what, original, len(data), shown)


def webp(original: Image.Image, most: int) -> Cell:
    """The picture as WebP of at most `most` bytes, reduced and enlarged, at the scale and quality of best PSNR."""
    codec = Downscaled(next(codec for codec in classical_codecs() if codec.label == "webp"))
    pixels = np.asarray(original)
    points = codec.points(Scene(pixels, (most,), Meter(pixels)))
    point = next((point for point in points if most in point.best.get("psnr", ())), None)
    if point is None or point.decoded is None or point.size is None:
        return Image.new("RGB", original.size, "lightgrey"), f"WebP: nothing in {most} bytes"
    shown = Image.fromarray(point.decoded)
    return shown, caption("WebP, small", original, point.size, shown)


def readme_rows() -> Iterator[list[Cell]]:
    """A row for each photograph: the original, then decoded from a rising number of tokens."""
    for name in PHOTOGRAPHS:
        original = square(name)
        row = [(original, f"{SIDE}x{SIDE}, {3 * SIDE * SIDE} bytes raw")]
        yield row + [tokens(original, count, "perceptual", f"{count} tokens") for count in COUNTS]


def card_rows() -> Iterator[list[Cell]]:
    """Three rows for each photograph: both looks, and WebP of the same size."""
    for name in CARD_PHOTOGRAPHS:
        original = square(name)
        for look in ("perceptual", "fidelity"):
            row = [(original, "original")]
            yield row + [tokens(original, count, look, f"{count}, {look}") for count in CARD_COUNTS]
        sizes = [len(tokcodec.encode(original, tokens=count)) for count in CARD_COUNTS]
        yield [(original, "original"), *(webp(original, size) for size in sizes)]


def sheet(rows: list[list[Cell]]) -> Image.Image:
    """Draw the cells on white with captions below. All of them are as large as the first."""
    columns = max(len(row) for row in rows)
    width, height = rows[0][0][0].size
    out = Image.new("RGB", ((width + GAP) * columns - GAP, (height + CAPTION + GAP) * len(rows) - GAP), "white")
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(15)
    for down, row in enumerate(rows):
        for across, (picture, text) in enumerate(row):
            left, top = across * (width + GAP), down * (height + CAPTION + GAP)
            out.paste(picture, (left, top))
            pen.text((left + 2, top + height + 3), text, "black", font)
    return out


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--looks", is_flag=True, help="For the model card: both looks, beside WebP at equal bytes.")
def main(out: Path, looks: bool) -> None:
    """Draw scikit-image's photographs, original and decoded."""
    drawn = sheet(list(card_rows() if looks else readme_rows()))
    drawn.save(out, quality=88, optimize=True)
    click.echo(f"{out}: {drawn.width}x{drawn.height}, {out.stat().st_size} bytes", err=True)


if __name__ == "__main__":
    main()
