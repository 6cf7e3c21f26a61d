"""`python -m bench.studies.seams DIR`: measures how visible the borders of tiles are on smooth pictures.

Photographs are blurred first, so that a step between neighbouring pixels is an error. The mean step where tiles overlap
is compared with the mean step inside tiles, for both looks and several pitches and token counts.
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
from bench.report.cells import markdown_lines
from tokcodec.pictures.tiling import Grid

SMOOTH = 24
"""Radius of the blur in pixels."""
PITCHES, TOKENS, LOOKS = (64, 128, 256), (4, 32), ("perceptual", "fidelity")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Only the first N files.")
def main(folder: Path, limit: int | None) -> None:
    """Measure the steps across borders of tiles on the blurred pictures of FOLDER."""
    import torch

    torch.set_num_threads(1)
    steps: dict[tuple[str, int, int], list[tuple[float, float]]] = defaultdict(list)
    for each in pictures.find(folder, (None,), limit)[0]:
        smooth = Image.fromarray(pictures.read(each.path)).filter(ImageFilter.GaussianBlur(SMOOTH))
        for pitch in PITCHES:
            grid = Grid.for_picture(*smooth.size, pitch)
            for tokens in TOKENS:
                data = tokcodec.encode(smooth, tokens=tokens, pitch=pitch)
                for look in LOOKS:
                    decoded = np.asarray(tokcodec.decode(data, look=look), np.float64)
                    steps[look, pitch, tokens].append(steps_at_seams(decoded, grid))
        click.echo(f"{each.name} done", err=True)
    rows = [(*key, *np.mean(found, axis=0)) for key, found in steps.items()]
    for look in LOOKS:
        found = [pair for key, pairs in steps.items() if key[0] == look for pair in pairs]
        rows.append((look, "all", "all", *np.mean(found, axis=0)))
    print("Mean step between neighbouring pixels, in levels of 0..255\n")
    cells = [[*key, f"{seam:.2f}", f"{inside:.2f}"] for *key, seam, inside in rows]
    print("\n".join(markdown_lines(["look", "pitch", "tokens", "overlap", "inside"], cells)))


def steps_at_seams(pixels: NDArray[np.float64], grid: Grid) -> tuple[float, float]:
    """Mean absolute steps between neighbouring pixels where two tiles overlap, and everywhere else."""
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
