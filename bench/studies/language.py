"""`python -m bench.studies.language DIR...`: writes a page with statistics and plots of the tokens of data sets.

Each data set was written by `tokcodec dataset encode --tokens 256` from the same pictures at another pitch.
`tokcodec.datasets.statistics` describes the estimates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import tokcodec
from bench.report.plots import STYLE
from tokcodec.datasets.reading import describe
from tokcodec.datasets.statistics import Language, language, table

PLOT = "plots/language.svg"

INTRODUCTION = """# The language of the tokens

Statistics after "Analyzing the Language of Visual Tokens" (arXiv 2411.05001), for {model} (hash {hash}).
They are those of {samples} photographs, with tokcodec {version}.
Figures are bits per token.
Every rank has its own codewords and is counted separately.
Entropies have Miller and Madow's correction.
The information in a context is the mutual information by digit, less that with the context of another picture.
Made by

    tokcodec dataset encode PHOTOGRAPHS --output DIR --tokens 256 --pitch PITCH
    python -m bench.studies.language DIR...

![Entropy by rank, frequency against rank, and unused codes](plots/language.svg)
"""


@click.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("results"), show_default=True)
@click.option("--limit", type=click.IntRange(1), default=200_000, show_default=True, help="Tiles of each data set.")
def main(folders: tuple[Path, ...], out: Path, limit: int) -> None:
    """Write language.md and its plots."""
    found: dict[str, Language] = {}
    facts: dict[str, Any] = {}
    for folder in folders:
        facts = describe(str(folder))
        found[f"pitch {facts['options'].get('pitch')}"] = language(str(folder), limit)
    good = facts["samples"] - sum(facts["errors"].values())
    head = INTRODUCTION.format(
        model=facts["model"], hash=facts["hash"][:16], samples=f"{good:,}", version=tokcodec.__version__
    )
    parts = [head, *(f"## {name.capitalize()}\n\n{table(one)}\n" for name, one in found.items())]
    (out / PLOT).parent.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(out / PLOT, metadata={"Date": None})
    (out / "language.md").write_text("\n".join(parts), encoding="utf-8")
    click.echo("\n".join(parts[1:]))


def draw(found: dict[str, Language]) -> Figure:
    """Draw three plots side by side, with a colour for each data set."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 3.8))
        by_rank, zipf, unused = figure.subplots(1, 3)
        for number, (name, one) in enumerate(found.items()):
            colour = f"C{number}"
            ranks = np.arange(1, len(one.entropy) + 1)
            entropy = np.array(one.entropy)
            by_rank.plot(ranks, entropy, color=colour, label=f"{name}: entropy")
            by_rank.plot(ranks, entropy - one.before, ":", color=colour, label="given the token before")
            if one.pairs:
                by_rank.plot(ranks, entropy - one.neighbour, "--", color=colour, label="given the tile to the left")
            zipf.plot(np.arange(1, one.vocabulary + 1), one.frequencies, color=colour, label=f"{name}: {one.zipf:.2f}")
            unused.plot(ranks, 100 * np.array(one.unused), color=colour, label=name)
            unused.plot(ranks, 100 * np.array(one.expected_unused), ":", color=colour, label="by chance, if uniform")
        by_rank.set(xscale="log", xlabel="rank of the token", ylabel="bits a token")
        zipf.set(xscale="log", yscale="log", xlabel="rank of the code by frequency", ylabel="frequency, mean of ranks")
        unused.set(xscale="log", xlabel="rank of the token", ylabel="codes that never occur, %", ylim=0)
        for axes in (by_rank, zipf, unused):
            axes.legend(fontsize=8)
        return figure


if __name__ == "__main__":
    main()
