"""`python -m bench.studies.effort PICTURES`: measures the gain and the time of `encode --effort`.

Prints means over real files of the pictures' 256x256 centre crops. Features are the distance of EfficientNet's
features (stages 2 to 5) from those of the original. lite0 and LPIPS were used to train the network of the tune, and
lite2 was not.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

import tokcodec
from bench.metrics import Pixels, psnr
from bench.pictures import find, read
from bench.recognition import STAGES, classifier_input
from tokcodec.ratecontrol.lpips import LPIPS
from tokcodec.training.features import Classifier, feature_distance

NAMES = "bytes", "seconds", "PSNR, fidelity", "PSNR, perceptual", "LPIPS, perceptual", "lite0", "lite2"


class Judge:
    """The measures, with their networks. Raises WeightsMissingError and MissingPackageError."""

    def __init__(self) -> None:
        self.lpips = LPIPS("squeeze")
        self.classifiers = [Classifier(f"efficientnet-lite{number}") for number in (0, 2)]

    @torch.no_grad()
    def measure(self, original: Pixels, tokens: int, tune: str, effort: int) -> list[float]:
        """The values of NAMES for one picture; effort 0 has no tune."""
        begun = time.perf_counter()
        chosen = {"effort": effort, "tune": tune} if effort else {}
        data = tokcodec.encode(original, tokens=tokens, pitch="fit", **chosen)  # type: ignore[arg-type]
        seconds = time.perf_counter() - begun
        fidelity, perceptual = (np.asarray(tokcodec.decode(data, look=look)) for look in ("fidelity", "perceptual"))
        x, y = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in (original, perceptual))
        seen = [classifier_input(pixels) for pixels in (original, perceptual)]
        features = []
        for net in self.classifiers:
            both = (net.stages(pixels, STAGES.stop)[STAGES] for pixels in seen)
            features.append(float(feature_distance(*both)))
        found = psnr(original, fidelity), psnr(original, perceptual), float(self.lpips(x, y))
        return [len(data), seconds, *found, *features]


def figure(pictures: list[Pixels], path: Path) -> None:
    """A sheet: each picture, and its perceptual look of 64 and 256 tokens without and with effort 6."""
    rows = []
    for picture in pictures:
        cells = [picture]
        for tokens in (64, 256):
            files = (tokcodec.encode(picture, tokens=tokens, pitch="fit", effort=effort) for effort in (0, 6))
            cells += [np.asarray(tokcodec.decode(data)) for data in files]
        rows.append(np.concatenate(cells, 1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=85)


@click.command()
@click.argument("pictures", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--efforts", default="0,3,6,9", show_default=True, help="With commas.")
@click.option("--tokens", default="64,256", show_default=True, help="With commas.")
@click.option("--tunes", default="perceptual,fidelity", show_default=True, help="With commas.")
@click.option("--limit", type=int, help="Use only the first N pictures.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write three pictures before and after here, and end.")
def main(pictures: Path, efforts: str, tokens: str, tunes: str, limit: int | None, sheet: Path | None) -> None:
    """Print a table of gain against time."""
    found, _ = find(pictures, [256], limit)
    crops = [read(picture.path, picture.crop) for picture in found]
    if sheet is not None:
        figure(crops[:3], sheet)
        return
    judge = Judge()
    judge.measure(crops[0], 1, tunes.split(",")[0], 1)  # imports and models
    click.echo(f"{len(crops)} pictures, tokcodec {tokcodec.__version__}, torch {torch.__version__}")
    click.echo("| tokens | tune | effort | " + " | ".join(NAMES) + " |")
    click.echo("|---" * (3 + len(NAMES)) + "|")
    for count in map(int, tokens.split(",")):
        for tune in tunes.split(","):
            for effort in map(int, efforts.split(",")):
                means = np.mean([judge.measure(crop, count, tune, effort) for crop in crops], 0)
                cells = [f"{means[0]:.1f}", *(f"{v:.2f}" for v in means[1:4]), *(f"{v:.3f}" for v in means[4:])]
                click.echo(f"| {count} | {tune} | {effort} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
