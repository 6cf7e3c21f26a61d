"""`python -m bench.studies.seams DIR`: how visible the borders of tiles are on smooth pictures.

Photographs are blurred, so that a step between neighbouring pixels is an error. The mean step where tiles overlap is
compared with the mean step inside tiles, for both looks, several pitches and numbers of tokens.
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
from tokcodec.pictures.tiling import Grid

SMOOTH = 24  # radius in pixels of the blur that makes a photograph smooth
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
    print("mean step of neighbouring pixels (of 255)\nlook        pitch  tokens  overlap  inside")
    for (look, pitch, tokens), found in steps.items():
        seam, inside = np.mean(found, axis=0)
        print(f"{look:<10}  {pitch:>5}  {tokens:>6}  {seam:7.2f}  {inside:6.2f}")
    for look in LOOKS:
        seam, inside = np.mean([pair for key, found in steps.items() if key[0] == look for pair in found], axis=0)
        print(f"{look:<10}  mean           {seam:7.2f}  {inside:6.2f}")


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
