"""`python -m bench.studies.pitch DIR`: where each pitch wins on whole pictures from 0.01 to 1 bpp.

For every budget and pitch: the adaptive file at that pitch, decoded in the fidelity look. The automatic choice is
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
from tokcodec.models.registry import find_model
from tokcodec.ratecontrol import quality
from tokcodec.ratecontrol.plans import Plan, Planner, distinct_pitches
from tokcodec.ratecontrol.sizes import SizeSearch

BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FEW, MANY = 0.08, 3.0  # parts of a tile's tokens that a budget would pay for, beyond which a pitch is not decoded
SMALLEST_PITCH = 32  # at 1 bpp its tiles have a third of their tokens: smaller ones would have too few to win


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
    print("bpp     PSNR dB  best pitch  loss  bytes used  pictures won by each pitch (0: fit)")
    for bpp, row in table.items():
        auto, best, used = (np.mean(row[name]) for name in ("auto", "best", "used"))
        won = sorted((int(name.split()[1]) for name in row if name.startswith("wins")), key=lambda pitch: -pitch)
        wins = ", ".join(f"{pitch}: {len(row[f'wins {pitch}'])}" for pitch in won)
        print(f"{bpp:<6g} {auto:8.2f} {best:11.2f} {best - auto:5.2f} {used:11.1%}  {wins}")


def _curves(picture: Image.Image, table: dict[float, dict[str, list[float]]], smallest: int) -> None:
    """Fill in one picture's figures."""
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
