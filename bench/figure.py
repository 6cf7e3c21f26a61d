"""The README's picture: photographs at a few token counts with their bytes. `python -m bench.figure OUT.jpg`."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

import tokcodec

COUNTS = (4, 16, 64, 256)
SIDE, GAP, CAPTION = 256, 6, 24
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")
"""From scikit-image: public domain (NASA) and CC0."""


def square(name: str) -> Image.Image:
    """The centre of a photograph, 256 x 256."""
    picture = Image.fromarray(getattr(skimage.data, name)())
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
def main(out: Path) -> None:
    """Draw the original and its decoded versions, a row for each photograph."""
    width = (SIDE + GAP) * (len(COUNTS) + 1) - GAP
    height = (SIDE + CAPTION + GAP) * len(PHOTOGRAPHS) - GAP
    sheet = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, name in enumerate(PHOTOGRAPHS):
        original = square(name)
        top = row * (SIDE + CAPTION + GAP)
        data = tokcodec.encode(original, tokens=max(COUNTS))
        for column, count in enumerate((None, *COUNTS)):
            left = column * (SIDE + GAP)
            if count is None:
                shown, caption = original, f"{SIDE}x{SIDE}, {3 * SIDE * SIDE} bytes raw"
            else:
                cut = tokcodec.truncate(data, tokens=count)
                shown = tokcodec.decode(cut)
                error = np.mean((np.asarray(shown, float) - np.asarray(original, float)) ** 2)
                caption = f"{count} tokens, {len(cut)} bytes, {10 * np.log10(255**2 / error):.1f} dB"
            sheet.paste(shown, (left, top))
            pen.text((left + 2, top + SIDE + 3), caption, "black", font)
    sheet.save(out, quality=88, optimize=True)
    click.echo(f"{out}: {sheet.width}x{sheet.height}, {out.stat().st_size} bytes", err=True)


if __name__ == "__main__":
    main()
