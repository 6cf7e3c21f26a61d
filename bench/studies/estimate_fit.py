"""`python -m bench.studies.estimate_fit DIR`: fits the constants of `tokcodec.ratecontrol.estimate` on photographs.

Uses the default model. DIR must not hold photographs for which figures are published. The last lines give the error of
the present constants on the same photographs.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import tokcodec
from bench import pictures
from tokcodec.models.registry import find_model
from tokcodec.ratecontrol import estimate, quality
from tokcodec.ratecontrol.curves import find_curves
from tokcodec.tokenizers.tiles import draw

PITCHES = (256, 128, 64)
COUNTS = (12, 48, 160)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(2), default=20, show_default=True, help="Only the first N files.")
def main(folder: Path, limit: int) -> None:
    """Fit LPIPS of the default look and the gain of the fidelity network on the pictures of FOLDER."""
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
                counts = np.full(curves.tiles, count)
                default, fidelity = (
                    draw(tokenizer, curves.grid, curves.tokens, counts, look, scale=curves.scale)
                    for look in (None, "fidelity")
                )
                first, error = (float(curves.errors[:, k].sum()) + curves.floor for k in (1, count))
                predicted = quality.to_psnr(error)
                rows.append(
                    (
                        1.0,
                        predicted,
                        np.log2(count * curves.tiles / (picture.width * picture.height)),
                        np.log(first / error),
                        np.log(count / model.n_tokens),
                        distance(default),
                        quality.psnr(picture, fidelity) - predicted,
                    )
                )
    table = np.array(rows)
    lpips = [estimate.estimated_lpips(row[1], 2 ** row[2]) for row in table]
    gain = [estimate.network_gain(row[3], np.exp(row[4])) for row in table]
    _fit("CONSTANT, PER_DB, PER_OCTAVE", table[:, [0, 1, 2]], table[:, 5])
    _fit("LINE", table[:, [0, 1]], table[:, 5])
    _fit("GAIN, PER_FALL, PER_SHARE", table[:, [0, 3, 4]], table[:, 6])
    for name, values, column in (("LPIPS", lpips, 5), ("gain in dB", gain, 6)):
        print(f"{name}, present constants: RMSE {np.sqrt(np.mean((values - table[:, column]) ** 2)):.3f}")


def _fit(names: str, columns: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    found = np.linalg.lstsq(columns, values, rcond=None)[0]
    rmse = np.sqrt(np.mean((columns @ found - values) ** 2))
    print(f"{names} = {', '.join(f'{value:.4f}' for value in found)}: RMSE {rmse:.3f}")


if __name__ == "__main__":
    main()
