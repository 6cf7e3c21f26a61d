"""`python -m bench.lpips_fit DIR`: the constants of `tokcodec.estimate`, fitted to the default model on photographs."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

import tokcodec
from bench import pictures
from tokcodec import codec, quality
from tokcodec.curves import find_curves
from tokcodec.models import find_model

PITCHES = (256, 128, 64)
COUNTS = (12, 48, 160)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(2), default=20, show_default=True, help="Only the first N files.")
def main(folder: Path, limit: int) -> None:
    """Fit LPIPS of the default look to PSNR and tokens per pixel on the pictures of FOLDER."""
    import torch

    torch.set_num_threads(1)
    model, tokenizer = find_model(None), tokcodec.load_tokenizer(None, "cpu")
    rows = []
    for each in pictures.find(folder, (None,), limit)[0]:
        picture = Image.fromarray(pictures.read(each.path))
        distance = quality.Distance(picture, tokenizer.device)
        for pitch in PITCHES:
            curves = find_curves(picture, pitch, model, tokenizer)
            for count in COUNTS:
                decoded = codec.draw(tokenizer, curves.grid, curves.tokens, np.full(curves.tiles, count))
                error = float(curves.errors[:, count].sum()) + curves.floor
                density = count * curves.tiles / (picture.width * picture.height)
                rows.append((1.0, quality.to_psnr(error), np.log2(density), distance(decoded)))
    table = np.array(rows)
    for columns in ([0, 1, 2], [0, 1]):
        found = np.linalg.lstsq(table[:, columns], table[:, 3], rcond=None)[0]
        rmse = np.sqrt(np.mean((table[:, columns] @ found - table[:, 3]) ** 2))
        print(f"{', '.join(f'{value:.4f}' for value in found)}: root mean square error {rmse:.3f}")


if __name__ == "__main__":
    main()
