"""`python -m bench.studies.pitch DIR`: finds the best pitch for each budget from 0.01 to 1 bpp on whole pictures.

At every budget and pitch an adaptive file is decoded in the fidelity look. The automatic choice of the pitch is
compared with the best pitch of each picture.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click
import numpy as np
from PIL import Image

import tokcodec
from bench import pictures
from bench.metrics import PSNR_CAP
from bench.report.cells import markdown_lines
from tokcodec.models.registry import find_model
from tokcodec.ratecontrol import quality
from tokcodec.ratecontrol.plans import Plan, Planner, distinct_pitches
from tokcodec.ratecontrol.sizes import SizeSearch

BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FEW, MANY = 0.08, 3.0
"""A pitch is skipped if the budget pays for less than FEW of a tile's tokens, or MANY times all of them."""
SMALLEST_PITCH = 32
"""At 1 bpp its tiles have a third of their tokens. At smaller pitches they have too few to be best."""


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
    for each in pictures.find(folder, (None,), limit)[0]:
        picture = Image.fromarray(pictures.read(each.path))
        _curves(picture, table, smallest)
        click.echo(f"{each.name} done", err=True)
    rows = []
    for bpp, row in table.items():
        auto, best, used = (np.mean(row[name]) for name in ("auto", "best", "used"))
        won = sorted((int(name.split()[1]) for name in row if name.startswith("wins")), key=lambda pitch: -pitch)
        wins = ", ".join(f"{pitch}: {len(row[f'wins {pitch}'])}" for pitch in won)
        rows.append([f"{bpp:g}", f"{auto:.2f}", f"{best:.2f}", f"{best - auto:.2f}", f"{used:.1%}", wins])
    header = ["bpp", "PSNR dB", "best pitch", "loss", "bytes used", "pictures for which each pitch is best (0: fit)"]
    print("\n".join(markdown_lines(header, rows)))


def _curves(picture: Image.Image, table: dict[float, dict[str, list[float]]], smallest: int) -> None:
    """Add the figures of one picture to the table."""
    model, tokenizer = find_model(None), tokcodec.load_tokenizer(None, "cpu")
    planner = Planner(picture, model, tokenizer)
    sizes = SizeSearch(planner, warn=lambda text: None)
    pixels = picture.width * picture.height

    def psnr(plan: Plan) -> float:
        return min(PSNR_CAP, quality.psnr(picture, planner.draw(plan, "fidelity")))

    usable = [pitch for pitch in distinct_pitches(*picture.size) if pitch == 0 or pitch >= smallest]
    for bpp, row in table.items():
        budget = int(bpp * pixels / 8)
        found: dict[int, float] = {}
        for pitch in usable:
            plan = sizes.fit(pitch, budget)
            if plan is not None and plan.share > FEW and 8 * budget < MANY * plan.curves.bits[:, -1].sum():
                found[pitch] = psnr(plan)
        data = sizes.for_size(budget)
        best = max(found, key=lambda pitch: found[pitch])
        row["best"].append(found[best])
        row[f"wins {best}"].append(1)
        row["auto"].append(quality.psnr(picture, tokcodec.decode(data, look="fidelity")))
        row["used"].append(len(data) / budget)


if __name__ == "__main__":
    main()
