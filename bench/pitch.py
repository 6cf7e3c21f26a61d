"""`python -m bench.pitch DIR`: where each pitch wins on whole pictures from 0.01 to 1 bpp, and how visible seams are.

For every budget and pitch: the adaptive file at that pitch, decoded in the fidelity look. The automatic choice is
compared with the best pitch of each picture. Seams: on smooth pictures, the mean step between neighbouring pixels where
tiles overlap, against the mean step inside tiles.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import tokcodec
from bench import pictures
from bench.metrics import PSNR_CAP
from tokcodec import quality
from tokcodec.models import find_model
from tokcodec.plans import Planned, distinct_steps
from tokcodec.ratecontrol import RateControl
from tokcodec.tiling import Grid

BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SMALLEST_PITCH = 16
SMOOTH = 24  # radius in pixels of the blur that makes a photograph smooth
SEAM_PITCHES, SEAM_TOKENS = (64, 128, 256), (4, 32)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Only the first N files.")
@click.option("--bpp", "budgets", type=float, multiple=True, default=BUDGETS, show_default=True, help="Repeatable.")
@click.option("--smallest", type=int, default=SMALLEST_PITCH, show_default=True, help="Smallest pitch to try.")
def main(folder: Path, limit: int | None, budgets: tuple[float, ...], smallest: int) -> None:
    """Find the best pitch for each budget on the pictures of FOLDER."""
    import torch

    torch.set_num_threads(1)
    table: dict[float, dict[str, list[float]]] = {bpp: defaultdict(list) for bpp in budgets}
    steps: dict[str, list[float]] = {"at seams": [], "inside": []}
    for each in pictures.find(folder, (None,), limit)[0]:
        picture = Image.fromarray(pictures.read(each.path))
        _curves(picture, table, smallest)
        for seam, inside in _seams(picture):
            steps["at seams"].append(seam)
            steps["inside"].append(inside)
        click.echo(f"{each.name} done", err=True)
    names = list(dict.fromkeys(name for row in table.values() for name in row if name.isdigit()))
    print(
        "PSNR dB by budget (bpp) and pitch (0: fit); wins; automatic choice, its loss, and the share of bytes it uses"
    )
    print("bpp   " + "".join(f"{name:>8}" for name in names) + "    auto   loss   used")
    for bpp, row in table.items():
        cells = "".join(f"{np.mean(row[name]):8.2f}" if name in row else "       -" for name in names)
        wins = ", ".join(f"{name}: {int(sum(row[f'wins {name}']))}" for name in names if sum(row[f"wins {name}"]))
        auto, best = np.mean(row["auto"]), np.mean(row["best"])
        print(f"{bpp:<6g}{cells} {auto:7.2f} {best - auto:6.2f} {np.mean(row['used']):6.1%}   wins {wins}")
    seam, inside = (float(np.mean(values)) for values in steps.values())
    print(f"seams of smooth pictures: mean step {seam:.3f} where tiles overlap, {inside:.3f} inside (of 255)")


def _curves(picture: Image.Image, table: dict[float, dict[str, list[float]]], smallest: int) -> None:
    """Fill in one picture's figures."""
    model, tokenizer = find_model(None), tokcodec.load_tokenizer(None, "cpu")
    control = RateControl(picture, model, tokenizer, warn=lambda text: None)
    pixels = picture.width * picture.height

    def psnr(planned: Planned) -> float:
        return min(PSNR_CAP, quality.psnr(picture, control.draw(planned, "fidelity")))

    usable = [step for step in distinct_steps(*picture.size) if step == 0 or step >= smallest]
    for bpp, row in table.items():
        budget = int(bpp * pixels / 8)
        found: dict[int, float] = {}
        for step in usable:
            planned = control.fit(step, budget)
            # Far too many or too few tokens for a tile are not worth a decoding.
            if planned is not None and (planned.share > 0.02) and 8 * budget < 30 * planned.curves.bits[:, -1].sum():
                found[step] = psnr(planned)
                row[str(step)].append(found[step])
        data = control.for_size(budget)
        best = max(found, key=lambda step: found[step])
        row["best"].append(found[best])
        row[f"wins {best}"].append(1)
        row["auto"].append(quality.psnr(picture, tokcodec.decode(data, look="fidelity")))
        row["used"].append(len(data) / budget)


def _seams(picture: Image.Image) -> list[tuple[float, float]]:
    """Mean steps (at seams, inside) of a blurred picture, decoded at several pitches and counts."""
    smooth = picture.filter(ImageFilter.GaussianBlur(SMOOTH))
    found = []
    for pitch in SEAM_PITCHES:
        for tokens in SEAM_TOKENS:
            data = tokcodec.encode(smooth, tokens=tokens, pitch=pitch, adaptive=True)
            decoded = np.asarray(tokcodec.decode(data), np.float64)
            found.append(steps_at_seams(decoded, Grid.for_picture(*picture.size, pitch)))
    return found


def steps_at_seams(pixels: NDArray[np.float64], grid: Grid) -> tuple[float, float]:
    """Mean absolute step between neighbouring pixels in 0..255: where two tiles overlap, and everywhere else."""
    sums = np.zeros((2, 2))
    for axis, count in ((1, grid.columns), (0, grid.rows)):
        step = np.abs(np.diff(pixels, axis=axis)).mean(axis=(1 - axis, 2))
        edges = [grid.rect(i if axis else i * grid.columns) for i in range(count)]
        start, end = (0, 2) if axis else (1, 3)
        seam = np.zeros(len(step), bool)
        for before, after in pairwise(edges):
            seam[int(after[start]) : int(np.ceil(before[end]))] = True
        for row, chosen in enumerate((seam, ~seam)):
            sums[row] += step[chosen].sum(), chosen.sum()
    seam_mean, inside = sums[:, 0] / np.maximum(sums[:, 1], 1)
    return float(seam_mean), float(inside)


if __name__ == "__main__":
    main()
