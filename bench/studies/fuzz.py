"""Mutated files through `info` and token decoding: nothing but a TokError may come out, in little time and memory.

    python -m bench.studies.fuzz [--count 100000] [--seed 0] [--jobs 1] [--keep FOLDER]

The files of formats/vectors are damaged by flipped bits, cuts, insertions, deletions, splices of two files and extreme
header fields. The header's check refuses most of that, so half of the files get a header whose check is right again:
only these reach the coder. File i of a seed is the same whatever the number of jobs. Exit code 1 when anything but a
TokError came out, or a limit is missed.
"""

from __future__ import annotations

import argparse
import binascii
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import tokcodec
from tokcodec.container.header import HEADER_SIZE, MAGIC, VERSION
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import MAX_SIDE

VECTORS = Path(__file__).parents[2] / "formats" / "vectors"
MAX_PIXELS = 1 << 24
"""Tokens are decoded of files that `info` finds to declare no more: 2^16 tiles of 16x16, 64 MiB at 256 tokens each."""
SECONDS_LIMIT = 1.0  # for one file
MEMORY_LIMIT_MB = 256.0  # growth of the process: the largest array of tokens, twice while it is filled up, and as much
CHUNK = 1000  # files that a job takes at a time

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


# ---- damage


def flip(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to eight bits."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def cut(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The end is gone."""
    return data[: rng.randint(0, len(data))]


def insert(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Up to 64 bytes come in: any, or one value again and again."""
    size, place = rng.randint(1, 64), rng.randint(0, len(data))
    middle = rng.choice((rng.randbytes(size), bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF))]) * size))
    return data[:place] + middle + data[place:]


def delete(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Up to 64 bytes go."""
    place = rng.randint(0, len(data))
    return data[:place] + data[place + rng.randint(1, 64) :]


def splice(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The beginning of one file and the end of another."""
    other = rng.choice(others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def stretch(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Other header fields, preferably the extreme ones: a short file that declares much."""
    if len(data) < HEADER_SIZE:
        return data
    width, height = (rng.choice((0, MAX_SIDE - 1, MAX_SIDE, rng.randint(0, MAX_SIDE))) for _ in range(2))
    shape = rng.choice((0, 1, 15, rng.randrange(16))) << 28 | width << 14 | height
    tokens = rng.choice((0, 255, rng.randrange(256)))
    return data[:3] + bytes([tokens]) + shape.to_bytes(4, "big") + data[8:]


MUTATIONS: tuple[Mutation, ...] = (flip, cut, insert, delete, splice, stretch)


def repair(data: bytes, model_hash: bytes) -> bytes:
    """The file with the magic, version, model id and check that let its header pass; shorter ones as they are."""
    if len(data) < HEADER_SIZE:
        return data
    head = bytes([MAGIC, VERSION << 4 | data[1] & 0x0F, model_hash[0]]) + data[3:8]
    return head + binascii.crc_hqx(head + model_hash, 0xFFFF).to_bytes(2, "big") + data[HEADER_SIZE:]


def mutant(seed: int, number: int, files: Sequence[bytes], model_hash: bytes) -> bytes:
    """File `number` of a seed: one of `files` after one to four mutations, the header of every second one repaired."""
    rng = random.Random(f"{seed}/{number}")
    data = rng.choice(files)
    for mutation in rng.choices(MUTATIONS, k=rng.randint(1, 4)):
        data = mutation(rng, data, files)
    return repair(data, model_hash) if number % 2 else data


@lru_cache(maxsize=1)
def vectors() -> tuple[bytes, ...]:
    """The files of formats/vectors."""
    return tuple(path.read_bytes() for path in sorted(VECTORS.glob("*.tok")))


# ---- what comes of it


def examine(data: bytes) -> str:
    """What `info` and `read_tokens` make of a file: "complete", "cut", or the class of the TokError that refuses it.

    "beyond the limit" is what declares more than MAX_PIXELS: only described. The bytes are read as a bare file too.
    Raises whatever else they raise, and AssertionError where they contradict each other.
    """
    _examine_bare(data)
    found: tokcodec.TokInfo | None = None
    refusal = ""
    try:
        found = tokcodec.info(data)
    except tokcodec.TokError as error:
        refusal = _named(error)
    if found is not None and found.width * found.height > MAX_PIXELS:
        return "beyond the limit"
    try:
        tokens = tokcodec.read_tokens(data)
    except tokcodec.TokError as error:
        if found is None and _named(error) != refusal:
            raise AssertionError(f"info says {refusal}, read_tokens {_named(error)}") from error
        return _named(error)
    if found is None:
        raise AssertionError(f"info says {refusal}, read_tokens reads it")
    if tokens.shape != (found.tiles, found.tokens) or tokens.min() < -1 or (tokens >= 0).sum() != found.held:
        raise AssertionError(f"info says {found}, read_tokens gives {tokens.shape} with {(tokens >= 0).sum()} tokens")
    return "complete" if found.complete else "cut"


def _examine_bare(data: bytes) -> None:
    """A bare file is nearly any two bytes and a payload."""
    try:
        tokens = tokcodec.read_tokens(data, container="bare")
    except tokcodec.TokError as error:
        _named(error)
    else:
        if tokens.shape != (1, data[0] + 1):
            raise AssertionError(f"{data[0] + 1} tokens declared, {tokens.shape} read of a bare file")


def _named(error: tokcodec.TokError) -> str:
    if not str(error) or "\n" in str(error):
        raise AssertionError(f"not one line for the user: {error!r}") from error
    return type(error).__name__


def peak_mb() -> float:
    """Most memory that this process ever had, in MB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss: bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@dataclass
class Tally:
    """What came of some files: their number by outcome, bugs, and the files that took most time and made the process
    grow last; a file is named by its number.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    bugs: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)  # seconds
    largest: tuple[float, int] = (0.0, 0)  # MB

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.bugs |= other.bugs
        self.seconds += other.seconds
        self.note(other.slowest, other.largest)

    def note(self, slow: tuple[float, int], large: tuple[float, int]) -> None:
        """Remember (seconds, file) and (MB, file) if they are more than before."""
        self.slowest = max(self.slowest, slow, key=lambda pair: pair[0])
        self.largest = max(self.largest, large, key=lambda pair: pair[0])


_first_peak: float | None = None  # of this process, when it was warm


def work(numbers: Iterable[int], seed: int) -> Tally:
    """Examine the files of these numbers."""
    global _first_peak
    files, model_hash = vectors(), find_model().hash
    tally = Tally()
    if _first_peak is None:
        for data in files:
            examine(data)
        _first_peak = peak_mb()
    for number in numbers:
        data = mutant(seed, number, files, model_hash)
        started = time.process_time()  # of the processor: other work on the machine is not the file's fault
        try:
            result = examine(data)
        except Exception as error:
            result = f"BUG: {type(error).__name__}"
            tally.bugs[number] = f"{type(error).__name__}: {error}"
        seconds = time.process_time() - started
        tally.outcomes[result] += 1
        tally.seconds += seconds
        tally.note((seconds, number), (peak_mb() - _first_peak, number))
    return tally


def tally_all(count: int, seed: int, jobs: int) -> Iterator[Tally]:
    """Tallies of chunks of files, in order."""
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    if jobs == 1:
        yield from map(partial(work, seed=seed), chunks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(work, seed=seed), chunks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 if nothing but TokErrors came out and every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="how many files (default 100000)")
    parser.add_argument("--seed", type=int, default=0, help="other files for another number (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write what is worth a look here")
    options = parser.parse_args(arguments)

    total = Tally()
    for tally in tally_all(options.count, options.seed, options.jobs):
        total.add(tally)
        if sys.stderr.isatty():
            print(f"\r{total.outcomes.total()} of {options.count} files", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)

    print(f"tokcodec {tokcodec.__version__}, {len(vectors())} vectors, seed {options.seed}, {options.count} files:")
    for name, number in total.outcomes.most_common():
        print(f"  {name:24} {number:8} {100 * number / options.count:6.2f} %")
    (slow, slowest), (grown, largest) = total.slowest, total.largest
    print(f"mean {1e6 * total.seconds / options.count:.0f} us of processor time a file")
    print(f"slowest {1e3 * slow:.1f} ms: file {slowest} (limit {1e3 * SECONDS_LIMIT:.0f} ms)")
    print(f"peak memory grew by {grown:.1f} MB, up to file {largest} (limit {MEMORY_LIMIT_MB:.0f} MB)")
    for number, text in list(total.bugs.items())[:20]:
        print(f"file {number}: {text}")
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for number in {slowest, largest, *total.bugs} if options.count else ():
            data = mutant(options.seed, number, vectors(), find_model().hash)
            (options.keep / f"fuzz-{options.seed}-{number}.tok").write_bytes(data)
    return 1 if total.bugs or slow > SECONDS_LIMIT or grown > MEMORY_LIMIT_MB else 0


if __name__ == "__main__":
    sys.exit(main())
