"""`python -m bench.studies.focus DIR`: measures the gain of `--focus` inside a region and its cost outside.

The region is the middle third of each side, a ninth of the picture. The figures are differences from the file without
focus with the same target size. PSNR is that of the fidelity look inside and outside the region. LPIPS (squeeze) is
that of the default look over the region and over the whole picture, if its weights are installed. `--examples FOLDER`
writes the pictures of docs/focus.md instead, from scikit-image's photographs.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import tokcodec
from bench import pictures
from bench.metrics import Meter, psnr
from bench.report.cells import markdown_lines
from bench.report.stats import bootstrap
from tokcodec.models.registry import find_model
from tokcodec.ratecontrol.lpips import LPIPS, WeightsMissingError

WEIGHTS = (2, 4, 8, 16)
Box = tuple[int, int, int, int]
EXAMPLES: dict[str, tuple[int, Box, int]] = {
    "face": (900, (190, 55, 85, 120), 16),
    "product": (700, (105, 45, 330, 300), 16),
    "plate": (900, (196, 238, 208, 44), 4),
}
"""Bytes, region and weight by name of the picture (`_example`)."""
ACROSS, ENLARGED, GAP = 300, 200, 6
"""Pixels in the document's pictures: width of each, largest height of an enlarged region, and gap."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option(
    "--bpp", "budgets", type=float, multiple=True, default=(0.02, 0.05), show_default=True, help="Repeatable."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N files.")
@click.option(
    "--examples", type=click.Path(file_okay=False, path_type=Path), help="Write the document's pictures here."
)
def main(folder: Path | None, budgets: tuple[float, ...], limit: int | None, examples: Path | None) -> None:
    """Compare files with and without focus on the pictures of FOLDER."""
    if examples is not None:
        examples.mkdir(parents=True, exist_ok=True)
        for name in EXAMPLES:
            _draw_example(name, examples / f"focus-{name}.jpg")
        return
    if folder is None:
        raise click.UsageError("Give a folder of pictures, or --examples.")
    try:
        net = LPIPS("squeeze")
    except WeightsMissingError as error:
        click.echo(f"LPIPS: no weights ({error})", err=True)
        net = None
    gains: dict[tuple[float, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    found = pictures.find(folder, (None,), limit)[0]
    for each in found:
        pixels = pictures.read(each.path)
        _compare(pixels, net, budgets, gains)
        click.echo(f"{each.name} done", err=True)
    model = find_model()
    print(
        f"{len(found)} pictures, tokcodec {tokcodec.__version__}, model {model.name} (hash {model.hash.hex()[:16]})\n"
    )
    measures = list(next(iter(gains.values())))
    rows = []
    for (bpp, weight), values in gains.items():
        cells = []
        for each_value in values.values():
            estimate = bootstrap(each_value)
            assert estimate is not None
            cells.append(f"{estimate.mean:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]")
        rows.append([f"{bpp:g}", weight, *cells])
    print("\n".join(markdown_lines(["bpp", "weight", *measures], rows)))


def _compare(
    pixels: NDArray[np.uint8],
    net: LPIPS | None,
    budgets: tuple[float, ...],
    gains: dict[tuple[float, int], dict[str, list[float]]],
) -> None:
    height, width = pixels.shape[:2]
    box = (width // 3, height // 3, width // 3, height // 3)
    for bpp in budgets:
        size = int(bpp * width * height / 8)
        plain = _measure(pixels, box, net, size, [])
        for weight in WEIGHTS:
            for name, value in _measure(pixels, box, net, size, [(*box, weight)]).items():
                gains[bpp, weight][name].append(value - plain[name])


def _measure(
    pixels: NDArray[np.uint8], box: Box, net: LPIPS | None, size: int, focus: list[tuple[int, ...]]
) -> dict[str, float]:
    picture = Image.fromarray(pixels)
    data = tokcodec.encode(picture, target_size=size, focus=focus, tune="fidelity", warn=lambda text: None)
    inside = np.zeros(pixels.shape[:2], bool)
    place = slice(box[1], box[1] + box[3]), slice(box[0], box[0] + box[2])
    inside[place] = True
    fidelity = np.asarray(tokcodec.decode(data, look="fidelity"))
    parts = {"inside": inside, "outside": ~inside, "whole": np.ones_like(inside)}
    found = {f"{name}, dB": psnr(fidelity[part], pixels[part]) for name, part in parts.items()}
    if net is not None:
        shown = np.asarray(tokcodec.decode(data))
        for name, where in (("inside", place), ("whole", (slice(None), slice(None)))):
            measured = Meter(np.ascontiguousarray(pixels[where]), net).measure(np.ascontiguousarray(shown[where]))
            found[f"{name}, LPIPS"] = float(measured["lpips_squeeze"])
    return found | {"bytes": float(len(data))}


# ---- the document's pictures


def _draw_example(name: str, path: Path) -> None:
    """Draw the original and the files without and with focus, each above its region, and print their figures."""
    size, box, weight = EXAMPLES[name]
    original = _example(name)
    focuses: tuple[list[tuple[int, ...]], ...] = [], [(*box, weight)]
    files = [tokcodec.encode(original, target_size=size, focus=focus, tune="fidelity") for focus in focuses]
    x, y, w, h = box
    corners = (x, y, x + w, y + h)
    shown = [original, *(tokcodec.decode(data) for data in files)]
    high, low = (round(ACROSS * tall / wide) for wide, tall in ((original.width, original.height), (w, h)))
    low = min(low, ENLARGED)
    sheet = Image.new("RGB", (3 * ACROSS + 2 * GAP, high + GAP + low), "white")
    for place, picture in enumerate(shown):
        left = place * (ACROSS + GAP)
        close = picture.crop(corners).resize((round(low * w / h), low), Image.Resampling.LANCZOS)
        if place == 0:
            picture = picture.copy()
            ImageDraw.Draw(picture).rectangle(corners, outline="yellow", width=3)
        sheet.paste(picture.resize((ACROSS, high), Image.Resampling.LANCZOS), (left, 0))
        sheet.paste(close, (left + (ACROSS - close.width) // 2, high + GAP))
    sheet.save(path, quality=72, optimize=True)
    sizes, inside = [len(data) for data in files], [_inside(original, data, box) for data in files]
    print(
        f"{path}: --target-size {size} --focus {','.join(map(str, box))}:{weight}, {original.width}x{original.height}"
    )
    print(f"  {sizes[0]} and {sizes[1]} bytes, inside {inside[0]:.2f} and {inside[1]:.2f} dB (fidelity look)")


def _inside(original: Image.Image, data: bytes, box: Box) -> float:
    x, y, w, h = box
    pictures_inside = (
        np.asarray(picture.crop((x, y, x + w, y + h))) for picture in (original, tokcodec.decode(data, look="fidelity"))
    )
    return psnr(*pictures_inside)


def _example(name: str) -> Image.Image:
    """An astronaut, a cup of coffee, or a drawn number plate on a photograph of a rocket."""
    import skimage.data

    photographs: dict[str, Any] = {"face": skimage.data.astronaut, "product": skimage.data.coffee}
    if name in photographs:
        return Image.fromarray(photographs[name]())
    from PIL import ImageFont

    picture = Image.fromarray(skimage.data.rocket())
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((200, 242, 400, 278), 5, fill="white", outline="black", width=2)
    draw.text((300, 260), "TOK 1024", fill="black", font=ImageFont.load_default(34), anchor="mm")
    return picture


if __name__ == "__main__":
    main()
