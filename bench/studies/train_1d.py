"""`python -m bench.studies.train_1d DIR --model MODEL`: a trained 1D tokenizer by tokens, against the default model.

The pictures of DIR are cropped to one tile of the model. Each file is compared with one of the default model that has
no more bytes, or with its smallest one. The exit status is 1 if twice the tokens do not help.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

import tokcodec
from bench import pictures
from bench.metrics import Pixels, psnr
from bench.report.cells import markdown_lines
from bench.report.plots import STYLE
from tokcodec.models.registry import find_model
from tokcodec.ratecontrol.targets import smallest_file


@dataclass(frozen=True)
class Row:
    """Means over the pictures at one number of tokens."""

    tokens: int
    size: float
    """Bytes of the files of the trained model."""
    psnr: float
    """dB, of the trained model."""
    lpips: float
    """LPIPS-squeeze, of the trained model."""
    other_size: float
    """The same of the default model."""
    other_psnr: float
    """By its look with the least error."""
    other_lpips: float
    """By its look that looks best."""
    gained: float
    """Share of the pictures with a higher PSNR than at half of the tokens; 1 for the first row."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", required=True, help="Name or folder of the trained model.")
@click.option("--lpips-weights", type=click.Path(exists=True, path_type=Path), help="Default: as in the bench.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N pictures.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Markdown file. Default: the terminal.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="SVG file of the curves. Default: none.")
def main(
    folder: Path, model: str, lpips_weights: Path | None, limit: int | None, out: Path | None, plot: Path | None
) -> None:
    """Compare MODEL with the default model on the pictures of FOLDER."""
    side = find_model(model).tile
    found = [pictures.read(each.path, side) for each in pictures.find(folder, (side,), limit)[0]]
    rows = compare(found, model, lpips_weights)
    page = report(rows, model, len(found), side)
    if out is None:
        print("\n".join(page))
    else:
        out.write_text("\n".join(page) + "\n", encoding="utf-8")
    if plot is not None:
        draw(rows, plot)
    if any(after.psnr <= before.psnr for before, after in pairwise(rows)):
        sys.exit("a doubling of the tokens does not raise the PSNR")


def compare(found: list[Pixels], model: str, lpips_weights: Path | None) -> list[Row]:
    """The rows of the table.

    Args:
        found: pictures of the size of a tile.
        model: name or folder of the trained model.
        lpips_weights: file with the weights of LPIPS. None: see `lpips.load_weights`.
    """
    import torch

    from tokcodec.ratecontrol.lpips import LPIPS

    judge = LPIPS("squeeze", lpips_weights)

    def distance(a: Pixels, b: Pixels) -> float:
        pair = (torch.from_numpy(x.copy()).permute(2, 0, 1)[None].float() / 255 for x in (a, b))
        with torch.inference_mode():
            return float(judge(*pair))

    facts, least = find_model(model), smallest_file(find_model(None))
    powers = [1 << power for power in range(facts.n_tokens.bit_length()) if 1 << power < facts.n_tokens]
    counts = [*powers, facts.n_tokens] if facts.ordered else [facts.n_tokens]
    table: dict[int, list[list[float]]] = {count: [] for count in counts}
    for pixels in found:
        image = Image.fromarray(pixels)
        full = tokcodec.encode(image, pitch="fit", tokens=facts.n_tokens, model=model)
        for count in counts:
            data = tokcodec.truncate(full, tokens=count, model=model) if count < facts.n_tokens else full
            drawn = np.asarray(tokcodec.decode(data, model=model))
            other = tokcodec.encode(image, pitch="fit", target_size=max(len(data), least))
            looks = {look: np.asarray(tokcodec.decode(other, look=look)) for look in ("fidelity", "perceptual")}
            table[count].append(
                [
                    len(data), psnr(drawn, pixels), distance(drawn, pixels),
                    len(other), psnr(looks["fidelity"], pixels), distance(looks["perceptual"], pixels),
                ]
            )  # fmt: skip
    rows, before = [], None
    for count, figures in table.items():
        values = np.array(figures)
        gained = 1.0 if before is None else float(np.mean(values[:, 1] > before))
        size, own, own_lpips, other_size, best, best_lpips = map(float, values.mean(0))
        rows.append(Row(count, size, own, own_lpips, other_size, best, best_lpips, gained))
        before = values[:, 1]
    return rows


def report(rows: list[Row], model: str, number: int, side: int) -> list[str]:
    """The page, as lines of Markdown.

    Args:
        rows: the rows of the table.
        model: name or folder of the trained model.
        number: number of pictures.
        side: their sides in pixels.
    """
    facts, other = find_model(model), find_model(None)
    step = [after.psnr - before.psnr for before, after in pairwise(rows)]
    cells = [
        [
            row.tokens, f"{row.size:.1f}", f"{row.psnr:.2f}", gain, f"{row.gained:.0%}", f"{row.lpips:.3f}",
            f"{row.other_size:.1f}", f"{row.other_psnr:.2f}", f"{row.other_lpips:.3f}",
        ]
        for row, gain in zip(rows, ["", *(f"{value:+.2f}" for value in step)], strict=True)
    ]  # fmt: skip
    header = ["tokens", "bytes", "PSNR", "over half", "pictures", "LPIPS", "bytes", "PSNR", "LPIPS"]
    helps = "Every doubling of the tokens raises the mean PSNR." if all(value > 0 for value in step) else (
        "Not every doubling of the tokens raises the mean PSNR."
    )
    return [
        "# A trained 1D tokenizer by tokens",
        "",
        f"{number} pictures, cropped to the centre and resized to {side}x{side}, one tile each.",
        f"Versions: model {facts.name} (hash {facts.hash.hex()[:16]}), model {other.name} "
        f"(hash {other.hash.hex()[:16]}), tokcodec {tokcodec.__version__}.",
        "Bytes are those of whole files, headers included.",
        f"The first columns are of {facts.name}.",
        f"The last three are of {other.name} with at most the same bytes, or its smallest file: PSNR of its fidelity "
        "look, LPIPS of its perceptual look.",
        "\"Over half\" is the gain in dB over half of the tokens, and the next column the share of pictures that gain.",
        "LPIPS is LPIPS-squeeze, less is better.",
        helps,
        "`python -m bench.studies.train_1d PICTURES --model MODEL`:",
        "",
        *markdown_lines(header, cells),
    ]  # fmt: skip


def draw(rows: list[Row], path: Path) -> None:
    """Draw PSNR and LPIPS over the bytes of both models as SVG.

    Args:
        rows: the rows of the table.
        path: the file.
    """
    sizes = [size for row in rows for size in (row.size, row.other_size)]
    ticks = [1 << power for power in range(16) if min(sizes) <= 1 << power <= max(sizes)]
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 3.5))
        for axes, name in zip(figure.subplots(1, 2), ("psnr", "lpips"), strict=True):
            axes.plot([row.size for row in rows], [getattr(row, name) for row in rows], ".-", label="1D tokenizer")
            other = [getattr(row, f"other_{name}") for row in rows]
            axes.plot([row.other_size for row in rows], other, ".-", label="default model")
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, labels=list(map(str, ticks)))
            axes.set(xlabel="bytes", ylabel={"psnr": "PSNR in dB", "lpips": "LPIPS-squeeze"}[name])
            axes.legend()
        figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
