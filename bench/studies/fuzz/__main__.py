"""Bad files through `info` and tokens, every hundredth to pixels: only a TokError may come out, soon and cheaply.

    python -m bench.studies.fuzz [--files 100000] [--seed 0] [--jobs 1] [--journal FILE] [--keep FOLDER]

`mutants` says which files. File i of a seed is the same whatever the number of jobs. With --journal a run that was
stopped goes on where it was, less at most 1000 files a job. Exit code 1 when anything but a TokError came out, or a
limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

from PIL import Image

import tokcodec

from .mutants import Sources, mutant, sources
from .outcomes import draw, examine, give_memory_back, tally
from .runs import Journal, Tallies, chunks, installed, is_drawn, print_tables

TOKENS_LIMIT = (1.0, 256.0)
"""Seconds for one file, and MB by which the process may grow: the largest array of tokens, twice while it is filled up,
and as much again."""
DRAWN_TILES, DRAWN_MB = 64 * 3, 256.0
"""A file may take as long as this many tiles, three times those that are drawn at most, on the machine of the run."""


@lru_cache(maxsize=1)
def warm() -> Sources:
    """What files are made of; all that is used of tokcodec has been loaded then: no file's fault."""
    give_memory_back()
    using = sources()
    for data in using.files:
        examine(data)
        with suppress(tokcodec.TokError):  # bare files have one tile
            if tokcodec.info(data).tiles > 8:  # drawing more loads nothing more
                continue
        draw(data)
    return using


def work(numbers: range, seed: int) -> Tallies:
    """What comes of the files of these numbers: their tokens, and the pixels of some."""
    using = warm()
    files = [(number, mutant(seed, number, using)) for number in numbers]
    some = [(number, data) for number, data in files if is_drawn(number)]
    return {"tokens": tally(files, examine), "pixels": tally(some, draw)}


def tally_all(parts: Sequence[range], seed: int, jobs: int) -> Iterator[tuple[range, Tallies]]:
    """Tallies of chunks of files, in order."""
    if jobs == 1:
        yield from zip(parts, map(partial(work, seed=seed), parts), strict=True)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(parts, pool.map(partial(work, seed=seed), parts), strict=True)


def seconds_of_a_tile() -> float:
    """Processor time of drawing one tile, the fastest of some: limits follow the speed of the machine."""
    data = tokcodec.encode(Image.linear_gradient("L").convert("RGB"), tokens=64)
    times = []
    for _ in range(5):
        started = time.process_time()
        tokcodec.decode(data)
        times.append(time.process_time() - started)
    return min(times)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 0 if nothing but TokErrors came out and every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--seed", type=int, default=0, help="other files for another number (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="note here what is done, and go on from it")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write what is worth a look here")
    options = parser.parse_args(arguments)

    with installed():
        warm.cache_clear()
        return run(options)


def run(options: argparse.Namespace) -> int:
    """`main` where the models are installed."""
    journal = Journal(options.journal, options.seed)
    missing = [chunk for chunk in chunks(options.files) if chunk not in journal.done]
    for chunk, tallies in tally_all(missing, options.seed, options.jobs):
        journal.note(chunk, tallies)
        if sys.stderr.isatty():
            print(f"\r{chunk.stop} of {options.files} files", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)

    using, total = sources(), journal.total(options.files)
    print(
        f"tokcodec {tokcodec.__version__}, {len(using.files)} vectors, {len(using.models)} models, seed {options.seed}"
    )
    limits = {"tokens": TOKENS_LIMIT, "pixels": (DRAWN_TILES * seconds_of_a_tile(), DRAWN_MB)}
    status = print_tables(total, options.seed, limits)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        numbers = {n for found in total.values() for n in (found.slowest[1], found.largest[1], *found.bugs)}
        for number in numbers if options.files else ():
            (options.keep / f"fuzz-{options.seed}-{number}.tok").write_bytes(mutant(options.seed, number, using))
    return status


if __name__ == "__main__":
    sys.exit(main())
