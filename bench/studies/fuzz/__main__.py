"""`python -m bench.studies.fuzz`: reads damaged files with `info`, `read_tokens` and `decode`.

Only a TokError may be raised, within limits of time and memory. One file in 100 is decoded to pixels. `mutants` makes
the files: file i of a seed is the same for any number of jobs. With `--journal` an interrupted run resumes and repeats
at most 1000 files per job. The exit status is 1 if anything but a TokError was raised or a limit is missed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

import click
from PIL import Image

import tokcodec

from .mutants import Sources, mutant, sources
from .outcomes import draw, examine, give_memory_back, tally
from .runs import Journal, Tallies, chunks, installed, is_drawn, print_tables

TOKENS_LIMIT = (1.0, 256.0)
"""Seconds per file, and MB by which the process may grow: twice the largest array of tokens, of which two copies exist
while it is filled."""
DRAWN_TILES, DRAWN_MB = 64 * 3, 256.0
"""Time limit in tiles, three times the largest number of drawn tiles, and limit of memory in MB.
Drawing a tile is timed on the machine of the run."""


@lru_cache(maxsize=1)
def warm() -> Sources:
    """The sources of the files. Loads all parts of tokcodec first, so that no file is charged for it."""
    give_memory_back()
    using = sources()
    for data in using.files:
        examine(data)
        with suppress(tokcodec.TokError):  # bare files have one tile
            if tokcodec.info(data).tiles > 2:  # drawing more loads at most another scale's codewords
                continue
        draw(data)
    return using


def work(numbers: range, seed: int) -> Tallies:
    """Tallies of the files with these numbers: tokens of all, pixels of some."""
    using = warm()
    files = [(number, mutant(seed, number, using)) for number in numbers]
    some = [(number, data) for number, data in files if is_drawn(number)]
    return {"tokens": tally(files, examine), "pixels": tally(some, draw)}


def tally_all(parts: Sequence[range], seed: int, jobs: int) -> Iterator[tuple[range, Tallies]]:
    """Yields each chunk of files with its tallies, in order."""
    if jobs == 1:
        yield from zip(parts, map(partial(work, seed=seed), parts), strict=True)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(parts, pool.map(partial(work, seed=seed), parts), strict=True)


def seconds_of_a_tile() -> float:
    """CPU time of drawing one tile, the shortest of five, so that limits follow the speed of the machine."""
    data = tokcodec.encode(Image.linear_gradient("L").convert("RGB"), tokens=64)
    times = []
    for _ in range(5):
        started = time.process_time()
        tokcodec.decode(data)
        times.append(time.process_time() - started)
    return min(times)


@click.command()
@click.option("--files", type=click.IntRange(1), default=100_000, show_default=True, help="Number of files.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the files.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="File of results to resume from.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder for bugs and extreme files.")
def main(files: int, seed: int, jobs: int, journal: Path | None, keep: Path | None) -> None:
    """Read damaged files; the exit status is 1 if one raises anything but a TokError or misses a limit."""
    sys.exit(0 if run(files, seed, jobs, journal, keep) else 1)


def run(files: int, seed: int, jobs: int = 1, journal: Path | None = None, keep: Path | None = None) -> bool:
    """Print the tables. True if nothing but TokErrors was raised and every limit is kept."""
    with installed():
        warm.cache_clear()
        done = Journal(journal, seed)
        missing = [chunk for chunk in chunks(files) if chunk not in done.done]
        with click.progressbar(tally_all(missing, seed, jobs), len(missing), file=sys.stderr) as bar:
            for chunk, tallies in bar:
                done.note(chunk, tallies)

        using, total = sources(), done.total(files)
        print(f"tokcodec {tokcodec.__version__}, {len(using.files)} vectors, {len(using.models)} models, seed {seed}")
        limits = {"tokens": TOKENS_LIMIT, "pixels": (DRAWN_TILES * seconds_of_a_tile(), DRAWN_MB)}
        kept = print_tables(total, seed, limits)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            for number in {n for found in total.values() for n in (found.slowest[1], found.largest[1], *found.bugs)}:
                (keep / f"fuzz-{seed}-{number}.tok").write_bytes(mutant(seed, number, using))
        return kept


if __name__ == "__main__":
    main()
