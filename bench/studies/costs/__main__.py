"""`python -m bench.studies.costs`: searches for the valid inputs that cost most, and lists their costs.

The search starts at random and then varies the worst inputs found. Files are decoded with default limits, and pictures
are encoded. CPU time is that of all threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import click

from bench.report.cells import markdown_lines
from bench.studies.costs.inputs import Picture, TokFile, random_file, random_picture, vary_file, vary_picture
from bench.studies.costs.measure import Cost, Input, Meter
from bench.studies.costs.units import table as unit_table
from tokcodec import __version__

KEPT = 100
"""Worst inputs that are kept and varied."""
SMALL = 64
"""Files of fewer tiles are judged by CPU time per byte, all others by CPU time."""
SHOWN = 8
POSITIVE = click.FloatRange(0, min_open=True)
T = TypeVar("T", TokFile, Picture)
Found = list[tuple[T, Cost]]


@click.command()
@click.option("--minutes", type=POSITIVE, default=10.0, show_default=True, help="Search time.")
@click.option("--limit", type=POSITIVE, default=60.0, show_default=True, help="CPU seconds per input.")
@click.option("--pixels", type=click.IntRange(1), default=20_000_000, show_default=True, help="Largest picture.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the search.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Markdown file; default: standard output.")
def main(minutes: float, limit: float, pixels: int, seed: int, out: Path | None) -> None:
    """Search for the valid inputs that cost most CPU time and memory."""
    rng, meter = Random(seed), Meter(limit)
    share = 60 * minutes / 3
    command = f"--minutes {minutes:g} --limit {limit:g} --pixels {pixels} --seed {seed}"
    try:
        units = unit_table(meter, pixels)
        small = search(rng, meter, share, random_file, vary_file, _per_byte)
        large = search(rng, meter, share, random_file, vary_file, _seconds)
        pictures = search(
            rng, meter, share, lambda r: random_picture(r, pixels), lambda r, p: vary_picture(r, p, pixels), _seconds
        )
    finally:
        meter.close()
    text = report(units, small, large, pictures, command)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def search(
    rng: Random,
    meter: Meter,
    seconds: float,
    make: Callable[[Random], T],
    vary: Callable[[Random, T], T],
    worth: Callable[[Input, Cost], float],
) -> Found[T]:
    """The inputs with the highest `worth`, worst first, found within a time.

    Args:
        rng: source of randomness.
        meter: measures the cost of an input.
        seconds: duration of the search.
        make: returns a random input.
        vary: returns an input similar to another one.
        worth: the value to maximise.
    """
    found: list[tuple[float, T, Cost]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fresh = not found or rng.random() < 0.3
        # The worst are varied most often.
        given = make(rng) if fresh else vary(rng, found[int(len(found) * rng.random() ** 2)][1])
        if any(given == known for _, known, _ in found):
            continue
        cost = meter.cost(given)
        found.append((worth(given, cost), given, cost))
        found = sorted(found, key=lambda entry: -entry[0])[:KEPT]
    return [(given, cost) for _, given, cost in found]


def _per_byte(given: Input, cost: Cost) -> float:
    return cost.per_byte if given.tiles < SMALL else 0.0


def _seconds(_: Input, cost: Cost) -> float:
    return cost.seconds


def report(
    units: list[str], small: Found[TokFile], large: Found[TokFile], pictures: Found[Picture], options: str
) -> str:
    """The page: the table of units, and one for each of the three searches.

    Args:
        units: lines of the table.
        small: files by CPU time per byte.
        large: files by CPU time.
        pictures: pictures by CPU time.
        options: those of the command.
    """
    parts = [
        "# What inputs cost",
        "",
        f"`python -m bench.studies.costs {options}`, tokcodec {__version__}: "
        "the worst valid inputs of a search that varies header fields, payloads, picture sizes, kinds and options.",
        "CPU time is that of all threads, and memory is the peak of the process, libraries and model included.",
        "",
        "## Units",
        "",
        *units,
    ]
    for title, found in (
        (f"Decode, CPU time per byte, fewer than {SMALL} tiles", small),
        ("Decode, CPU time, any file within the default limits", large),
        ("Encode, CPU time", pictures),
    ):
        parts += ["", f"## {title}", "", *table(found)]
    return "\n".join(parts)


def table(found: Found[Any]) -> list[str]:
    """The worst inputs of a search as a table."""
    rows = [
        [given.describe(), given.tiles, f"{cost.seconds:.2f}", f"{cost.per_byte:.2f}", f"{cost.peak:.0f}", cost.outcome]
        for given, cost in found[:SHOWN]
    ]
    return markdown_lines(["input", "tiles", "CPU s", "CPU ms per byte", "peak, MB", "outcome"], rows)


if __name__ == "__main__":
    main()
